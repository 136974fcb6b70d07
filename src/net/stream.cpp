#include "net/stream.hpp"

#include <array>
#include <cerrno>

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace millrace::net {
namespace {

using Kind = IoResult::Kind;

}  // namespace

Stream::~Stream() = default;

IoResult Stream::syscall_result(ssize_t n, std::size_t wanted, Direction d) noexcept {
  // Less than was asked for: there is no more. The descriptor need not look before it waits.
  if (n < static_cast<ssize_t>(wanted)) descriptor_.drained(d);
  if (n > 0)
    return {.drained = n < static_cast<ssize_t>(wanted), .bytes = static_cast<std::size_t>(n)};
  if (n == 0) return {.kind = Kind::kEnd};
  if (errno == EAGAIN || errno == EWOULDBLOCK) return {.kind = Kind::kWouldBlock, .want = d};
  return {.kind = Kind::kError, .os_error = errno};
}

IoResult Stream::noted(const IoResult& r) noexcept {
  if (r.would_block()) descriptor_.drained(r.want);
  if (r.drained) descriptor_.drained(Direction::kRead);
  return r;
}

IoResult Stream::read_some(std::span<char> into) noexcept {
  if (tls_ != nullptr) return noted(tls_->read(into));
  return syscall_result(::recv(fd(), into.data(), into.size(), MSG_DONTWAIT), into.size(),
                        Direction::kRead);
}

IoResult Stream::write_some(std::string_view bytes) noexcept {
  if (tls_ != nullptr) {
    const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
    return write_some(std::span(&piece, 1));
  }
  return syscall_result(::send(fd(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL),
                        bytes.size(), Direction::kWrite);
}

IoResult Stream::write_some(std::span<const iovec> pieces) noexcept {
  if (tls_ != nullptr) {
    IoResult r = tls_->write(pieces);
    r.drained = false;
    return noted(r);
  }
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces.data());
  message.msg_iovlen = pieces.size();
  std::size_t wanted = 0;
  for (const iovec& piece : pieces) wanted += piece.iov_len;
  return syscall_result(::sendmsg(fd(), &message, MSG_DONTWAIT | MSG_NOSIGNAL), wanted,
                        Direction::kWrite);
}

IoResult Stream::flush_some() noexcept {
  return tls_ != nullptr ? noted(tls_->flush()) : IoResult{};
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

Task<Result<void>> Stream::handshake(SSL* ssl, HandshakeGate* gate) {
  tls_ = std::make_unique<TlsEngine>(ssl, fd());
  // Who has not spoken takes nobody's turn.
  if (gate != nullptr)
    if (auto ready = co_await wait(Direction::kRead); !ready) co_return fail(ready.error());
  for (;;) {
    IoResult r;
    if (gate == nullptr) {
      r = noted(tls_->handshake_step());
    } else {
      const auto permit = co_await gate->permit();
      if (!permit) co_return fail(permit.error());
      if (descriptor_.timed_out(Direction::kRead)) co_return fail(Errc::kTlsTimeout);
      r = noted(tls_->handshake_step());
    }
    if (r.done()) co_return Result<void>{};
    if (!r.would_block()) {
      let_alert_through();
      co_return fail(Errc::kTlsFailed, r.os_error);
    }
    if (auto ready = co_await wait(r.want); !ready) co_return fail(ready.error());
  }
}

// A close resets the connection while something lies unread, and the alert that tells the peer why
// would be lost with it.
void Stream::let_alert_through() noexcept {
  ::shutdown(fd(), SHUT_WR);
  std::array<char, 4096> dump;
  for (int block = 0; block < 16; ++block)
    if (::recv(fd(), dump.data(), dump.size(), MSG_DONTWAIT) <= 0) return;
}

void Stream::shutdown_write() noexcept {
  if (!is_open()) return;
  if (tls_ != nullptr) tls_->say_end();
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
