#include "h1/client_connection.hpp"

#include "h1/trailers.hpp"
#include "http/ascii.hpp"
#include "http/connection.hpp"
#include "http/gate.hpp"

#include <cassert>
#include <utility>

namespace millrace::h1 {
namespace {

bool expects_body(http::Method m) noexcept {
  return m == http::Method::kPost || m == http::Method::kPut || m == http::Method::kPatch;
}

}  // namespace

ClientConnection::ClientConnection(net::Stream stream, const Options& options)
    : stream_(std::move(stream)),
      out_(stream_, options.write_stall),
      scanner_(http::HeadKind::kResponse, options.head),
      limits_(options.head),
      interim_max_(options.interim_max) {}

ClientConnection::~ClientConnection() {
  assert(!sending() && "stop() a connection that is still sending");
  close();
}

// --- sending ---

Result<void> ClientConnection::send(const OutgoingRequest& outgoing,
                                    const ExchangeTimeouts& timeouts) {
  timeouts_ = timeouts;
  method_ = outgoing.method;
  interim_ = outgoing.interim;
  upgrade_ = outgoing.upgrade;
  const http::BodyLength length =
      outgoing.body != nullptr ? outgoing.body->length() : http::BodyLength::none();
  ByteBuffer& buffer = out_.buffer();
  write_request_head(buffer,
                     {.method = outgoing.method_text,
                      .target = outgoing.target,
                      .host = outgoing.host,
                      .upgrade = outgoing.upgrade},
                     outgoing.fields, length, expects_body(outgoing.method));
  const bool has_body = !length.is_none() && !(length.is_known() && length.bytes == 0);
  if (has_body) {
    out_.queued();
    sender_.spawn(send_body(*outgoing.body, length));
    return {};
  }
  const net::IoResult r = stream_.write_some(buffer.view());
  if (r.end() || r.error()) {
    close();
    return fail(Errc::kUpstreamReset, r.os_error);
  }
  if (r.done()) buffer.consume(r.bytes);
  if (!buffer.empty()) out_.flush();
  sent();
  return {};
}

Task<void> ClientConnection::send_body(BodySource& source, http::BodyLength length) {
  const bool chunked = !length.is_known();
  std::uint64_t left = length.bytes;
  body_touched_ = true;
  while (chunked || left != 0) {
    const Result<Bytes> piece = co_await source.read();
    if (!stream_.is_open()) co_return;  // stopped meanwhile
    if (!piece) co_return fail_sending(piece.error());
    if (piece->empty()) break;
    if (!chunked && piece->size() > left) co_return fail_sending(Errc::kInternal);
    left -= chunked ? 0 : piece->size();
    if (const auto ok = co_await write_piece(*piece, chunked); !ok)
      co_return fail_sending(ok.error());
  }
  if (left != 0) co_return fail_sending(Errc::kBodyTruncated);
  if (chunked) {
    write_last_chunk(out_.buffer(), source.trailers());
    out_.queued();
  }
  if (const auto ok = co_await out_.drain(); !ok) co_return fail_sending(ok.error());
  sent();
}

void ClientConnection::send_tunnel(BodySource& source) {
  sender_.spawn(send_raw(source));
}

Task<void> ClientConnection::send_raw(BodySource& source) {
  body_touched_ = true;
  for (;;) {
    const Result<Bytes> piece = co_await source.read();
    if (!stream_.is_open()) co_return;
    if (!piece) co_return fail_sending(piece.error());
    if (piece->empty()) break;
    if (const auto ok = co_await out_.write({piece->data(), piece->size()}); !ok)
      co_return fail_sending(ok.error());
  }
  if (const auto ok = co_await out_.drain(); !ok) co_return fail_sending(ok.error());
  if (stream_.is_open()) stream_.shutdown_write();
}

Task<Result<void>> ClientConnection::write_piece(Bytes piece, bool chunked) {
  const std::string_view bytes(piece.data(), piece.size());
  if (!chunked) co_return co_await out_.write(bytes);
  write_chunk_line(out_.buffer(), bytes.size());
  if (const auto ok = co_await out_.write(bytes); !ok) co_return ok;
  if (const auto ok = out_.status(); ok) out_.append("\r\n");
  co_return out_.status();
}

// A peer that stopped reading may have answered: what it said is still to be read, and tells more
// than our failed write. Everything else ends the exchange.
void ClientConnection::fail_sending(Error error) noexcept {
  if (error.is(Errc::kClientGone) && !out_.status()) return sent();
  if (error.is(Errc::kWriteStalled)) error = Errc::kUpstreamIdleTimeout;
  send_error_ = error;
  close();
}

// A tunnel may have said all that it had to say while it still waits for more.
void ClientConnection::break_off_body() noexcept {
  if (sending() && !is_tunnel() && stream_.is_open()) stream_.reset_on_close();
}

void ClientConnection::sent() noexcept {
  sent_all_ = out_.status().has_value();
  sent_at_ = Clock::now();
  if (!head_done_ && stream_.is_open())
    stream_.set_deadline(Direction::kRead, timeouts_.first_byte, Errc::kFirstByteTimeout);
}

// --- reading ---

Error ClientConnection::read_failure(Error error) const noexcept {
  return send_error_.is(Errc::kCount_) ? error : send_error_;
}

// Reads once, at least one byte; sets ended_ instead at the end of the stream.
Task<Result<void>> ClientConnection::fill(ByteBuffer& into, std::size_t block_bytes) {
  bool wait_first = !read_at_once_ && !stream_.has_pending();
  while (stream_.is_open()) {
    if (wait_first) {
      if (const auto ready = co_await stream_.wait(Direction::kRead); !ready)
        co_return fail(read_failure(ready.error()));
      if (!stream_.is_open()) break;
    }
    const std::span<char> room = into.prepare(1, block_bytes);
    const net::IoResult r = stream_.read_some(room);
    if (r.done()) {
      into.commit(r.bytes);
      read_at_once_ = !r.drained;
      co_return Result<void>{};
    }
    if (r.end()) {
      ended_ = true;
      co_return Result<void>{};
    }
    if (r.error()) co_return fail(read_failure(Error(Errc::kUpstreamReset, r.os_error)));
    // TLS that must write to go on reading would need the direction that the sender may wait for.
    if (r.want != Direction::kRead) co_return fail(Errc::kUpstreamReset);
    wait_first = true;
    read_at_once_ = false;
    if (into.empty()) into.release();
  }
  co_return fail(read_failure(Errc::kUpstreamClosed));
}

Task<Result<void>> ClientConnection::read_head() {
  for (;;) {
    if (!in_.empty()) {
      const Result<bool> final_head = take_head();
      if (!final_head) co_return fail(final_head.error());
      if (*final_head) co_return Result<void>{};
    }
    if (const auto filled = co_await fill(in_, ByteBuffer::kMediumBytes); !filled) co_return filled;
    if (ended_) co_return fail(read_failure(Errc::kUpstreamClosed));
    answered_ = true;
  }
}

// RFC 9110 section 7.8: to what was asked for, and nothing else.
bool ClientConnection::is_upgrade_answer() const noexcept {
  return status_ == 101 && !upgrade_.empty() && http::connection_options(fields_).upgrade &&
         fields_.count(http::FieldId::kUpgrade) == 1 &&
         http::iequals(fields_.value_or(http::FieldId::kUpgrade, {}), upgrade_);
}

void ClientConnection::keep_trailers() {
  if (trailers_ != nullptr || decoder_.trailer_section().empty()) return;
  trailers_ = std::make_unique<http::Fields>();
  parse_trailers(decoder_.trailer_section(), *trailers_);
}

Result<bool> ClientConnection::take_head() {
  for (;;) {
    const Result<std::size_t> size = scanner_.scan(in_.view());
    if (!size) return fail(size.error());
    if (*size == 0) return false;
    scanner_.reset();
    fields_.clear();
    RawResponse head;
    if (const auto parsed = parse_response(in_.view().substr(0, *size), head, fields_); !parsed)
      return fail(parsed.error());
    status_ = head.status;
    version_ = head.version;
    const Result<http::BodyLength> length =
        http::judge_response(status_, method_, version_, fields_, limits_, true);
    if (!length) return fail(length.error());
    in_.skip(*size);
    if (status_ >= 200 || is_upgrade_answer()) {
      length_ = status_ == 101 ? http::BodyLength::until_close() : *length;
      break;
    }
    // Where no upgrade was asked for, 101 is no answer to anything.
    if (status_ == 101 || ++interims_ > interim_max_) return fail(Errc::kUpstreamBadMessage);
    if (interim_ != nullptr) interim_->interim(status_, fields_);
    if (in_.empty()) in_.clear();
    if (in_.empty()) return false;
  }
  decoder_.start(length_);
  rest_ = in_.view();
  head_done_ = true;
  stray_body_ = may_send_stray_body();
  return true;
}

Result<std::string_view> ClientConnection::next_data() {
  while (!rest_.empty() && !decoder_.done()) {
    const Result<BodyDecoder::Piece> piece = decoder_.decode(rest_);
    if (!piece) return fail(Errc::kUpstreamBadMessage);
    rest_.remove_prefix(piece->used);
    if (!piece->data.empty()) return piece->data;
  }
  return std::string_view{};
}

// A read that fills the block says that more is waiting: large bodies get large blocks.
void ClientConnection::choose_block() noexcept {
  if (body_in_.capacity() != 0 && body_in_.room() == 0 &&
      body_block_bytes_ < ByteBuffer::kLargeBytes) {
    body_block_bytes_ = ByteBuffer::kLargeBytes;
    body_in_.release();
    return;
  }
  body_in_.clear();
  // Nothing is there to be read, as far as we know: a slow body must not hold memory.
  if (!read_at_once_) body_in_.release();
}

Task<Result<Bytes>> ClientConnection::read_body() {
  for (;;) {
    const Result<std::string_view> data = next_data();
    if (!data) co_return fail(data.error());
    if (!data->empty() || decoder_.done()) co_return Bytes(data->data(), data->size());
    if (ended_) {
      if (decoder_.until_close()) co_return Bytes{};
      co_return fail(read_failure(Errc::kUpstreamTruncated));
    }
    choose_block();
    if (stream_.is_open())
      stream_.set_deadline(Direction::kRead, is_tunnel() ? Duration::max() : timeouts_.idle,
                           Errc::kUpstreamIdleTimeout);
    if (const auto filled = co_await fill(body_in_, body_block_bytes_); !filled)
      co_return fail(filled.error());
    rest_ = body_in_.view();
  }
}

// --- between exchanges ---

// Some services send the body of an answer to HEAD all the same (gunicorn does, of what a WSGI
// application returns), and some that of a 204 or 304. It may come late: the next request's answer
// would be what it says.
bool ClientConnection::may_send_stray_body() const noexcept {
  const bool by_status = status_ == 204 || status_ == 304;
  if (method_ != http::Method::kHead && !by_status) return false;
  const bool chunked = fields_.has(http::FieldId::kTransferEncoding);
  const http::Field* const length = fields_.find(http::FieldId::kContentLength);
  if (length == nullptr) return chunked || !by_status;
  return chunked || length->value != "0";
}

bool ClientConnection::reusable() const noexcept {
  return head_done_ && !stray_body_ && decoder_.done() && rest_.empty() && sent_all_ &&
         !sending() && !ended_ && stream_.is_open() && out_.held() == 0 && out_.status() &&
         !for_one_ && http::persists(version_, fields_);
}

void ClientConnection::reset() noexcept {
  stream_.clear_deadline(Direction::kRead);
  rest_ = {};
  in_.release();
  body_in_.release();
  out_.go_idle();
  fields_.clear();
  scanner_.reset();
  decoder_.start(http::BodyLength::none());
  trailers_.reset();
  upgrade_ = {};
  interims_ = 0;
  body_block_bytes_ = ByteBuffer::kMediumBytes;
  sent_at_ = {};
  answered_ = head_done_ = body_touched_ = stray_body_ = sent_all_ = read_at_once_ = false;
}

void ClientConnection::close() noexcept {
  if (!stream_.is_open()) return;
  break_off_body();
  out_.buffer().clear();  // what is queued must not be flushed into a closed stream
  stream_.close();
}

Task<void> ClientConnection::stop() {
  break_off_body();
  // The sender first: it may have been woken already, and then goes on with the stream.
  sender_.cancel();
  co_await sender_.join();
  close();
}

bool ClientConnection::still_idle() noexcept {
  char byte = 0;
  return stream_.read_some({&byte, 1}).would_block();
}

}  // namespace millrace::h1
