#include "app/listeners.hpp"

#include <algorithm>
#include <utility>

#include <unistd.h>

namespace millrace::app {

std::vector<WantedListener> wanted_listeners(const config::Config& config) {
  std::vector<WantedListener> out;
  for (const config::Address& address : config.server.listen) out.push_back({address, {}});
  for (std::size_t i = 0; i < config.server.tls.size(); ++i)
    for (const config::Address& address : config.server.tls[i].listen)
      out.push_back({address, {.tls = i}});
  for (std::size_t i = 0; i < config.egress.size(); ++i)
    out.push_back({config.egress[i].listen, {.egress = i}});
  return out;
}

// As it is written first: two listeners with port 0 are two. Then as it is bound, for a port that
// was any and is now named.
const Listeners::Bound* Listeners::find(const WantedListener& wanted, const Plan& taken) const {
  const auto free = [&](const Bound& b) {
    return std::ranges::find(taken, b.number, &Bound::number) == taken.end();
  };
  for (const Bound& b : bound_)
    if (b.wanted == wanted.address && free(b)) return &b;
  const net::SocketAddress address = to_socket_address(wanted.address);
  for (const Bound& b : bound_)
    if (b.address == address && free(b)) return &b;
  return nullptr;
}

std::string Listeners::explain(const std::string& error, const net::SocketAddress& address) const {
  if (address.is_unix() || address.port() == 0) return error;
  const auto own = std::ranges::find_if(bound_, [&](const Bound& b) {
    return !b.address.is_unix() && b.address.port() == address.port();
  });
  if (own == bound_.end()) return error;
  return error + "; this server listens on " + own->address.to_string() +
         " itself: restart it to go from one to the other";
}

std::expected<net::Listener, std::string> Listeners::open(const net::SocketAddress& address) {
  const auto passed = std::ranges::find(passed_, address, &PassedSocket::address);
  if (passed != passed_.end()) {
    const int fd = passed->fd;
    passed_.erase(passed);
    return net::Listener::adopt(fd, address, threads_);
  }
  auto bound = net::Listener::bind(address, threads_);
  if (!bound) return std::unexpected(explain(bound.error(), address));
  return bound;
}

std::vector<std::string> Listeners::close_unused() {
  std::vector<std::string> unused;
  for (const PassedSocket& socket : std::exchange(passed_, {})) {
    unused.push_back(socket.address.to_string());
    ::close(socket.fd);
  }
  return unused;
}

std::expected<Listeners::Plan, std::string> Listeners::plan(const config::Config& config) {
  Plan plan;
  for (const WantedListener& wanted : wanted_listeners(config)) {
    if (const Bound* bound = find(wanted, plan)) {
      plan.push_back({bound->number, wanted.address, bound->address, wanted.role, std::nullopt});
      continue;
    }
    const net::SocketAddress address = to_socket_address(wanted.address);
    auto listener = open(address);
    if (!listener) return std::unexpected(listener.error());
    const net::SocketAddress with_port = listener->address();
    plan.push_back({++last_number_, wanted.address, with_port, wanted.role, std::move(*listener)});
  }
  return plan;
}

void Listeners::commit(Plan plan) {
  for (Bound& next : plan) {
    if (next.listener) continue;
    const auto before = std::ranges::find(bound_, next.number, &Bound::number);
    next.listener = std::move(before->listener);
  }
  bound_ = std::move(plan);
}

}  // namespace millrace::app
