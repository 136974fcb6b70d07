#include "h2/client_connection.hpp"

#include "h2/client_callbacks.hpp"
#include "h2/client_stream.hpp"
#include "h2/limits.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <new>

namespace millrace::h2 {
namespace {

/// What one connection may read in a row before others have their turn.
constexpr std::size_t kReadInARowBytesMax = 256 * 1024;

SessionPtr make_session(ClientConnection& host) {
  nghttp2_session* session = nullptr;
  const int made = ::nghttp2_session_client_new3(&session, client_callbacks(), &host,
                                                 client_options(), pooled_memory());
  if (made != 0) throw std::bad_alloc();
  return SessionPtr(session);
}

}  // namespace

ClientConnection::ClientConnection(net::Stream stream, const Options& options, Host& host)
    : options_(options),
      host_(host),
      stream_(std::move(stream)),
      output_(stream_, options.write_stall),
      session_(make_session(*this)),
      frames_(kFrameBudget, IoThread::current().coarse_now()),
      heard_at_(IoThread::current().coarse_now()) {
  output_.set_source(*this);
  write_failure_.enter(*this);
  output_.on_failure(&write_failure_);
  submit_settings();
  stream_.clear_deadline(Direction::kRead);
  stream_.descriptor().watch(Direction::kRead, *this);
}

ClientConnection::~ClientConnection() {
  stop(Errc::kUpstreamClosed);
  assert(std::ranges::none_of(streams_, [](const ClientStream& s) { return s.sending(); }));
  session_.reset();
  while (!streams_.empty()) forget(streams_.front());
}

void ClientConnection::submit_settings() {
  const std::array<nghttp2_settings_entry, 3> settings{{
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
       static_cast<std::uint32_t>(options_.stream_window_bytes)},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
       static_cast<std::uint32_t>(options_.head.head_bytes_max)},
  }};
  ::nghttp2_submit_settings(raw(), NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  ::nghttp2_session_set_local_window_size(raw(), NGHTTP2_FLAG_NONE, 0, kAnswersWindowBytes);
  queued();
}

// --- streams ---

bool ClientConnection::takes_streams() const noexcept {
  return !goaway_ && !dead_ && ::nghttp2_session_check_request_allowed(raw()) != 0;
}

