// What goes on behind an upstream whether there are requests or not: active checks, names that are
// followed, ejections that end. Once per process and upstream, on one io thread.
//
// Ownership: the resolver outlives it; stop() must be awaited before it dies. Thread rule: one io
// thread.
#pragma once

#include "client/client.hpp"
#include "net/resolver.hpp"
#include "proxy/health_checker.hpp"
#include "proxy/target_follower.hpp"
#include "runtime/task_group.hpp"

#include <memory>
#include <optional>

namespace millrace::proxy {

class UpstreamKeepers {
 public:
  struct Options {
    TargetSources sources;
    std::optional<HealthChecker::Options> health;
  };

  explicit UpstreamKeepers(net::Resolver& resolver)
      : resolver_(resolver), client_(resolver, client::Client::Options{}) {}

  /// Begins at once. The sources have been published (publish_known).
  void keep(std::shared_ptr<UpstreamState> upstream, Options options);
  [[nodiscard]] Task<void> stop();

 private:
  Task<void> keep_one(std::shared_ptr<UpstreamState> upstream, Options options);

  net::Resolver& resolver_;
  client::Client client_;  // of the checks
  TaskGroup tasks_;
};

}  // namespace millrace::proxy
