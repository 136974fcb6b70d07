// Names that stand for several targets: the addresses of a host (A, AAAA), the servers of a service
// (SRV, RFC 2782). They are asked for as often as their TTL says, and the upstream's targets
// follow.
//
// When DNS fails, what it said last goes on being used, however old it is. Until it has said
// anything, the name itself is the target of a host, and a service has none.
//
// Of a host with addresses of both families the IPv4 ones are taken: they are mostly the same
// machines. The number of a record's priority is added to its source's, the weights are multiplied.
//
// Ownership: what it refers to outlives run(). Thread rule: one io thread; free functions: any.
#pragma once

#include "net/resolver.hpp"
#include "proxy/upstream_state.hpp"
#include "runtime/task.hpp"

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace millrace::proxy {

/// A name with what its targets have in common.
struct NamedTargets {
  /// Where its name is the host; port 0 and "_http._tcp.example.com" for a service.
  client::OriginSpec origin;
  bool service = false;
  unsigned weight = 1;
  unsigned priority = 0;

  [[nodiscard]] std::string key() const;
};

/// All that an upstream's targets come from.
struct TargetSources {
  std::vector<TargetSpec> fixed;
  std::vector<NamedTargets> named;
};

/// The targets of `source` with these addresses; sorted by name.
[[nodiscard]] std::vector<TargetSpec> targets_of(const NamedTargets& source,
                                                 const net::Addresses& addresses);
[[nodiscard]] std::vector<TargetSpec> targets_of(const NamedTargets& source,
                                                 const net::SrvRecords& records);
/// Publishes what is known now, from earlier answers too.
void publish_known(UpstreamState& upstream, const TargetSources& sources);

class TargetFollower {
 public:
  /// Between two questions: no TTL is taken for less or more than that.
  struct Pauses {
    Duration min = std::chrono::seconds(1);
    Duration max = std::chrono::minutes(5);
    Duration after_failure = std::chrono::seconds(5);
  };

  TargetFollower(UpstreamState& upstream, net::Resolver& resolver, TargetSources sources,
                 Pauses pauses)
      : upstream_(upstream), resolver_(resolver), sources_(std::move(sources)), pauses_(pauses) {}

  /// Until its scope is cancelled.
  [[nodiscard]] Task<void> run();

 private:
  struct Answer {
    std::vector<TargetSpec> targets;
    TimePoint expiry;
  };
  Task<void> follow(const NamedTargets& source);
  Task<Result<Answer>> ask(const NamedTargets& source);

  UpstreamState& upstream_;
  net::Resolver& resolver_;
  const TargetSources sources_;
  const Pauses pauses_;
};

}  // namespace millrace::proxy
