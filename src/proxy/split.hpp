// Shares requests out among handlers by weight: `split = { stable = 95, canary = 5 }`.
//
// By chance, or, with a key, so that requests which have it in common stay together: the same
// share on every thread and after every restart, for as long as the weights are what they are.
//
// Thread rule: one io thread.
#pragma once

#include "millrace/exchange.hpp"
#include "proxy/random.hpp"
#include "proxy/request_key.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace millrace::proxy {

class Split final : public Handler {
 public:
  struct Share {
    std::uint64_t weight;
    Handler* handler;  ///< outlives the split
  };

  /// One weight at least is above 0.
  Split(std::vector<Share> shares, std::optional<RequestKey> key, std::uint64_t seed);

  [[nodiscard]] Task<Result<void>> handle(Exchange& exchange) override {
    return choose(exchange).handle(exchange);
  }

 private:
  [[nodiscard]] Handler& choose(const Exchange& exchange);

  const std::vector<Share> shares_;
  const std::optional<RequestKey> key_;
  std::uint64_t total_ = 0;
  Random random_;
};

}  // namespace millrace::proxy
