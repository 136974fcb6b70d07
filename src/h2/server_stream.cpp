#include "h2/server_stream.hpp"

#include "h2/callbacks.hpp"
#include "h2/head_writer.hpp"
#include "h2/limits.hpp"
#include "h2/server_session.hpp"
#include "http/websocket.hpp"
#include "millrace/body_pace.hpp"

#include <algorithm>

namespace millrace::h2 {

using http::BodyLength;

ServerStream::ServerStream(ServerSession& session, std::int32_t id, const PeerInfo& p)
    : Exchange(head_, p), session_(session), id_(id), collector_(session.pipeline().limits().head) {
  reset(IoThread::current().turn_time());
}

ServerStream::~ServerStream() {
  session_.let_go(outbox_.size());
  session_.let_go_head(held_head_bytes_);
}

// --- the request's head ---

bool ServerStream::add_field(nghttp2_rcbuf* name, nghttp2_rcbuf* value) {
  if (!opened_) return collector_.add(name, value, head_.fields);
  const std::string_view text = view(name);
  keep_trailer({.name = text, .value = view(value), .id = http::field_id(text)});
  return ++trailer_count_ <= session_.pipeline().limits().head.fields_max + kIgnoredFieldsMax;
}

void ServerStream::keep_trailer(const http::Field& field) {
  if (broken_off_) return;
  // Also pseudo-fields, whose colon no name may hold (RFC 9113 section 8.1).
  if (!http::is_valid_field(field) || !http::is_allowed_in_http2(field)) return break_off();
  trailer_bytes_ += http2_size(field);
  if (trailer_bytes_ > session_.pipeline().limits().head.head_bytes_max) return break_off();
  if (!http::is_allowed_trailer(field)) return;
  if (session_.head_bytes() > kHeadBytesMax) return break_off();
  hold_head(http2_size(field));
  if (trailers_in_ == nullptr) trailers_in_ = std::make_unique<http::Fields>();
  if (trailers_in_->size() < session_.pipeline().limits().head.fields_max)
    trailers_in_->add_copy(field.name, field.value);
}

void ServerStream::hold_head(std::size_t bytes) noexcept {
  held_head_bytes_ += bytes;
  session_.hold_head(bytes);
}

void ServerStream::trailers_ended(bool end_stream) {
  if (end_stream) return body_ended();
  break_off();
}

Result<void> ServerStream::open(bool end_stream) {
  opened_ = true;
  hold_head(collector_.bytes());
  body_ended_ = end_stream;
  collector_.raw.version = http::Version::kHttp2;
  collector_.raw.https = session_.https();
  collector_.raw.end_stream = end_stream;
  head_.version = http::Version::kHttp2;
  head_.method_text = collector_.raw.method_text;
  head_.path = collector_.raw.target;
  const Result<void> collected = collector_.finish(head_.fields);
  const ConnectionLimits& limits = session_.pipeline().limits();
  const auto verdict = collected ? http::judge_request(collector_.raw, head_, limits.head)
                                 : Result<http::RequestVerdict>(fail(collected.error()));
  if (!verdict) {
    // RFC 9113 section 8.1.1: malformed, a stream error. Others are answered.
    const Error& error = verdict.error();
    malformed_ = error.is(Errc::kBadField) || error.is(Errc::kBadContentLength);
    return fail(error);
  }
  continue_owed_ = verdict->expect_continue;
  body_bytes_max_ = limits.body_bytes_max;
  body_limit_key_ = "limits.body";
  if (head_.body.is_known() && head_.body.bytes > body_bytes_max_) return fail(body_too_large());
  // Whoever is upstream speaks HTTP/1, where the key proves that it understood (RFC 6455).
  if (head_.upgrade == "websocket")
    head_.fields.add_copy("sec-websocket-key", http::make_websocket_key());
  return {};
}

// --- the request's body ---

void ServerStream::receive(Bytes bytes) {
  arrived_bytes_ += bytes.size();
  if (head_.body.is_known() && arrived_bytes_ > head_.body.bytes) break_off();
  if (handler_done_ || finished_ || !opened_ || broken_off_) {
    ::nghttp2_session_consume(session_.raw(), id_, bytes.size());
    return;
  }
  inbox_.append({bytes.data(), bytes.size()});
  readable_.set();
}

void ServerStream::body_ended() {
  if (head_.body.is_known() && arrived_bytes_ != head_.body.bytes) break_off();
  if (broken_off_) return;
  body_ended_ = true;
  readable_.set();
}

// RFC 9113 section 8.1.1. Whoever reads the body must not take it for whole.
void ServerStream::break_off() noexcept {
  if (std::exchange(broken_off_, true)) return;
  malformed_ = true;
  reset_stream(NGHTTP2_PROTOCOL_ERROR);
  // Its writer goes away before nghttp2 has seen the reset.
  view_ = {};
  taken_.set();
  if (handler_done_) return;
  if (send_error_ == Errc::kCount_) send_error_ = Errc::kClientGone;
  scope_.cancel(Errc::kClientGone);
  readable_.set();
}

void ServerStream::give_back_window() noexcept {
  if (given_.empty()) return;
  ::nghttp2_session_consume(session_.raw(), id_, given_.size());
  given_.release();
  session_.queued();
}

Task<Result<Bytes>> ServerStream::read_body() {
  give_back_window();
  if (!head_.upgrade.empty() && !tunnel_) co_return Bytes{};
  for (;;) {
    if (!inbox_.empty()) {
      given_ = std::move(inbox_);
      readable_.reset();
      if (!count_received(given_.size())) co_return fail(body_too_large());
      co_return Bytes(given_.data(), given_.size());
    }
    if (body_ended_) co_return Bytes{};
    if (closed_ || broken_off_) co_return fail(Errc::kClientGone);
    if (std::exchange(continue_owed_, false) && !started()) interim(100, {});
    const TimePoint began = IoThread::current().coarse_now();
    if (!tunnel_)
      IoThread::current().arm(body_limit_, body_patience(session_.pipeline().limits(),
                                                         received_bytes_, waited_for_body_));
    readable_.reset();
    const Result<void> woken = co_await readable_.wait();
    body_limit_.disarm();
    waited_for_body_ += IoThread::current().coarse_now() - began;
    if (!woken) co_return fail(woken.error());
    if (body_limit_.passed && inbox_.empty() && !body_ended_) co_return fail(Errc::kBodyTooSlow);
  }
}

void ServerStream::BodyLimit::expired() noexcept {
  passed = true;
  stream.readable_.set();
}

// --- the answer ---

void ServerStream::interim(int status, const http::Fields& fields) {
  if (started() || closed_) return;
  if (status == 100) continue_owed_ = false;
  HeadWriter writer;
  writer.interim(status, fields);
  ::nghttp2_submit_headers(session_.raw(), NGHTTP2_FLAG_NONE, id_, nullptr, writer.data(),
                           writer.size(), nullptr);
  session_.queued();
}

void ServerStream::write_head(const http::ResponseHead& head) {
  using Kind = BodyLength::Kind;
  const bool asked_tunnel = !head_.upgrade.empty();
  tunnel_ = asked_tunnel && head.status == 101;
  length_known_ = head.body.kind == Kind::kKnown && !tunnel_;
  left_to_send_ = length_known_ ? head.body.bytes : 0;
  const bool no_body = head_.method == http::Method::kHead ||
                       http::status_forbids_body(head.status) || head.body.kind == Kind::kNone;
  bodiless_ = !tunnel_ && (no_body || (length_known_ && head.body.bytes == 0));
  if (closed_) return;
  HeadWriter writer(session_.teaches_names());
  // Every 2xx would open the tunnel that nobody has opened behind us.
  const bool no_tunnel = asked_tunnel && head.status >= 200 && head.status < 300;
  if (tunnel_)
    writer.tunnel(head);
  else
    writer.response(no_tunnel ? 501 : head.status, head, true);
  const nghttp2_data_provider body = data_provider(*this);
  const int submitted = ::nghttp2_submit_response(session_.raw(), id_, writer.data(), writer.size(),
                                                  bodiless_ ? nullptr : &body);
  if (submitted != 0) return fail_sending(Errc::kOutOfMemory);
  session_.queued();
}

void ServerStream::write_whole(const http::ResponseHead& head, std::string_view body) {
  finished_ = true;
  if (malformed_) return reset_stream(NGHTTP2_PROTOCOL_ERROR);
  write_head(head);
  sent_bytes_ = bodiless_ ? 0 : body.size();
  if (bodiless_ || closed_) return;
  left_to_send_ = 0;
  if (body.size() <= small_body_.size()) {
    std::ranges::copy(body, small_body_.begin());
    view_ = {small_body_.data(), body.size()};
  } else {
    // No larger than it must be: a client that does not read holds many of them.
    (void)outbox_.prepare(body.size(), std::max(body.size(), ByteBuffer::kSmallBytes));
    outbox_.append(body);
    session_.hold(body.size());
  }
  IoThread::current().arm(send_limit_, session_.pipeline().limits().write_stall_timeout);
}

bool ServerStream::book(std::size_t bytes) noexcept {
  sent_bytes_ += bytes;
  if (!length_known_) return true;
  if (bytes > left_to_send_) return false;
  left_to_send_ -= bytes;
  return true;
}

Task<Result<void>> ServerStream::write(Bytes bytes) {
  if (send_error_ != Errc::kCount_) co_return fail(send_error_);
  if (bytes.empty() || bodiless_) co_return Result<void>{};
  if (!book(bytes.size())) co_return fail(Errc::kInternal);
  const std::string_view data(bytes.data(), bytes.size());
  // Streams that their client has paused must not use up what whole answers may hold.
  if (outbox_.size() + data.size() <= kGatherBytes && session_.held_bytes() < kHeldBytesMax / 2) {
    outbox_.append(data);
    session_.hold(data.size());
    resume();
    co_return Result<void>{};
  }
  view_ = data;
  resume();
  while (!view_.empty() && send_error_ == Errc::kCount_) {
    taken_.reset();
    if (const auto woken = co_await taken_.wait(); !woken) {
      fail_sending(woken.error().errc);
      co_return woken;
    }
  }
  if (send_error_ != Errc::kCount_) co_return fail(send_error_);
  co_return Result<void>{};
}

Result<void> ServerStream::end_body(const http::Fields* trailers) {
  if (send_error_ != Errc::kCount_) return fail(send_error_);
  if (length_known_ && !bodiless_ && left_to_send_ != 0) return fail(Errc::kInternal);
  finished_ = true;
  if (trailers != nullptr && !trailers->empty() && !bodiless_) {
    trailers_out_ = std::make_unique<http::Fields>();
    for (const http::Field& f : *trailers) trailers_out_->add_copy(f.name, f.value);
  }
  if (!bodiless_) resume();
  return {};
}

ssize_t ServerStream::offer(std::size_t length, std::uint32_t& flags) {
  const std::size_t held = held_bytes();
  // An empty frame behind the last bytes would cost one more, and nghttp2 lets it wait for a
  // window.
  const bool complete = finished_ || (length_known_ && left_to_send_ == 0);
  if (held == 0 && !complete) {
    deferred_ = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  const std::size_t offered = std::min(held, length);
  if (offered != held || !complete) return static_cast<ssize_t>(offered);
  flags |= NGHTTP2_DATA_FLAG_EOF;
  if (trailers_out_ != nullptr) {
    HeadWriter writer;
    writer.trailers(*trailers_out_);
    flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    ::nghttp2_submit_trailer(session_.raw(), id_, writer.data(), writer.size());
  }
  return static_cast<ssize_t>(offered);
}

void ServerStream::take(std::size_t length, ByteBuffer& to) {
  taken_bytes_ += length;
  const std::size_t copied = std::min(length, outbox_.size());
  to.append(outbox_.view().substr(0, copied));
  outbox_.consume(copied);
  session_.let_go(copied);
  if (outbox_.empty()) outbox_.release();
  if (length != copied) {
    to.append(view_.substr(0, length - copied));
    view_.remove_prefix(length - copied);
  }
  if (view_.empty()) taken_.set();
  if (held_bytes() == 0) send_limit_.disarm();
}

void ServerStream::resume() noexcept {
  if (closed_) return;
  if (held_bytes() != 0 && !send_limit_.armed()) {
    taken_at_arming_ = taken_bytes_;
    IoThread::current().arm(send_limit_, session_.pipeline().limits().write_stall_timeout);
  }
  if (std::exchange(deferred_, false)) ::nghttp2_session_resume_data(session_.raw(), id_);
  session_.queued();
}

// A connection that takes nothing at all is the output's business.
bool ServerStream::stalled() const noexcept {
  if (taken_bytes_ - taken_at_arming_ >= kProgressBytes) return false;
  return ::nghttp2_session_get_stream_remote_window_size(session_.raw(), id_) <= 0 ||
         ::nghttp2_session_get_remote_window_size(session_.raw()) <= 0;
}

void ServerStream::SendLimit::expired() noexcept {
  if (stream.stalled()) return stream.fail_sending(Errc::kWriteStalled);
  stream.taken_at_arming_ = stream.taken_bytes_;
  IoThread::current().arm(*this, stream.session_.pipeline().limits().write_stall_timeout);
}

void ServerStream::fail_sending(Errc errc) noexcept {
  view_ = {};
  taken_.set();
  if (send_error_ != Errc::kCount_) return;
  send_error_ = errc;
  reset_stream(NGHTTP2_CANCEL);
  scope_.cancel(errc);
}

void ServerStream::reset_stream(std::uint32_t h2_error) noexcept {
  if (closed_) return;
  reset_by_us_ = !malformed_;
  ::nghttp2_submit_rst_stream(session_.raw(), NGHTTP2_FLAG_NONE, id_, h2_error);
  session_.queued();
}

// --- the end ---

void ServerStream::answer_sent() noexcept {
  answer_sent_ = true;
  // RFC 9113 section 8.1: what is left of the request is not wanted.
  if (!body_ended_) reset_stream(NGHTTP2_NO_ERROR);
}

bool ServerStream::closed() noexcept {
  closed_ = true;
  view_ = {};
  body_limit_.disarm();
  send_limit_.disarm();
  if (!opened_ || handler_done_) return true;
  if (!answer_sent_) {
    if (send_error_ == Errc::kCount_) send_error_ = Errc::kClientGone;
    scope_.cancel(Errc::kClientGone);
  }
  readable_.set();
  taken_.set();
  return false;
}

bool ServerStream::handler_done() noexcept {
  handler_done_ = true;
  given_.append(inbox_.view());
  inbox_.release();
  give_back_window();
  if (!finished_) reset_stream(NGHTTP2_INTERNAL_ERROR);
  return closed_;
}

}  // namespace millrace::h2
