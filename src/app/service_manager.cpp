#include "app/service_manager.hpp"

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <optional>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace millrace::app {
namespace {

constexpr int kFirstPassedFd = 3;
/// systemd hands over a few; whoever says more means something else.
constexpr int kPassedMax = 256;

std::optional<long> number_of(const char* variable) noexcept {
  const char* const text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  long value = 0;
  const auto [end, error] = std::from_chars(text, text + std::strlen(text), value);
  if (error != std::errc() || *end != '\0') return std::nullopt;
  return value;
}

bool listens(int fd) noexcept {
  int type = 0, accepting = 0;
  socklen_t size = sizeof(type);
  if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0) return false;
  size = sizeof(accepting);
  if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepting, &size) != 0) return false;
  return type == SOCK_STREAM && accepting == 1;
}

std::optional<net::SocketAddress> address_of(int fd) noexcept {
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return std::nullopt;
  return net::SocketAddress::from_raw(reinterpret_cast<sockaddr*>(&storage), length);
}

void prepare(int fd) noexcept {
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
}

}  // namespace

void notify(std::string_view state) noexcept {
  const char* const path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (path == nullptr || (path[0] != '/' && path[0] != '@')) return;
  const std::size_t size = std::strlen(path);
  if (size >= sizeof(to.sun_path)) return;
  std::memcpy(to.sun_path, path, size);
  if (path[0] == '@') to.sun_path[0] = '\0';
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return;
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size);
  (void)::sendto(fd, state.data(), state.size(), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&to), length);
  ::close(fd);
}

void notify_reloading() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  char text[64] = "RELOADING=1\nMONOTONIC_USEC=";
  const std::size_t head = std::strlen(text);
  const long long us = static_cast<long long>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1'000;
  const auto end = std::to_chars(text + head, text + sizeof(text), us).ptr;
  notify({text, static_cast<std::size_t>(end - text)});
}

std::vector<PassedSocket> passed_sockets(std::vector<std::string>& refused) {
  const auto pid = number_of("LISTEN_PID");
  const auto count = number_of("LISTEN_FDS");
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
  std::vector<PassedSocket> out;
  if (!pid || !count || *pid != ::getpid() || *count < 1 || *count > kPassedMax) return out;
  for (int fd = kFirstPassedFd; fd < kFirstPassedFd + *count; ++fd) {
    const auto address = address_of(fd);
    if (!address || !listens(fd)) {
      refused.push_back("descriptor " + std::to_string(fd) +
                        " of LISTEN_FDS is not a listening stream socket");
      ::close(fd);
      continue;
    }
    prepare(fd);
    out.push_back({fd, *address});
  }
  return out;
}

}  // namespace millrace::app
