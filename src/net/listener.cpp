#include "net/listener.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace millrace::net {
namespace {

/// Closes on the way out unless released.
class OwnedFd {
 public:
  explicit OwnedFd(int fd) noexcept : fd_(fd) {}
  OwnedFd(const OwnedFd&) = delete;
  OwnedFd& operator=(const OwnedFd&) = delete;
  ~OwnedFd() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

std::string explain(const SocketAddress& address, int error) {
  std::string text = "cannot listen on " + address.to_string() + ": " + std::strerror(error);
  if (error == EADDRINUSE)
    text += "; another server is using it (choose another address, or port 0 for any)";
  if (error == EACCES) text += "; ports below 1024 and foreign folders need privileges";
  if (error == EADDRNOTAVAIL) text += "; this machine has no such address";
  return text;
}

void set_option(int fd, int level, int name, int value) noexcept {
  ::setsockopt(fd, level, name, &value, sizeof(value));
}

int open_tcp(const SocketAddress& address, bool reuse_port) noexcept {
  const int fd = ::socket(address.native_family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (reuse_port) set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  if (address.ip().is_v6()) set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  // Inherited by accepted sockets: one system call less per connection.
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  return fd;
}

int bind_fd(int fd, const SocketAddress& address) noexcept {
  const RawSocketAddress raw = address.to_raw();
  return ::bind(fd, raw.get(), raw.length);
}

std::uint16_t bound_port(int fd) noexcept {
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length);
  const auto address = SocketAddress::from_raw(reinterpret_cast<sockaddr*>(&storage), length);
  return address ? address->port() : 0;
}

bool somebody_listens(const SocketAddress& address) noexcept {
  const OwnedFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const RawSocketAddress raw = address.to_raw();
  return ::connect(probe.get(), raw.get(), raw.length) == 0;
}

bool is_socket_file(const std::string& path) noexcept {
  struct stat info{};
  return ::lstat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode);
}

}  // namespace

Listener::Listener(Listener&& other) noexcept
    : address_(other.address_),
      descriptors_(std::exchange(other.descriptors_, {})),
      shared_(other.shared_) {}

Listener& Listener::operator=(Listener&& other) noexcept {
  if (this == &other) return *this;
  close();
  address_ = other.address_;
  descriptors_ = std::exchange(other.descriptors_, {});
  shared_ = other.shared_;
  return *this;
}

Listener::~Listener() {
  close();
}

void Listener::close() noexcept {
  if (descriptors_.empty()) return;
  for (const int fd : descriptors_)
    if (fd >= 0) ::close(fd);
  if (address_.is_unix() && !shared_) ::unlink(std::string(address_.path()).c_str());
  descriptors_.clear();
}

int Listener::take(std::size_t i) noexcept {
  return std::exchange(descriptors_[i], -1);
}

std::expected<Listener, std::string> Listener::adopt(int taken, const SocketAddress& address,
                                                     unsigned threads) {
  OwnedFd fd(taken);
  Listener listener(address);
  listener.shared_ = true;
  if (!address.is_unix()) set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  for (unsigned i = 1; i < threads; ++i) {
    OwnedFd copy(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
    if (copy.get() < 0) return std::unexpected(explain(address, errno));
    listener.descriptors_.push_back(copy.release());
  }
  listener.descriptors_.push_back(fd.release());
  return listener;
}

std::expected<Listener, std::string> Listener::bind(const SocketAddress& wanted, unsigned threads) {
  Listener listener(wanted);
  if (wanted.is_unix()) {
    const std::string path(wanted.path());
    if (is_socket_file(path)) {
      if (somebody_listens(wanted)) return std::unexpected(explain(wanted, EADDRINUSE));
      ::unlink(path.c_str());
    }
    OwnedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (fd.get() < 0 || bind_fd(fd.get(), wanted) != 0 || ::listen(fd.get(), kBacklog) != 0)
      return std::unexpected(explain(wanted, errno));
    for (unsigned i = 1; i < threads; ++i) {
      const int copy = ::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0);
      if (copy < 0) return std::unexpected(explain(wanted, errno));
      listener.descriptors_.push_back(copy);
    }
    listener.descriptors_.push_back(fd.release());
    return listener;
  }

  {
    const OwnedFd probe(open_tcp(wanted, false));
    if (probe.get() < 0 || bind_fd(probe.get(), wanted) != 0 || ::listen(probe.get(), 1) != 0)
      return std::unexpected(explain(wanted, errno));
    listener.address_ = wanted.with_port(bound_port(probe.get()));
  }
  for (unsigned i = 0; i < threads; ++i) {
    OwnedFd fd(open_tcp(listener.address_, true));
    if (fd.get() < 0 || bind_fd(fd.get(), listener.address_) != 0)
      return std::unexpected(explain(listener.address_, errno));
    listener.descriptors_.push_back(fd.release());
  }
  // Only now: a thread's socket takes its share from the moment it listens.
  for (const int fd : listener.descriptors_)
    if (::listen(fd, kBacklog) != 0) return std::unexpected(explain(listener.address_, errno));
  return listener;
}

void stop_new_connections(const SocketAddress& address, int fd) noexcept {
  if (address.is_unix()) {
    ::shutdown(fd, SHUT_RD);
    return;
  }
  // A socket filter sees the packet from the TCP header on. It drops a SYN, which its client sends
  // again and then meets a closed port or our successor, and lets the ACKs of handshakes that have
  // begun pass: their clients may have sent a request already. Accepted sockets inherit it, and
  // never get a SYN.
  constexpr std::uint32_t kFlagsOffset = 13;
  constexpr std::uint32_t kSyn = 0x02;
  constexpr std::uint32_t kAck = 0x10;
  sock_filter drop_syn[] = {
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kFlagsOffset),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, kSyn | kAck),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kSyn, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
  };
  const sock_fprog program{.len = std::size(drop_syn), .filter = drop_syn};
  ::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

}  // namespace millrace::net
