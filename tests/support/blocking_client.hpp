// A client with blocking calls, for a server that runs on another thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace millrace::test {

class BlockingClient {
 public:
  /// Takes a connected socket.
  explicit BlockingClient(int fd) : fd_(fd) {
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  BlockingClient(const BlockingClient&) = delete;
  BlockingClient& operator=(const BlockingClient&) = delete;
  ~BlockingClient() { close(); }

  [[nodiscard]] bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  /// Reads and drops `size` bytes.
  [[nodiscard]] bool drop(std::size_t size) {
    std::array<char, 16384> block;
    while (size > 0) {
      const ssize_t n = ::recv(fd_, block.data(), std::min(size, block.size()), 0);
      if (n <= 0) return false;
      size -= static_cast<std::size_t>(n);
    }
    return true;
  }
  /// Up to and with the first `end`; as far as it came when the connection ends before.
  [[nodiscard]] std::string read_until(std::string_view end) {
    std::string text;
    for (char c = 0; !text.ends_with(end) && ::recv(fd_, &c, 1, 0) == 1;) text += c;
    return text;
  }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

}  // namespace millrace::test
