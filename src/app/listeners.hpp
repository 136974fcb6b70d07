// The public listeners of the process, and what a new configuration changes of them: addresses that
// it has no longer, those that it adds, and those that stay, which are never closed in between.
//
// Thread rule: the control thread.
#pragma once

#include "app/service_manager.hpp"
#include "app/thread_stack.hpp"
#include "config/config.hpp"
#include "net/listener.hpp"

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace millrace::app {

/// Everything that a configuration wants to listen on, in its order.
struct WantedListener {
  config::Address address;
  ListenerRole role;
};
[[nodiscard]] std::vector<WantedListener> wanted_listeners(const config::Config& config);

class Listeners {
 public:
  struct Bound {
    std::uint64_t number = 0;  ///< never used again
    config::Address wanted;    ///< of the configuration; its port may be 0
    net::SocketAddress address;
    ListenerRole role;
    /// Owns what no thread has taken yet, and a unix socket's file. Empty in a plan: it is bound
    /// already.
    std::optional<net::Listener> listener;
  };
  using Plan = std::vector<Bound>;

  explicit Listeners(unsigned threads) noexcept : threads_(threads) {}

  /// Sockets that plan() may use instead of binding their addresses. Before the first plan.
  void adopt(std::vector<PassedSocket> passed) { passed_ = std::move(passed); }
  /// Closes those that no plan has used: their addresses.
  std::vector<std::string> close_unused();

  /// Binds what is new. The error is one line for a person; nothing has changed then. A plan that
  /// is dropped closes what it has bound.
  [[nodiscard]] std::expected<Plan, std::string> plan(const config::Config& config);
  /// What the threads were given counts from now on.
  void commit(Plan plan);

  [[nodiscard]] const std::vector<Bound>& all() const noexcept { return bound_; }

 private:
  [[nodiscard]] const Bound* find(const WantedListener& wanted, const Plan& taken) const;
  [[nodiscard]] std::expected<net::Listener, std::string> open(const net::SocketAddress& address);
  [[nodiscard]] std::string explain(const std::string& error, const net::SocketAddress& a) const;

  const unsigned threads_;
  std::vector<PassedSocket> passed_;
  std::vector<Bound> bound_;
  std::uint64_t last_number_ = 0;
};

}  // namespace millrace::app
