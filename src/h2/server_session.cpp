#include "h2/server_session.hpp"

#include "h2/callbacks.hpp"
#include "h2/limits.hpp"

#include <array>
#include <new>

namespace millrace::h2 {
namespace {

// Frames that answer the client's frames and that it does not read: acknowledgements, resets.
constexpr std::size_t kOutboundFramesMax = 1000;

SessionPtr make_session(ServerSession& host) {
  nghttp2_session* session = nullptr;
  const int made = ::nghttp2_session_server_new3(&session, server_callbacks(), &host,
                                                 server_options(), pooled_memory());
  if (made != 0) throw std::bad_alloc();
  return SessionPtr(session);
}

}  // namespace

ServerSession::ServerSession(net::Output& output, const PeerInfo& peer, Pipeline& pipeline,
                             bool https, Scope& over)
    : output_(output),
      peer_(peer),
      pipeline_(pipeline),
      over_(over),
      https_(https),
      session_(make_session(*this)),
      frames_(kFrameBudget, IoThread::current().coarse_now()),
      resets_(kResetBudget, IoThread::current().coarse_now()) {
  output_.set_source(*this);
}

ServerSession::~ServerSession() {
  // What nghttp2 still knows of, closes with it.
  session_.reset();
  while (!streams_.empty()) forget(streams_.front());
}

void ServerSession::start() {
  const std::array<nghttp2_settings_entry, 5> settings{{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, kStreamsMax},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindowBytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
       static_cast<std::uint32_t>(pipeline_.limits().head.head_bytes_max)},
      {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
  }};
  ::nghttp2_submit_settings(raw(), NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  ::nghttp2_session_set_local_window_size(raw(), NGHTTP2_FLAG_NONE, 0, kConnectionWindowBytes);
  pipeline_.watch_drain(*this);
  queued();
  if (pipeline_.draining()) draining();
}

void ServerSession::feed(std::string_view bytes) {
  if (deaf_) return;
  idle_since_ = IoThread::current().coarse_now();
  const ssize_t used = ::nghttp2_session_mem_recv(
      raw(), reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  // Protocol errors make nghttp2 say GOAWAY by itself. What is left is a client that does not speak
  // HTTP/2 at all, a flood that nghttp2 counted, and want of memory.
  if (used == NGHTTP2_ERR_FLOODED)
    terminate(NGHTTP2_ENHANCE_YOUR_CALM);
  else if (used < 0)  // or one of ours said so, and has said why
    terminate(used == NGHTTP2_ERR_BAD_CLIENT_MAGIC ? NGHTTP2_PROTOCOL_ERROR
                                                   : NGHTTP2_INTERNAL_ERROR);
  deaf_ = used < 0;
  queued();
}

void ServerSession::terminate(std::uint32_t h2_error) noexcept {
  if (std::exchange(terminated_, true)) return;
  sent_away_ = h2_error == NGHTTP2_ENHANCE_YOUR_CALM;
  ::nghttp2_session_terminate_session(raw(), h2_error);
  if (sent_away_) over_.cancel(Errc::kCancelled);  // also when it takes nothing of what we say
  queued();
}

Task<void> ServerSession::end_streams(Errc reason) {
  handlers_.cancel(reason);
  co_await handlers_.join();
}

bool ServerSession::is_congested() const noexcept {
  return output_.blocked() &&
         (waiting_ != 0 || ::nghttp2_session_get_outbound_queue_size(raw()) > kOutboundFramesMax);
}

void ServerSession::spend(Budget& budget, double tokens) noexcept {
  if (budget.spend(tokens, IoThread::current().coarse_now())) return;
  terminate(NGHTTP2_ENHANCE_YOUR_CALM);
}

void ServerSession::answered() noexcept {
  frames_.earn(kTokensPerRequest);
  resets_.earn(kResetsPerAnswer);
}

// --- the drain ---

void ServerSession::draining() noexcept {
  notice_sent_ = true;
  ::nghttp2_submit_shutdown_notice(raw());
  ::nghttp2_submit_ping(raw(), NGHTTP2_FLAG_NONE, nullptr);
  IoThread::current().arm(drain_limit_, kDrainNotice);
  queued();
}

void ServerSession::end_notice() noexcept {
  if (!std::exchange(notice_sent_, false)) return;
  drain_limit_.disarm();
  ::nghttp2_submit_goaway(raw(), NGHTTP2_FLAG_NONE,
                          ::nghttp2_session_get_last_proc_stream_id(raw()), NGHTTP2_NO_ERROR,
                          nullptr, 0);
  queued();
}

// --- streams ---

ServerStream* ServerSession::find(std::int32_t stream_id) const noexcept {
  return static_cast<ServerStream*>(::nghttp2_session_get_stream_user_data(raw(), stream_id));
}

void ServerSession::forget(ServerStream& stream) noexcept {
  delete &stream;
}

void ServerSession::open(ServerStream& stream, bool end_stream) {
  if (const auto opened = stream.open(end_stream); !opened) {
    pipeline_.refuse(stream, opened.error());
    if (stream.handler_done()) forget(stream);
    return;
  }
  if (const http::Priority& asked = stream.priority(); asked.said) {
    nghttp2_extpri priority{.urgency = asked.urgency, .inc = asked.incremental};
    ::nghttp2_session_change_extpri_stream_priority(raw(), stream.id(), &priority, 0);
  }
  handlers_.spawn(run(stream));
}

Task<Result<void>> ServerSession::wait_for_room() {
  Result<void> woken;
  ++waiting_;
  while (woken && held_bytes_ > kHeldBytesMax) {
    room_.reset();
    woken = co_await room_.wait();
  }
  --waiting_;
  co_return woken;
}

Task<void> ServerSession::run(ServerStream& stream) {
  Handler& handler = pipeline_.begin(stream);
  Result<void> outcome;
  if (held_bytes_ > kHeldBytesMax) [[unlikely]]
    outcome = co_await in_scope(stream.scope(), wait_for_room());
  if (outcome) outcome = co_await in_scope(stream.scope(), handler.handle(stream));
  pipeline_.end(stream, outcome);
  answered();
  idle_since_ = IoThread::current().coarse_now();
  if (stream.handler_done()) forget(stream);
}

// --- what nghttp2 tells ---

int ServerSession::on_begin_frame(const nghttp2_frame_hd& head) {
  if (head.type != NGHTTP2_CONTINUATION) head_open_ = false;
  switch (head.type) {
    case NGHTTP2_HEADERS:
      return 0;
    case NGHTTP2_DATA:
      if (head.length != 0) {
        frames_.earn(static_cast<double>(head.length) / kBytesPerToken);
        return 0;
      }
      if ((head.flags & NGHTTP2_FLAG_END_STREAM) != 0) return 0;
      break;
    case NGHTTP2_RST_STREAM:
      spend(resets_, 1);
      break;
    case NGHTTP2_WINDOW_UPDATE:
      if (earnings_.spend()) return 0;
      break;
    default:
      break;
  }
  spend(frames_, 1);
  return 0;
}

int ServerSession::on_begin_headers(const nghttp2_frame& frame) {
  if (frame.hd.type != NGHTTP2_HEADERS) return 0;
  head_open_ = true;
  ++head_number_;
  const std::int32_t id = frame.hd.stream_id;
  heading_ = nullptr;
  if (frame.headers.cat != NGHTTP2_HCAT_REQUEST) {
    heading_ = find(id);
    return 0;
  }
  if (handlers_.size() >= kLiveStreamsMax || !has_room_for_head() || terminated_) {
    // Nobody tells when the rest of a refused head has come.
    head_open_ = (frame.hd.flags & NGHTTP2_FLAG_END_HEADERS) == 0;
    ::nghttp2_submit_rst_stream(raw(), NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
    return 0;
  }
  auto* stream = new ServerStream(*this, id, peer_);
  streams_.push_back(*stream);
  ::nghttp2_session_set_stream_user_data(raw(), id, stream);
  heading_ = stream;
  return 0;
}

int ServerSession::on_header(nghttp2_rcbuf* name, nghttp2_rcbuf* value) {
  if (heading_ == nullptr || heading_->add_field(name, value)) return 0;
  // The rest of the block may be a million fields: it is not even decoded.
  terminate(NGHTTP2_ENHANCE_YOUR_CALM);
  return NGHTTP2_ERR_CALLBACK_FAILURE;
}

void ServerSession::end_head(bool of_request, bool end_stream) {
  head_open_ = false;
  ServerStream* stream = std::exchange(heading_, nullptr);
  if (stream == nullptr) return;
  if (of_request)
    open(*stream, end_stream);
  else
    stream->trailers_ended(end_stream);
}

int ServerSession::on_frame(const nghttp2_frame& frame) {
  const bool end_stream = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  switch (frame.hd.type) {
    case NGHTTP2_HEADERS:
      end_head(frame.headers.cat == NGHTTP2_HCAT_REQUEST, end_stream);
      break;
    case NGHTTP2_DATA:
      if (!end_stream) break;
      if (ServerStream* stream = find(frame.hd.stream_id)) stream->body_ended();
      break;
    case NGHTTP2_SETTINGS:
      settings_seen_ = true;
      break;
    case NGHTTP2_PING:
      if ((frame.hd.flags & NGHTTP2_FLAG_ACK) != 0) end_notice();
      break;
    default:
      break;
  }
  return 0;
}

int ServerSession::on_data(std::int32_t stream_id, std::string_view bytes) {
  data_bytes_ += bytes.size();
  ServerStream* stream = find(stream_id);
  if (stream != nullptr)
    stream->receive(Bytes(bytes.data(), bytes.size()));
  else
    ::nghttp2_session_consume(raw(), stream_id, bytes.size());
  return 0;
}

int ServerSession::on_frame_sent(const nghttp2_frame& frame) {
  const std::int32_t id = frame.hd.stream_id;
  if (frame.hd.type == NGHTTP2_RST_STREAM) {
    const ServerStream* stream = find(id);
    if (stream != nullptr && stream->reset_by_us()) return 0;
    if (frame.rst_stream.error_code == NGHTTP2_REFUSED_STREAM)
      spend(resets_, kResetsPerRefusal);
    else
      spend(resets_, stream != nullptr && !stream->is_malformed() ? kResetsPerFault : 1);
    return 0;
  }
  if (id == 0 || (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
  if (frame.hd.type != NGHTTP2_DATA && frame.hd.type != NGHTTP2_HEADERS) return 0;
  if (ServerStream* stream = find(id)) stream->answer_sent();
  return 0;
}

int ServerSession::on_stream_close(std::int32_t stream_id) {
  ServerStream* stream = find(stream_id);
  if (stream == nullptr) return 0;
  if (stream == heading_) {
    heading_ = nullptr;
    head_open_ = false;
  }
  if (stream->closed()) forget(*stream);
  return 0;
}

int ServerSession::on_send_data(ServerStream& stream, const std::uint8_t* frame_head,
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

bool ServerSession::refill(ByteBuffer& to) noexcept {
  batch_ = &to;
  bool more = true;
  while (more && to.size() < kBatchBytes) {
    const std::uint8_t* bytes = nullptr;
    const ssize_t size = ::nghttp2_session_mem_send(raw(), &bytes);
    if (size < 0) terminate(NGHTTP2_INTERNAL_ERROR);
    more = size > 0;
    if (more) to.append({reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)});
  }
  batch_ = nullptr;
  more = ::nghttp2_session_want_write(raw()) != 0;
  const bool wants_read = !deaf_ && ::nghttp2_session_want_read(raw()) != 0;
  if (!more && !wants_read) over_.cancel(Errc::kCancelled);
  return more;
}

}  // namespace millrace::h2