std::size_t ClientConnection::room() const noexcept {
  if (!takes_streams()) return 0;
  const std::size_t allowed = std::min<std::size_t>(
      options_.streams_max,
      ::nghttp2_session_get_remote_settings(raw(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS));
  return allowed > streams_count_ ? allowed - streams_count_ : 0;
}

ExchangePtr ClientConnection::open() {
  auto* stream = new ClientStream(*this);
  streams_.push_back(*stream);
  ++streams_count_;
  ++held_;
  ++opened_;
  const TimePoint now = IoThread::current().coarse_now();
  if (opened_ > 1 && streams_count_ == 1 && now - heard_at_ > options_.ping_on_reuse_after) ping();
  if (!silence_.armed()) IoThread::current().arm(silence_, options_.ping_after);
  return ExchangePtr(stream);
}

void ClientConnection::forget(ClientStream& stream) noexcept {
  --streams_count_;
  delete &stream;
}

void ClientConnection::stream_left(ClientStream* stream) noexcept {
  --held_;
  if (stream != nullptr) forget(*stream);
  host_.connection_changed(*this);
}

ClientStream* ClientConnection::find(std::int32_t stream_id) const noexcept {
  return static_cast<ClientStream*>(::nghttp2_session_get_stream_user_data(raw(), stream_id));
}

// --- the end ---

void ClientConnection::close_gracefully() noexcept {
  if (dead_ || goaway_) return;
  goaway_ = true;
  ::nghttp2_submit_goaway(raw(), NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, nullptr, 0);
  if (held_ != 0) {
    queued();
    return host_.connection_changed(*this);
  }
  output_.flush();
  end(Errc::kUpstreamClosed);
}

void ClientConnection::end(Errc reason) noexcept {
  if (dead_) return;
  stop(reason);
  IoThread::current().at_end_of_turn(closer_);  // we may be in the middle of a read or a write
  host_.connection_changed(*this);
}

void ClientConnection::stop(Errc reason) noexcept {
  if (std::exchange(dead_, true)) return;
  silence_.disarm();
  output_.on_failure(nullptr);
  stream_.descriptor().unwatch(Direction::kRead, *this);
  for (auto at = streams_.begin(); at != streams_.end();) {
    ClientStream& stream = *at++;
    if (stream.connection_ended(reason)) forget(stream);
  }
}

void ClientConnection::Closer::end_of_turn() noexcept {
  connection.output_.buffer().clear();  // must not be flushed into a closed stream
  connection.stream_.close();
}

void ClientConnection::Ender::end_of_turn() noexcept {
  connection.end(connection.goaway_ ? Errc::kUpstreamClosed : connection.fault_);
}

void ClientConnection::ping() noexcept {
  if (std::exchange(pinged_, true)) return;
  ::nghttp2_submit_ping(raw(), NGHTTP2_FLAG_NONE, nullptr);
  silence_.disarm();  // its time begins when it is sent
  queued();
}

void ClientConnection::silent() noexcept {
  if (pinged_) return end(Errc::kUpstreamReset);  // dead for long, maybe: as good as closed
  if (streams_count_ != 0) ping();                // else nobody waits
}

// --- reading ---

std::optional<net::IoResult> ClientConnection::read_some() {
  ByteBuffer buffer;
  const std::span<char> room = buffer.prepare(1, ByteBuffer::kLargeBytes);
  const net::IoResult r = stream_.read_some(room);
  if (r.would_block() && r.want == Direction::kRead) return r;
  if (!r.done()) {
    end(r.end() ? Errc::kUpstreamClosed : Errc::kUpstreamReset);
    return std::nullopt;
  }
  buffer.commit(r.bytes);
  feed(buffer.view());
  if (dead_) return std::nullopt;
  return r;
}

void ClientConnection::descriptor_ready() noexcept {
  // Whoever is woken runs later in this turn, and may not destroy us.
  std::size_t taken_bytes = 0;
  for (bool more = true; more && taken_bytes < kReadInARowBytesMax;) {
    const std::optional<net::IoResult> r = read_some();
    if (!r) return;
    taken_bytes += r->bytes;
    more = stream_.has_pending() || (r->done() && !r->drained);
  }
  // What TLS holds makes no event: it is read once others had their turn.
  if (stream_.has_pending()) return IoThread::current().at_end_of_turn(reader_);
  stream_.descriptor().watch(Direction::kRead, *this);
}

void ClientConnection::Reader::end_of_turn() noexcept {
  if (!connection.dead_) connection.descriptor_ready();
}

void ClientConnection::feed(std::string_view bytes) {
  heard_at_ = IoThread::current().coarse_now();
  pinged_ = false;
  IoThread::current().arm(silence_, options_.ping_after);
  const ssize_t used = ::nghttp2_session_mem_recv(
      raw(), reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (used < 0) {
    ::nghttp2_session_terminate_session(raw(), NGHTTP2_PROTOCOL_ERROR);
    output_.flush();
    return end(fault_);
  }
  queued();
  if (is_over()) end(Errc::kUpstreamClosed);
}

void ClientConnection::spend(double tokens) noexcept {
  if (frames_.spend(tokens, IoThread::current().coarse_now())) return;
  ::nghttp2_session_terminate_session(raw(), NGHTTP2_ENHANCE_YOUR_CALM);
}

int ClientConnection::on_begin_frame(const nghttp2_frame_hd& head) {
  if (head.type == NGHTTP2_HEADERS && find(head.stream_id) != nullptr) return 0;
  if (head.type == NGHTTP2_WINDOW_UPDATE && earnings_.spend()) return 0;
  if (head.type == NGHTTP2_DATA) {
    if (head.length != 0) {
      frames_.earn(static_cast<double>(head.length) / kBytesPerToken);
      return 0;
    }
    if ((head.flags & NGHTTP2_FLAG_END_STREAM) != 0) return 0;
  }
  spend(1);
  return 0;
}

int ClientConnection::on_header(const nghttp2_frame& frame, nghttp2_rcbuf* name,
                                nghttp2_rcbuf* value) {
  ClientStream* stream = find(frame.hd.stream_id);
  if (stream == nullptr || stream->add_field(name, value)) return 0;
  // The rest of the block may be a million fields: it is not even decoded.
  fault_ = Errc::kUpstreamHeadTooLarge;
  return NGHTTP2_ERR_CALLBACK_FAILURE;
}

int ClientConnection::on_frame(const nghttp2_frame& frame) {
  const bool end_stream = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  switch (frame.hd.type) {
    case NGHTTP2_HEADERS:
      if (ClientStream* stream = find(frame.hd.stream_id)) {
        frames_.earn(kTokensPerRequest);
        stream->head_ended(end_stream);
      }
      break;
    case NGHTTP2_DATA:
      if (!end_stream) break;
      if (ClientStream* stream = find(frame.hd.stream_id)) stream->body_ended();
      break;
    case NGHTTP2_GOAWAY:
      goaway_ = true;
      host_.connection_changed(*this);
      break;
    case NGHTTP2_SETTINGS:
      host_.connection_changed(*this);
      break;
    default:
      break;
  }
  return 0;
}

int ClientConnection::on_data(std::int32_t stream_id, std::string_view bytes) {
  ::nghttp2_session_consume_connection(raw(), bytes.size());
  if (ClientStream* stream = find(stream_id)) stream->receive(Bytes(bytes.data(), bytes.size()));
  return 0;
}

int ClientConnection::on_stream_close(std::int32_t stream_id, std::uint32_t h2_error) {
  ClientStream* stream = find(stream_id);
  if (stream == nullptr) return 0;
  if (stream->closed(h2_error)) forget(*stream);
  host_.connection_changed(*this);
  return 0;
}

// --- writing ---

int ClientConnection::on_frame_sent(const nghttp2_frame& frame) {
  if (frame.hd.type == NGHTTP2_PING && (frame.hd.flags & NGHTTP2_FLAG_ACK) == 0)
    IoThread::current().arm(silence_, options_.ping_patience);
  if (frame.hd.stream_id == 0 || (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
  if (frame.hd.type != NGHTTP2_DATA && frame.hd.type != NGHTTP2_HEADERS) return 0;
  if (ClientStream* stream = find(frame.hd.stream_id)) stream->sent();
  return 0;
}

// A request that came too late, behind a GOAWAY; nghttp2 closes its stream next.
int ClientConnection::on_frame_not_sent(const nghttp2_frame& frame) {
  if (frame.hd.type != NGHTTP2_HEADERS || frame.headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  if (ClientStream* stream = find(frame.hd.stream_id)) stream->not_sent();
  return 0;
}

int ClientConnection::on_send_data(ClientStream& stream, const std::uint8_t* frame_head,
                                   std::size_t length) {
  constexpr std::size_t kFrameHeadBytes = 9;
  // nghttp2 would go on for as long as there is data.
  if (!batch_->empty() && batch_->size() + kFrameHeadBytes + length > kBatchBytes)
    return NGHTTP2_ERR_WOULDBLOCK;
  if (length > stream.held_bytes()) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  batch_->append({reinterpret_cast<const char*>(frame_head), kFrameHeadBytes});
  earnings_.sent(length, length == stream.held_bytes());
  stream.take(length, *batch_);
  return 0;
}

bool ClientConnection::refill(ByteBuffer& to) noexcept {
  if (dead_) return false;
  batch_ = &to;
  bool more = true;
  while (more && to.size() < kBatchBytes) {
    const std::uint8_t* bytes = nullptr;
    const ssize_t size = ::nghttp2_session_mem_send(raw(), &bytes);
    if (size < 0) ::nghttp2_session_terminate_session(raw(), NGHTTP2_INTERNAL_ERROR);
    more = size > 0;
    if (more) to.append({reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)});
  }
  batch_ = nullptr;
  more = ::nghttp2_session_want_write(raw()) != 0;
  // The peer's GOAWAY, or ours since nghttp2 has found fault with the peer, was the last word.
  if (!more && ::nghttp2_session_want_read(raw()) == 0) IoThread::current().at_end_of_turn(ender_);
  return more;
}

}  // namespace millrace::h2
