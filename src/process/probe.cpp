#include "process/probe.hpp"

#include "runtime/descriptor.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <string_view>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace millrace::process {
namespace {

constexpr auto kBusyPause = std::chrono::milliseconds(20);

// "HTTP/1.1 200": what comes behind it is not read.
constexpr std::size_t kStatusEnd = 12;

struct SocketName {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

SocketName to_name(const Endpoint& endpoint) {
  SocketName name;
  if (endpoint.unix_path.empty()) {
    sockaddr_in in{.sin_family = AF_INET, .sin_port = htons(endpoint.port)};
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    std::memcpy(&name.storage, &in, sizeof(in));
    name.size = sizeof(in);
    return name;
  }
  sockaddr_un un{.sun_family = AF_UNIX};
  endpoint.unix_path.copy(un.sun_path, sizeof(un.sun_path) - 1);
  std::memcpy(&name.storage, &un, sizeof(un));
  name.size = sizeof(un);
  return name;
}

Task<Result<Descriptor>> connect_to(Endpoint endpoint) {
  const SocketName name = to_name(endpoint);
  const int fd = ::socket(name.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) co_return fail(Errc::kIo, errno);
  Descriptor socket(fd);
  const auto* const address = reinterpret_cast<const sockaddr*>(&name.storage);
  // A unix socket whose queue is full says EAGAIN: whoever is there is busy, and not absent.
  int connected = ::connect(fd, address, name.size);
  while (connected != 0 && errno == EAGAIN) {
    if (const auto slept = co_await sleep_for(kBusyPause); !slept) co_return fail(slept.error());
    connected = ::connect(fd, address, name.size);
  }
  if (connected != 0) {
    if (errno != EINPROGRESS) co_return fail(Errc::kConnectRefused, errno);
    if (const auto ready = co_await socket.writable(); !ready) co_return fail(ready.error());
    int error = 0;
    socklen_t size = sizeof(error);
    ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) co_return fail(Errc::kConnectRefused, error);
  }
  co_return std::move(socket);
}

Result<int> status_of(std::string_view head) {
  int status = 0;
  const auto [end, error] = std::from_chars(head.data() + 9, head.data() + kStatusEnd, status);
  if (!head.starts_with("HTTP/1.") || error != std::errc() || end != head.data() + kStatusEnd)
    return fail(Errc::kUpstreamBadMessage);
  return status;
}

}  // namespace

std::string Endpoint::text() const {
  return unix_path.empty() ? "127.0.0.1:" + std::to_string(port) : "unix:" + unix_path;
}

Task<Result<void>> probe_socket(Endpoint endpoint) {
  const auto socket = co_await connect_to(std::move(endpoint));
  if (!socket) co_return fail(socket.error());
  co_return Result<void>{};
}

Task<Result<int>> probe_http(Endpoint endpoint, std::string path) {
  auto socket = co_await connect_to(std::move(endpoint));
  if (!socket) co_return fail(socket.error());
  const std::string request = "GET " + path +
                              " HTTP/1.1\r\nHost: localhost\r\nUser-Agent: millrace-probe\r\n"
                              "Accept: */*\r\nConnection: close\r\n\r\n";
  // A socket that is new takes a few hundred bytes.
  if (::send(socket->fd(), request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size()))
    co_return fail(Errc::kUpstreamClosed, errno);
  std::array<char, kStatusEnd> head{};
  for (std::size_t got = 0; got < head.size();) {
    const ssize_t n = ::recv(socket->fd(), head.data() + got, head.size() - got, 0);
    if (n > 0) {
      got += static_cast<std::size_t>(n);
      continue;
    }
    if (n == 0 || errno != EAGAIN) co_return fail(Errc::kUpstreamClosed, n == 0 ? 0 : errno);
    if (const auto ready = co_await socket->readable(); !ready) co_return fail(ready.error());
  }
  co_return status_of({head.data(), head.size()});
}

std::uint16_t free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return 0;
  sockaddr_in in{.sin_family = AF_INET};
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(in);
  const bool bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&in), size) == 0 &&
                     ::getsockname(fd, reinterpret_cast<sockaddr*>(&in), &size) == 0;
  ::close(fd);
  return bound ? ntohs(in.sin_port) : std::uint16_t{0};
}

}  // namespace millrace::process
