// Two connected TCP sockets over loopback, non-blocking. A socketpair would not do: resets,
// half-closes and TCP_INFO are TCP's.
#pragma once

#include <cstdlib>
#include <stdexcept>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace millrace::test {

struct TcpPair {
  int client = -1;
  int server = -1;
};

inline int check_fd(int fd) {
  if (fd < 0) throw std::runtime_error("no socket");
  return fd;
}

/// The caller owns both. `buffer_bytes`: small socket buffers, for tests of back-pressure.
inline TcpPair make_tcp_pair(int buffer_bytes = 0) {
  const int listening = check_fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (buffer_bytes != 0) {  // accepted sockets inherit it
    ::setsockopt(listening, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof buffer_bytes);
    ::setsockopt(listening, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes);
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  check_fd(::bind(listening, raw, length));
  check_fd(::listen(listening, 1));
  check_fd(::getsockname(listening, raw, &length));

  TcpPair pair;
  pair.client = check_fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (buffer_bytes != 0) {
    ::setsockopt(pair.client, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes);
    ::setsockopt(pair.client, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof buffer_bytes);
  }
  (void)::connect(pair.client, raw, length);  // over loopback it is there when accept returns
  pair.server = check_fd(::accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  ::close(listening);
  const int on = 1;
  ::setsockopt(pair.client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(pair.server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return pair;
}

}  // namespace millrace::test
