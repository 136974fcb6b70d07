// An HTTP origin made of raw sockets: the test says, connection by connection, which bytes it sends
// and when it closes. Each connection runs its script on a thread of its own, with blocking calls.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace millrace::test {

class RawOrigin {
 public:
  /// The origin's end of one connection.
  class Peer {
   public:
    explicit Peer(int fd) : fd_(fd) {
      const timeval limit{.tv_sec = 10, .tv_usec = 0};
      ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    }
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;
    ~Peer() { close(); }

    /// Up to and with the empty line; empty when the other side closed before.
    std::string read_head() { return read_until("\r\n\r\n"); }
    std::string read_until(std::string_view end) {
      std::size_t at;
      while ((at = buffer_.find(end)) == std::string::npos)
        if (!fill()) return {};
      return take(at + end.size());
    }
    std::string read_bytes(std::size_t n) {
      while (buffer_.size() < n)
        if (!fill()) break;
      return take(std::min(n, buffer_.size()));
    }
    /// Until the other side closes; what came meanwhile.
    std::string read_to_end() {
      while (fill()) {
      }
      return take(buffer_.size());
    }
    /// False when the other side is gone.
    bool send(std::string_view bytes) {
      while (!bytes.empty()) {
        const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(n));
      }
      return true;
    }
    void close() {
      if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }
    /// Closes with RST.
    void reset() {
      const linger now{.l_onoff = 1, .l_linger = 0};
      ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
      close();
    }
    [[nodiscard]] int fd() const { return fd_; }

   private:
    bool fill() {
      char block[16384];
      const ssize_t n = ::recv(fd_, block, sizeof block, 0);
      if (n <= 0) return false;
      buffer_.append(block, static_cast<std::size_t>(n));
      return true;
    }
    std::string take(std::size_t n) {
      std::string out = buffer_.substr(0, n);
      buffer_.erase(0, n);
      return out;
    }
    int fd_;
    std::string buffer_;
  };

  /// `index` counts connections from 0.
  using Script = std::function<void(Peer&, int index)>;

  explicit RawOrigin(Script script) : script_(std::move(script)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener_, raw, size) != 0 || ::listen(listener_, 64) != 0 ||
        ::getsockname(listener_, raw, &size) != 0)
      throw std::runtime_error("cannot listen on loopback");
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  RawOrigin(const RawOrigin&) = delete;
  RawOrigin& operator=(const RawOrigin&) = delete;
  ~RawOrigin() {
    stop_listening();
    ::close(listener_);
    for (std::thread& t : scripts_) t.join();
  }

  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// New connections are refused from here on.
  void stop_listening() {
    ::shutdown(listener_, SHUT_RDWR);
    if (acceptor_.joinable()) acceptor_.join();
  }
  [[nodiscard]] int connections() const { return connections_; }

 private:
  void accept_all() {
    for (;;) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      scripts_.emplace_back([this, fd, index = connections_++] {
        Peer peer(fd);
        script_(peer, index);
      });
    }
  }

  const Script script_;
  int listener_;
  std::uint16_t port_ = 0;
  std::atomic<int> connections_ = 0;
  std::list<std::thread> scripts_;  // touched by the acceptor until it has ended
  std::thread acceptor_;
};

/// "HTTP/1.1 200 OK" with a Content-Length.
inline std::string ok(std::string_view body, std::string_view fields = {}) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(fields) + "\r\n" + std::string(body);
}

}  // namespace millrace::test
