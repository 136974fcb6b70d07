// What a service manager (systemd) is told, and what it hands over: sd_notify(3) and
// sd_listen_fds(3), without its library.
//
// Thread rule: notify() from any thread; taking the sockets once, before threads are started.
#pragma once

#include "net/address.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace millrace::app {

/// "READY=1", or several such lines. Nothing happens without NOTIFY_SOCKET; never blocks, and is
/// never an error: the manager has its own time limits.
void notify(std::string_view state) noexcept;
/// RELOADING=1 with the clock that Type=notify-reload wants.
void notify_reloading() noexcept;

/// A listening socket that was handed over.
struct PassedSocket {
  int fd = -1;
  net::SocketAddress address;
};
/// Those of LISTEN_FDS, when LISTEN_PID is this process; both are taken out of the environment.
/// Those that are not listening stream sockets are closed and told in `refused`, a line each.
[[nodiscard]] std::vector<PassedSocket> passed_sockets(std::vector<std::string>& refused);

}  // namespace millrace::app
