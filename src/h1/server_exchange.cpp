#include "h1/server_exchange.hpp"

#include "h1/head_parser.hpp"
#include "h1/head_writer.hpp"
#include "h1/trailers.hpp"
#include "http/ascii.hpp"
#include "millrace/body_pace.hpp"

#include <algorithm>

namespace millrace::h1 {
namespace {

Task<Result<void>> settled(Result<void> outcome) {
  co_return outcome;
}

}  // namespace

using http::BodyLength;
using http::Method;
using http::Version;

ServerExchange::ServerExchange(ServerIo& io, const PeerInfo& p)
    : Exchange(head_, p), io_(io), gone_(*this) {}

ServerExchange::~ServerExchange() {
  end_watch();
}

Result<void> ServerExchange::open(std::size_t start, std::size_t head_bytes) {
  reset(IoThread::current().turn_time());
  head_.clear();
  decoder_.start(BodyLength::none());
  framing_ = Framing::kNone;
  close_ = true;  // until the head has passed
  continue_owed_ = false;
  keep_alive_asked_10_ = false;
  waited_for_body_ = {};
  trailers_.reset();
  scope_.emplace();

  http::RawRequest raw;
  raw.https = io_.stream.is_tls();
  raw.scanned = true;
  const std::string_view head = io_.input.view().substr(start, head_bytes - start);
  // The bytes stay where they are until the exchange is over: nothing reads into `input` before.
  io_.input.skip(head_bytes);
  const auto parsed = parse_request(head, raw, head_.fields);
  head_.method_text = raw.method_text;
  head_.path = raw.target;
  if (!parsed) return parsed;
  const auto verdict = http::judge_request(raw, head_, io_.pipeline.limits().head);
  if (!verdict) return fail(verdict.error());

  decoder_.start(head_.body);
  continue_owed_ = verdict->expect_continue && !head_.body.is_none();
  keep_alive_asked_10_ = head_.version == Version::kHttp10 && verdict->keep_alive;
  body_bytes_max_ = io_.pipeline.limits().body_bytes_max;
  body_limit_key_ = "limits.body";
  if (head_.body.is_known() && head_.body.bytes > body_bytes_max_) return fail(body_too_large());
  // What follows may be meant for a tunnel that we refuse: it is never read as a request.
  const bool early_bytes =
      head_.method == Method::kConnect || (!head_.upgrade.empty() && !io_.input.empty());
  close_ = !verdict->keep_alive || io_.pipeline.draining() || early_bytes;
  return {};
}

void ServerExchange::open_refused() {
  reset(IoThread::current().turn_time());
  head_.clear();
  decoder_.start(BodyLength::none());
  framing_ = Framing::kNone;
  close_ = true;
  continue_owed_ = false;
  scope_.emplace();
}

// --- the client's end ---

void ServerExchange::begin_watch() {
  gone_.wanted = true;
  io_.output.on_failure(&*scope_);
  IoThread::current().at_end_of_turn(gone_);
}

void ServerExchange::end_watch() noexcept {
  gone_.wanted = false;
  io_.output.on_failure(nullptr);
  static_cast<TurnHook&>(gone_).unlink();
  gone_.disarm();
  if (std::exchange(gone_.watching, false))
    io_.stream.descriptor().unwatch(Direction::kRead, gone_);
}

void ServerExchange::GoneWatch::end_of_turn() noexcept {
  if (watching) return;
  // While a body is coming, reads tell; behind bytes that nobody reads yet only the kernel knows.
  if (!exchange.decoder_.done()) return poll_later();
  watching = true;
  exchange.io_.stream.descriptor().watch(Direction::kRead, *this);
}

void ServerExchange::GoneWatch::descriptor_ready() noexcept {
  watching = false;
  if (exchange.io_.stream.peer_gone()) return exchange.scope_->cancel(Errc::kClientGone);
  poll_later();
}

void ServerExchange::GoneWatch::poll_later() noexcept {
  if (!armed()) IoThread::current().arm(*this, kGonePollInterval);
}

void ServerExchange::GoneWatch::expired() noexcept {
  if (exchange.io_.stream.peer_closed()) return exchange.scope_->cancel(Errc::kClientGone);
  poll_later();
}

// --- the request's body ---

std::string_view ServerExchange::buffered_body() const noexcept {
  return io_.input.empty() ? body_buffer_.view() : io_.input.view();
}

// From here on both directions are the tunnel's. The client's end is read, not watched for: it may
// have said everything and still be waiting for the rest.
void ServerExchange::open_tunnel() noexcept {
  end_watch();
  io_.output.on_failure(&*scope_);
  decoder_.start(BodyLength::until_close());
  body_bytes_max_ = UINT64_MAX;
  framing_ = Framing::kTunnel;
  close_ = true;
}

void ServerExchange::keep_trailers() {
  if (decoder_.trailer_section().empty()) return;
  trailers_ = std::make_unique<http::Fields>();
  parse_trailers(decoder_.trailer_section(), *trailers_);
}

void ServerExchange::consume_body(std::size_t n) noexcept {
  if (!io_.input.empty())
    io_.input.skip(n);
  else
    body_buffer_.skip(n);
}

Task<Result<Bytes>> ServerExchange::read_body() {
  for (;;) {
    if (decoder_.done()) {
      if (gone_.wanted) IoThread::current().at_end_of_turn(gone_);
      if (trailers_ == nullptr) keep_trailers();
      co_return Bytes{};
    }
    if (const std::string_view buffered = buffered_body(); !buffered.empty()) {
      const auto piece = decoder_.decode(buffered);
      if (!piece) {
        close_ = true;
        co_return fail(piece.error());
      }
      consume_body(piece->used);
      if (piece->data.empty()) continue;
      if (!count_received(piece->data.size())) co_return fail(body_too_large());
      co_return Bytes(piece->data);
    }
    if (std::exchange(continue_owed_, false) && !started()) interim(100, {});
    if (auto filled = co_await fill(); !filled) {
      // A reader that has waited long enough may come again for what is still to come.
      if (!filled.error().is(Errc::kDeadline)) close_ = true;
      co_return fail(filled.error());
    }
    if (body_buffer_.empty()) co_return Bytes{};  // the end of a tunnel
  }
}

Duration ServerExchange::body_patience() const noexcept {
  if (framing_ == Framing::kTunnel) return Duration::max();  // whoever opened it keeps the time
  return millrace::body_patience(io_.pipeline.limits(), received_bytes_, waited_for_body_);
}

Task<Result<void>> ServerExchange::fill() {
  const std::uint64_t certain = decoder_.certain_bytes();
  const bool small = certain != 0 && certain <= ByteBuffer::kSmallBytes;
  body_buffer_.clear();
  for (;;) {
    std::span<char> room =
        body_buffer_.prepare(1, small ? ByteBuffer::kSmallBytes : ByteBuffer::kLargeBytes);
    if (certain != 0 && certain < room.size()) room = room.first(static_cast<std::size_t>(certain));
    const net::IoResult r = io_.read_some(room);
    if (r.done()) {
      body_buffer_.commit(r.bytes);
      co_return Result<void>{};
    }
    if (r.end() && framing_ == Framing::kTunnel) co_return Result<void>{};
    if (r.end()) co_return fail(Errc::kBodyTruncated);
    if (r.error()) co_return fail(Errc::kClientGone, r.os_error);
    body_buffer_.release();  // a slow body must not hold memory
    const TimePoint began = IoThread::current().coarse_now();
    io_.stream.set_deadline(r.want, body_patience(), Errc::kBodyTooSlow);
    const auto ready = co_await io_.wait(r.want);
    io_.stream.clear_deadline(r.want);
    waited_for_body_ += IoThread::current().coarse_now() - began;
    if (!ready) co_return ready;
  }
}

Task<bool> ServerExchange::discard_body() {
  // A client that waits for 100 may or may not send its body now: only a new connection is
  // unambiguous.
  if (continue_owed_) co_return decoder_.done();
  std::size_t discarded = 0;
  body_bytes_max_ = UINT64_MAX;
  while (discarded <= kDiscardBytesMax) {
    const auto piece = co_await read_body();
    if (!piece) co_return false;
    if (piece->empty()) co_return true;
    discarded += piece->size();
  }
  co_return false;
}

void ServerExchange::return_surplus() {
  if (io_.input.empty()) io_.input.clear();
  if (!body_buffer_.empty()) {
    io_.input.append(body_buffer_.view());
  }
  body_buffer_.release();
}

// --- the response ---

void ServerExchange::interim(int status, const http::Fields& fields) {
  if (head_.version == Version::kHttp10 || started()) return;
  if (status == 100) continue_owed_ = false;
  write_interim_head(io_.output.buffer(), status, fields);
  io_.output.queued();
}

void ServerExchange::write_head(const http::ResponseHead& head) {
  using Kind = BodyLength::Kind;
  const bool bodiless = head_.method == Method::kHead || http::status_forbids_body(head.status);
  const Kind kind = head.body.kind;
  ResponseFraming wire;
  const bool connected = head_.method == Method::kConnect && head.status / 100 == 2;
  if (connected || (head.status == 101 && !head_.upgrade.empty())) {
    open_tunnel();
    if (!connected) wire.upgrade = head_.upgrade;
  } else if (bodiless || kind == Kind::kNone) {
    framing_ = Framing::kNone;
  } else if (kind == Kind::kKnown) {
    framing_ = Framing::kLength;
    left_to_send_ = head.body.bytes;
  } else if (head_.version == Version::kHttp10) {
    framing_ = Framing::kUntilClose;
    close_ = true;
  } else {
    framing_ = Framing::kChunked;
    wire.chunked = true;
  }
  // The body of a request that waits for 100 will not be read: this connection ends here.
  if (continue_owed_ && !decoder_.done()) close_ = true;
  if (io_.pipeline.draining()) close_ = true;
  wire.close = close_ && framing_ != Framing::kTunnel;
  wire.keep_alive = keep_alive_asked_10_ && framing_ != Framing::kTunnel;
  if (kind == Kind::kNone && !bodiless && framing_ != Framing::kTunnel) {
    // A response without a body still says so, or the client would wait for the connection's end.
    left_to_send_ = 0;
    wire.zero_length = true;
  }
  write_response_head(io_.output.buffer(), head, wire);
  io_.output.queued();
}

void ServerExchange::write_whole(const http::ResponseHead& head, std::string_view body) {
  // More of the request's body is to come than discard_body() would take: say so while we can.
  if (decoder_.certain_bytes() > kDiscardBytesMax) close_ = true;
  write_head(head);
  if (framing_ == Framing::kLength) {
    io_.output.append(body);
    left_to_send_ = 0;
    sent_bytes_ = body.size();
  }
  finished_ = true;
}

// Not a coroutine of its own: every frame counts here.
Task<Result<void>> ServerExchange::write(Bytes bytes) {
  const std::string_view data(bytes.data(), bytes.size());
  if (data.empty() || framing_ == Framing::kNone) return settled(io_.output.status());
  if (framing_ == Framing::kLength) {
    if (data.size() > left_to_send_) return settled(fail(Errc::kInternal));
    left_to_send_ -= data.size();
  }
  sent_bytes_ += data.size();
  return framing_ == Framing::kChunked ? write_chunk(data) : io_.output.write(data);
}

Task<Result<void>> ServerExchange::write_chunk(std::string_view data) {
  write_chunk_line(io_.output.buffer(), data.size());
  io_.output.queued();
  if (auto written = co_await io_.output.write(data); !written) co_return written;
  io_.output.append("\r\n");
  co_return Result<void>{};
}

Result<void> ServerExchange::end_body(const http::Fields* trailers) {
  if (framing_ == Framing::kLength && left_to_send_ != 0) {
    close_ = true;
    return fail(Errc::kInternal);
  }
  if (framing_ == Framing::kChunked) {
    // RFC 9110 section 6.5.1: not unless the client said that it takes them.
    const bool takes_trailers =
        trailers != nullptr &&
        http::list_has_token(head_.fields.value_or(http::FieldId::kTe, {}), "trailers");
    write_last_chunk(io_.output.buffer(), takes_trailers ? trailers : nullptr);
    io_.output.queued();
  }
  if (framing_ == Framing::kTunnel) io_.output.end_stream();
  finished_ = true;
  return io_.output.status();
}

}  // namespace millrace::h1
