#include "net/stream.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace millrace::net {
namespace {

using Kind = IoResult::Kind;

int clamp_length(std::size_t n) noexcept {
  return static_cast<int>(std::min<std::size_t>(n, INT_MAX));
}

}  // namespace

void Stream::FreeSsl::operator()(SSL* ssl) const noexcept {
  ::SSL_free(ssl);
}

Stream::~Stream() = default;

std::string_view Stream::alpn() const noexcept {
  if (tls_ == nullptr) return {};
  const unsigned char* name = nullptr;
  unsigned length = 0;
  ::SSL_get0_alpn_selected(tls_.get(), &name, &length);
  return {reinterpret_cast<const char*>(name), length};
}

IoResult Stream::syscall_result(ssize_t n, std::size_t wanted, Direction d) noexcept {
  // Less than was asked for: there is no more. The descriptor need not look before it waits.
  if (n < static_cast<ssize_t>(wanted)) descriptor_.drained(d);
  if (n > 0) return {.bytes = static_cast<std::size_t>(n)};
  if (n == 0) return {.kind = Kind::kEnd};
  if (errno == EAGAIN || errno == EWOULDBLOCK) return {.kind = Kind::kWouldBlock, .want = d};
  return {.kind = Kind::kError, .os_error = errno};
}

IoResult Stream::tls_result(int returned, Direction natural) noexcept {
  switch (::SSL_get_error(tls_.get(), returned)) {
    case SSL_ERROR_NONE:
      return {.bytes = static_cast<std::size_t>(returned)};
    case SSL_ERROR_WANT_READ:
      descriptor_.drained(Direction::kRead);
      return {.kind = Kind::kWouldBlock, .want = Direction::kRead};
    case SSL_ERROR_WANT_WRITE:
      descriptor_.drained(Direction::kWrite);
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

IoResult Stream::read_some(std::span<char> into) noexcept {
  if (tls_ == nullptr)
    return syscall_result(::recv(fd(), into.data(), into.size(), MSG_DONTWAIT), into.size(),
                          Direction::kRead);
  errno = 0;
  ::ERR_clear_error();
  return tls_result(::SSL_read(tls_.get(), into.data(), clamp_length(into.size())),
                    Direction::kRead);
}

IoResult Stream::write_some(std::string_view bytes) noexcept {
  if (tls_ == nullptr)
    return syscall_result(::send(fd(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL),
                          bytes.size(), Direction::kWrite);
  errno = 0;
  ::ERR_clear_error();
  return tls_result(::SSL_write(tls_.get(), bytes.data(), clamp_length(bytes.size())),
                    Direction::kWrite);
}

IoResult Stream::write_some(std::span<const iovec> pieces) noexcept {
  if (tls_ != nullptr) {
    for (const iovec& piece : pieces)
      if (piece.iov_len != 0)
        return write_some(
            std::string_view(static_cast<const char*>(piece.iov_base), piece.iov_len));
    return {};
  }
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces.data());
  message.msg_iovlen = pieces.size();
  std::size_t wanted = 0;
  for (const iovec& piece : pieces) wanted += piece.iov_len;
  return syscall_result(::sendmsg(fd(), &message, MSG_DONTWAIT | MSG_NOSIGNAL), wanted,
                        Direction::kWrite);
}

bool Stream::has_pending() const noexcept {
  return tls_ != nullptr && ::SSL_has_pending(tls_.get()) == 1;
}

bool Stream::peer_gone() const noexcept {
  char byte = 0;
  const ssize_t n = ::recv(fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (n > 0) return false;
  if (n == 0) return true;
  return errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR;
}

bool Stream::peer_closed() const noexcept {
  tcp_info info{};
  socklen_t size = sizeof(info);
  if (::getsockopt(fd(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return false;
  return info.tcpi_state == TCP_CLOSE_WAIT || info.tcpi_state == TCP_CLOSE ||
         info.tcpi_state == TCP_LAST_ACK || info.tcpi_state == TCP_CLOSING;
}

std::size_t Stream::untaken_bytes() const noexcept {
  int bytes = 0;
  if (::ioctl(fd(), SIOCOUTQ, &bytes) != 0) return 0;
  return static_cast<std::size_t>(bytes);
}

Task<Result<void>> Stream::handshake(SSL* ssl) {
  tls_.reset(ssl);
  ::SSL_set_fd(ssl, fd());
  for (;;) {
    errno = 0;
    ::ERR_clear_error();
    const int returned = ::SSL_do_handshake(ssl);
    if (returned == 1) co_return Result<void>{};
    const IoResult r = tls_result(returned, Direction::kRead);
    if (!r.would_block()) co_return fail(Errc::kTlsFailed, r.os_error);
    if (auto ready = co_await wait(r.want); !ready) co_return fail(ready.error());
  }
}

void Stream::shutdown_write() noexcept {
  if (!is_open()) return;
  if (tls_ != nullptr) {
    ::ERR_clear_error();
    ::SSL_shutdown(tls_.get());
    ::ERR_clear_error();
  }
  ::shutdown(fd(), SHUT_WR);
}

void Stream::reset_on_close() noexcept {
  const linger none{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd(), SOL_SOCKET, SO_LINGER, &none, sizeof(none));
}

void Stream::close() noexcept {
  descriptor_.close();
  tls_.reset();
}

}  // namespace millrace::net
