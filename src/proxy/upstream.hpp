// A group of targets that serve the same thing, as one io thread sees it.
//
// Ownership: keeps its origins (and so their idle connections) alive; the Client outlives it.
// Thread rule: made anywhere, used on one io thread.
#pragma once

#include "client/client.hpp"
#include "proxy/balancer.hpp"

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace millrace::proxy {

/// What the Host field says upstream.
enum class HostPolicy : std::uint8_t {
  kPreserve,  ///< what the client asked for: the service sees its public name
  kTarget,    ///< the target's own name, as virtual hosts elsewhere need it
  kName,      ///< a fixed name
};

class Upstream {
 public:
  struct Options {
    std::string name;  ///< of the configuration: for logs, metrics and errors
    std::vector<client::OriginSpec> targets;
    std::string balance = "round_robin";
    HostPolicy host = HostPolicy::kPreserve;
    std::string host_name;  ///< for HostPolicy::kName
    client::Timeouts timeouts;
    /// Idle connections kept per target and io thread, and for how long at most.
    std::size_t idle_max = 256;
    Duration idle_age_max = std::chrono::seconds(60);
    /// For the whole exchange, body included: 504. None by default: streams may last.
    Duration total = Duration::max();
  };

  /// `seed`: the io thread's index. Errors are texts for start-up.
  [[nodiscard]] static std::expected<std::unique_ptr<Upstream>, std::string> make(
      client::Client& client, Options options, unsigned seed);

  /// The next target; `avoid` has just failed. nullopt: none is available.
  [[nodiscard]] std::optional<std::size_t> pick(std::optional<std::size_t> avoid) noexcept {
    return balancer_->pick(states_, avoid);
  }
  [[nodiscard]] const client::OriginPtr& origin(std::size_t target) const noexcept {
    return targets_[target].origin;
  }
  /// The Host field for a request to `target` whose client asked for `authority`.
  [[nodiscard]] std::string_view host_for(std::size_t target,
                                          std::string_view authority) const noexcept;

  [[nodiscard]] const Options& options() const noexcept { return options_; }
  [[nodiscard]] client::Client& client() const noexcept { return client_; }

 private:
  struct Target {
    client::OriginPtr origin;
    std::string authority;
  };
  Upstream(client::Client& client, Options options, unsigned seed);

  client::Client& client_;
  const Options options_;
  std::vector<Target> targets_;
  std::vector<TargetState> states_;  // parallel to targets_
  std::unique_ptr<Balancer> balancer_;
};

}  // namespace millrace::proxy
