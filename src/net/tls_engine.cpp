#include "net/tls_engine.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

namespace millrace::net {

using Kind = IoResult::Kind;

/// The BIO: OpenSSL's calls for bytes, answered from the engine's socket.
struct TlsSocket {
  static TlsEngine& engine(BIO* bio) { return *static_cast<TlsEngine*>(::BIO_get_data(bio)); }

  static bool retry_later() noexcept {
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
  }

  static int read(BIO* bio, char* into, int size) {
    TlsEngine& e = engine(bio);
    ::BIO_clear_retry_flags(bio);
    if (!e.reads_allowed_) {
      ::BIO_set_retry_read(bio);
      return -1;
    }
    const ssize_t n = ::recv(e.fd_, into, static_cast<std::size_t>(size), MSG_DONTWAIT);
    e.short_read_ = n < size;
    if (n < 0 && retry_later()) ::BIO_set_retry_read(bio);
    if (n == 0) ::BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    return static_cast<int>(n);
  }

  static int write(BIO* bio, const char* bytes, int size) {
    ::BIO_clear_retry_flags(bio);
    const ssize_t n =
        ::send(engine(bio).fd_, bytes, static_cast<std::size_t>(size), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && retry_later()) ::BIO_set_retry_write(bio);
    return static_cast<int>(n);
  }

  static long control(BIO* bio, int command, long, void*) {
    if (command == BIO_CTRL_EOF) return ::BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
  }

  static BIO_METHOD* method() {
    static BIO_METHOD* const kMethod = [] {
      BIO_METHOD* m = ::BIO_meth_new(::BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "millrace");
      if (m == nullptr) throw std::bad_alloc();
      ::BIO_meth_set_read(m, read);
      ::BIO_meth_set_write(m, write);
      ::BIO_meth_set_ctrl(m, control);
      return m;
    }();
    return kMethod;
  }
};

void TlsEngine::FreeSsl::operator()(SSL* ssl) const noexcept {
  ::SSL_free(ssl);
}

TlsEngine::TlsEngine(SSL* ssl, int fd) : fd_(fd), ssl_(ssl) {
  BIO* bio = ::BIO_new(TlsSocket::method());
  if (bio == nullptr) throw std::bad_alloc();
  ::BIO_set_data(bio, this);
  ::BIO_set_init(bio, 1);
  ::SSL_set_bio(ssl, bio, bio);
}

TlsEngine::~TlsEngine() = default;

std::string_view TlsEngine::alpn() const noexcept {
  const unsigned char* name = nullptr;
  unsigned length = 0;
  ::SSL_get0_alpn_selected(ssl_.get(), &name, &length);
  return {reinterpret_cast<const char*>(name), length};
}

IoResult TlsEngine::result(int returned, Direction natural) noexcept {
  switch (::SSL_get_error(ssl_.get(), returned)) {
    case SSL_ERROR_NONE:
      return {.drained = short_read_, .bytes = static_cast<std::size_t>(returned)};
    case SSL_ERROR_WANT_READ:
      return {.kind = Kind::kWouldBlock, .want = Direction::kRead};
    case SSL_ERROR_WANT_WRITE:
      return {.kind = Kind::kWouldBlock, .want = Direction::kWrite};
    case SSL_ERROR_ZERO_RETURN:
      return {.kind = Kind::kEnd};
    case SSL_ERROR_SYSCALL:
      ::ERR_clear_error();
      // A TCP end without close_notify is a truncation, not an end.
      return {.kind = Kind::kError, .want = natural, .os_error = errno != 0 ? errno : ECONNRESET};
    default:
      ::ERR_clear_error();
      return {.kind = Kind::kError, .want = natural, .os_error = EPROTO};
  }
}

IoResult TlsEngine::handshake_step() noexcept {
  errno = 0;
  ::ERR_clear_error();
  const int returned = ::SSL_do_handshake(ssl_.get());
  if (returned == 1) return {};
  if (const char* reason = ::ERR_reason_error_string(::ERR_peek_error())) failure_ = reason;
  return result(returned, Direction::kRead);
}

IoResult TlsEngine::read(std::span<char> into) noexcept {
  errno = 0;
  ::ERR_clear_error();
  short_read_ = false;  // of this read: what an earlier one saw may be long past
  const int size = static_cast<int>(std::min<std::size_t>(into.size(), INT32_MAX));
  return result(::SSL_read(ssl_.get(), into.data(), size), Direction::kRead);
}

// SSL_has_pending counts pieces of a record that has not come whole: read-ahead leaves them. Only a
// look tells, without asking the socket for more.
bool TlsEngine::has_pending() noexcept {
  if (::SSL_has_pending(ssl_.get()) == 0) return false;
  if (::SSL_pending(ssl_.get()) > 0) return true;
  char byte = 0;
  reads_allowed_ = false;
  ::ERR_clear_error();
  const int peeked = ::SSL_peek(ssl_.get(), &byte, 1);
  const int error = ::SSL_get_error(ssl_.get(), peeked);
  reads_allowed_ = true;
  return error != SSL_ERROR_WANT_READ;
}

void TlsEngine::keep_unsent(std::string_view bytes) {
  if (unsent_ == nullptr) unsent_ = std::make_unique_for_overwrite<char[]>(kRecordBytesMax);
  std::memcpy(unsent_.get(), bytes.data(), bytes.size());
  unsent_begin_ = 0;
  unsent_bytes_ = static_cast<std::uint16_t>(bytes.size());
}

IoResult TlsEngine::flush() noexcept {
  while (unsent_bytes_ != 0) {
    errno = 0;
    ::ERR_clear_error();
    const int returned = ::SSL_write(ssl_.get(), unsent_.get() + unsent_begin_, unsent_bytes_);
    if (returned <= 0) return result(returned, Direction::kWrite);
    unsent_begin_ = static_cast<std::uint16_t>(unsent_begin_ + returned);
    unsent_bytes_ = static_cast<std::uint16_t>(unsent_bytes_ - returned);
  }
  unsent_.reset();
  return {};
}

IoResult TlsEngine::write_record(std::string_view bytes) noexcept {
  errno = 0;
  ::ERR_clear_error();
  const int returned = ::SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
  const IoResult r = result(returned, Direction::kWrite);
  if (!r.would_block()) return r;
  keep_unsent(bytes);
  return {.bytes = bytes.size()};
}

IoResult TlsEngine::write(std::span<const iovec> pieces) noexcept {
  if (const IoResult flushed = flush(); !flushed.done()) return flushed;
  while (!pieces.empty() && pieces.front().iov_len == 0) pieces = pieces.subspan(1);
  if (pieces.empty()) return {};
  const std::string_view first(static_cast<const char*>(pieces.front().iov_base),
                               pieces.front().iov_len);
  if (first.size() >= kRecordBytesMax || pieces.size() == 1)
    return write_record(first.substr(0, kRecordBytesMax));
  std::array<char, kRecordBytesMax> record;  // uninitialised: only what is filled is read
  std::size_t size = 0;
  for (const iovec& piece : pieces) {
    const std::size_t n = std::min(piece.iov_len, record.size() - size);
    if (n != 0) std::memcpy(record.data() + size, piece.iov_base, n);
    size += n;
  }
  return write_record({record.data(), size});
}

void TlsEngine::say_end() noexcept {
  ::ERR_clear_error();
  ::SSL_shutdown(ssl_.get());
  ::ERR_clear_error();
}

}  // namespace millrace::net
