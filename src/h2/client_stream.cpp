#include "h2/client_stream.hpp"

#include "h2/client_callbacks.hpp"
#include "h2/client_connection.hpp"
#include "h2/head_collector.hpp"
#include "h2/head_writer.hpp"
#include "h2/limits.hpp"

#include <algorithm>
#include <cassert>

namespace millrace::h2 {

using http::BodyLength;

ClientStream::ClientStream(ClientConnection& connection)
    : connection_(connection), collector_(connection.options().head) {
  version_ = http::Version::kHttp2;
}

// --- the request ---

Result<void> ClientStream::send(const OutgoingRequest& request, const ExchangeTimeouts& timeouts) {
  if (!connection_.takes_streams()) return fail(Errc::kUpstreamClosed);
  if (!request.upgrade.empty()) return fail(Errc::kUpstreamNoUpgrade);
  timeouts_ = timeouts;
  method_ = request.method;
  interim_ = request.interim;
  const BodyLength length = request.body != nullptr ? request.body->length() : BodyLength::none();
  const bool has_body = !length.is_none() && !(length.is_known() && length.bytes == 0);
  HeadWriter writer;
  writer.request(request, connection_.options().https ? "https" : "http", length);
  const nghttp2_data_provider body = data_provider(*this);
  const std::int32_t id = ::nghttp2_submit_request(connection_.raw(), nullptr, writer.data(),
                                                   writer.size(), has_body ? &body : nullptr, this);
  if (id < 0) return fail(Errc::kUpstreamClosed);
  id_ = id;
  if (has_body) {
    length_known_ = length.is_known();
    left_to_send_ = length.bytes;
    source_ = request.body;
    sender_.spawn(send_body(*request.body));
  } else {
    IoThread::current().arm(send_limit_, connection_.options().write_stall);
  }
  connection_.queued();
  return {};
}

Task<void> ClientStream::send_body(BodySource& source) {
  body_touched_ = true;
  while (!length_known_ || left_to_send_ != 0) {
    const Result<Bytes> piece = co_await source.read();
    if (!alive()) co_return;
    if (!piece) co_return fail_sending(piece.error());
    if (piece->empty()) break;
    if (length_known_ && piece->size() > left_to_send_) co_return fail_sending(Errc::kInternal);
    left_to_send_ -= length_known_ ? piece->size() : 0;
    const Result<void> sent = co_await send_piece(*piece);
    if (!alive()) co_return;
    if (!sent) co_return fail_sending(sent.error());
  }
  if (left_to_send_ != 0) co_return fail_sending(Errc::kBodyTruncated);
  source_ended_ = true;
  if (sent_at_ == TimePoint{})
    IoThread::current().arm(send_limit_, connection_.options().write_stall);
  resume();
}

Task<Result<void>> ClientStream::send_piece(Bytes piece) {
  view_ = {piece.data(), piece.size()};
  taken_.reset();
  IoThread::current().arm(send_limit_, connection_.options().write_stall);
  resume();
  const Result<void> taken = co_await taken_.wait();
  view_ = {};
  send_limit_.disarm();
  co_return taken;
}

void ClientStream::resume() noexcept {
  if (!alive()) return;
  if (std::exchange(deferred_, false)) ::nghttp2_session_resume_data(connection_.raw(), id_);
  connection_.queued();
}

ssize_t ClientStream::offer(std::size_t length, std::uint32_t& flags) {
  // An empty frame behind the last bytes would cost one more.
  const bool last = source_ended_ || (length_known_ && left_to_send_ == 0);
  if (view_.empty() && !last) {
    deferred_ = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  const std::size_t offered = std::min(view_.size(), length);
  if (offered != view_.size() || !last) return static_cast<ssize_t>(offered);
  flags |= NGHTTP2_DATA_FLAG_EOF;
  const http::Fields* trailers = source_ended_ ? source_->trailers() : nullptr;
  if (trailers != nullptr && !trailers->empty()) {
    HeadWriter writer;
    writer.trailers(*trailers);
    flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    ::nghttp2_submit_trailer(connection_.raw(), id_, writer.data(), writer.size());
  }
  return static_cast<ssize_t>(offered);
}

void ClientStream::take(std::size_t length, ByteBuffer& to) {
  to.append(view_.substr(0, length));
  view_.remove_prefix(length);
  if (view_.empty())
    taken_.set();
  else
    IoThread::current().arm(send_limit_, connection_.options().write_stall);
}

void ClientStream::SendLimit::expired() noexcept {
  stream.fail_sending(Errc::kUpstreamIdleTimeout);
  stream.taken_.set();
}

void ClientStream::fail_sending(Error error) noexcept {
  break_off(error, NGHTTP2_CANCEL);
}

void ClientStream::arm_first_byte() noexcept {
  if (!head_done_ && timeouts_.first_byte != Duration::max())
    IoThread::current().arm(read_limit_, timeouts_.first_byte);
}

void ClientStream::sent() noexcept {
  sent_at_ = Clock::now();
  send_limit_.disarm();
  arm_first_byte();
}

// --- the answer ---

bool ClientStream::add_field(nghttp2_rcbuf* name, nghttp2_rcbuf* value) {
  answered_ = true;
  if (!head_done_) return collector_.add(name, value, fields_);
  const std::string_view text = view(name);
  keep_trailer({.name = text, .value = view(value), .id = http::field_id(text)});
  return ++trailer_count_ <= connection_.options().head.fields_max + kIgnoredFieldsMax;
}

void ClientStream::keep_trailer(const http::Field& field) {
  const http::HeadLimits& limits = connection_.options().head;
  if (!http::is_valid_field(field) || !http::is_allowed_in_http2(field))
    return break_off(Errc::kUpstreamBadMessage, NGHTTP2_PROTOCOL_ERROR);
  trailer_bytes_ += http2_size(field);
  if (trailer_bytes_ > limits.head_bytes_max)
    return break_off(Errc::kUpstreamHeadTooLarge, NGHTTP2_CANCEL);
  if (!http::is_allowed_trailer(field)) return;
  if (trailers_in_ == nullptr) trailers_in_ = std::make_unique<http::Fields>();
  if (trailers_in_->size() < limits.fields_max) trailers_in_->add_copy(field.name, field.value);
}

void ClientStream::head_ended(bool end_stream) {
  if (head_done_) {  // these were trailers, which end the stream (RFC 9113 section 8.1)
    if (end_stream) return body_ended();
    return break_off(Errc::kUpstreamBadMessage, NGHTTP2_PROTOCOL_ERROR);
  }
  if (!error_.is(Errc::kCount_)) return;
  const Result<int> status = collector_.finish();
  if (!status) return break_off(status.error(), NGHTTP2_PROTOCOL_ERROR);
  status_ = *status;
  if (status_ < 200)
    interim_head(end_stream);
  else
    final_head(end_stream);
}

void ClientStream::interim_head(bool end_stream) {
  // There is no 101 in HTTP/2 (RFC 9113 section 8.6).
  if (end_stream || status_ == 101 || ++interims_ > connection_.options().interim_max)
    return break_off(Errc::kUpstreamBadMessage, NGHTTP2_PROTOCOL_ERROR);
  const auto judged =
      http::judge_response(status_, method_, version_, fields_, connection_.options().head);
  if (!judged) return break_off(judged.error(), NGHTTP2_PROTOCOL_ERROR);
  if (interim_ != nullptr) interim_->interim(status_, fields_);
  fields_.clear();
  collector_.clear();
}

void ClientStream::final_head(bool end_stream) {
  const Result<BodyLength> length =
      http::judge_response(status_, method_, version_, fields_, connection_.options().head);
  if (!length) return break_off(length.error(), NGHTTP2_PROTOCOL_ERROR);
  length_ = *length;
  if (length_.kind == BodyLength::Kind::kUntilClose)
    length_ = end_stream ? BodyLength::none() : BodyLength::unknown();
  head_done_ = true;
  read_limit_.disarm();
  if (end_stream) body_ended();
  changed_.set();
}

void ClientStream::receive(Bytes bytes) {
  arrived_bytes_ += bytes.size();
  answered_ = true;
  const bool too_much = !head_done_ || (length_.is_none() && !bytes.empty()) ||
                        (length_.is_known() && arrived_bytes_ > length_.bytes);
  if (too_much && error_.is(Errc::kCount_))
    break_off(Errc::kUpstreamBadMessage, NGHTTP2_PROTOCOL_ERROR);
  if (abandoned_ || !error_.is(Errc::kCount_)) {
    ::nghttp2_session_consume_stream(connection_.raw(), id_, bytes.size());
    return;
  }
  inbox_.append({bytes.data(), bytes.size()});
  changed_.set();
}

void ClientStream::body_ended() {
  if (!head_done_ || (length_.is_known() && arrived_bytes_ != length_.bytes))
    return break_off(Errc::kUpstreamTruncated, NGHTTP2_PROTOCOL_ERROR);
  body_ended_ = true;
  changed_.set();
}

Task<Result<void>> ClientStream::read_head() {
  while (!head_done_) {
    if (!error_.is(Errc::kCount_)) co_return fail(error_);
    changed_.reset();
    if (const auto woken = co_await changed_.wait(); !woken) co_return woken;
  }
  co_return Result<void>{};
}

void ClientStream::give_back_window() noexcept {
  if (given_.empty()) return;
  if (alive()) {
    ::nghttp2_session_consume_stream(connection_.raw(), id_, given_.size());
    connection_.queued();
  }
  given_.release();
}

Task<Result<Bytes>> ClientStream::read_body() {
  give_back_window();
  for (;;) {
    if (!inbox_.empty()) {
      given_ = std::move(inbox_);
      co_return Bytes(given_.data(), given_.size());
    }
    if (!error_.is(Errc::kCount_)) co_return fail(error_);
    if (body_ended_) co_return Bytes{};
    if (timeouts_.idle != Duration::max()) IoThread::current().arm(read_limit_, timeouts_.idle);
    changed_.reset();
    const Result<void> woken = co_await changed_.wait();
    read_limit_.disarm();
    if (!woken) co_return fail(woken.error());
  }
}

void ClientStream::ReadLimit::expired() noexcept {
  stream.break_off(stream.head_done_ ? Errc::kUpstreamIdleTimeout : Errc::kFirstByteTimeout,
                   NGHTTP2_CANCEL);
}

// --- the end ---

void ClientStream::break_off(Error error, std::uint32_t h2_error) noexcept {
  if (!error_.is(Errc::kCount_)) return;
  if (!body_ended_) error_ = error;  // an answer that is whole stays so
  reset_stream(h2_error);
  sender_.cancel();
  changed_.set();
}

// Once: a second one, before the request has gone out, would be for a stream that the peer does not
// know, which ends the connection (RFC 9113 section 6.4).
void ClientStream::reset_stream(std::uint32_t h2_error) noexcept {
  if (!alive() || std::exchange(reset_, true)) return;
  ::nghttp2_submit_rst_stream(connection_.raw(), NGHTTP2_FLAG_NONE, id_, h2_error);
  connection_.queued();
}

bool ClientStream::closed(std::uint32_t h2_error) noexcept {
  closed_ = true;
  read_limit_.disarm();
  send_limit_.disarm();
  wants_http1_ = h2_error == NGHTTP2_HTTP_1_1_REQUIRED && !answered_;
  if ((h2_error == NGHTTP2_REFUSED_STREAM && !answered_) || wants_http1_) refused_ = true;
  peer_reset_ = !refused_;
  if (!body_ended_ && error_.is(Errc::kCount_))
    error_ = head_done_ && h2_error == NGHTTP2_NO_ERROR ? Errc::kUpstreamTruncated
                                                        : Errc::kUpstreamReset;
  sender_.cancel();
  changed_.set();
  return abandoned_;
}

bool ClientStream::connection_ended(Errc reason) noexcept {
  if (!closed_) {
    closed_ = true;
    read_limit_.disarm();
    send_limit_.disarm();
    if (!body_ended_ && error_.is(Errc::kCount_))
      error_ = head_done_ && reason == Errc::kUpstreamClosed ? Errc::kUpstreamTruncated : reason;
    sender_.cancel();
    changed_.set();
  }
  return abandoned_;
}

Task<void> ClientStream::stop() {
  sender_.cancel();
  co_await sender_.join();
  if (!body_ended_) reset_stream(NGHTTP2_CANCEL);
}

void ClientStream::give_back() noexcept {
  assert(!sending() && "stop() an exchange that is still sending");
  abandoned_ = true;
  given_.append(inbox_.view());
  inbox_.release();
  give_back_window();
  read_limit_.disarm();
  if (alive()) {
    // Also when the answer is whole: of our own body, the rest is not wanted.
    reset_stream(NGHTTP2_CANCEL);
    return connection_.stream_left(nullptr);
  }
  connection_.stream_left(this);
}

}  // namespace millrace::h2
