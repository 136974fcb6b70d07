// Active health checks: asks every target of an upstream, again and again, and tells the upstream's
// state what came of it. One per upstream and process.
//
// A check is a GET whose answer has a good status, or just a TCP connection; it uses connections of
// its own, so that neither waits for the other. Rounds are an interval apart, give or take a tenth;
// in a round the checks are spread over up to a quarter of it.
//
// Ownership: what it refers to outlives run(). Thread rule: one io thread.
#pragma once

#include "client/client.hpp"
#include "net/resolver.hpp"
#include "proxy/health_counter.hpp"
#include "proxy/random.hpp"
#include "proxy/upstream_state.hpp"
#include "runtime/semaphore.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

namespace millrace::proxy {

class HealthChecker {
 public:
  /// At once; the others of a round wait.
  static constexpr std::size_t kChecksMax = 32;
  /// Of an answer: who says more is not well.
  static constexpr std::uint64_t kBodyBytesMax = 64 * 1024;

  struct Options {
    std::string path;  ///< empty: a connection is enough
    std::string host;  ///< the Host field; empty: the target's own
    int status_min = 200;
    int status_max = 399;
    Duration interval = std::chrono::seconds(5);
    Duration timeout = std::chrono::seconds(2);
    HealthCounter::Options thresholds;
  };

  HealthChecker(UpstreamState& upstream, client::Client& client, net::Resolver& resolver,
                Options options)
      : upstream_(upstream), client_(client), resolver_(resolver), options_(std::move(options)) {}

  /// Until its scope is cancelled.
  [[nodiscard]] Task<void> run();

 private:
  Task<void> check(UpstreamState::Entry entry, Duration delay);
  /// Empty: well. Else what is wrong.
  Task<Result<std::string>> ask(const UpstreamState::Entry& entry);
  Task<Result<std::string>> ask_http(const UpstreamState::Entry& entry);
  Task<Result<std::string>> connect(const UpstreamState::Entry& entry);
  [[nodiscard]] Duration up_to(Duration most) noexcept;

  UpstreamState& upstream_;
  client::Client& client_;
  net::Resolver& resolver_;
  const Options options_;
  Semaphore places_{kChecksMax};
  std::map<std::uint64_t, HealthCounter> counters_;  // by TargetState::id
  Random random_{static_cast<std::uint64_t>(Clock::now().time_since_epoch().count())};
};

}  // namespace millrace::proxy
