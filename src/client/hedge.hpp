// Hedged requests: when an answer takes longer than the origin's answers mostly do, the request is
// sent a second time, and the first good answer wins (Dean and Barroso, "The Tail at Scale").
//
// Off by default, since it costs the upstream work. The second request is begun after the observed
// p95 (LatencyWindow), so for one request in twenty, and only if the retry budget allows it. Only
// for safe methods without a body and without an upgrade: an idempotent DELETE that runs twice at
// once may well say 204 to the one and 404 to the other. An answer of 429 or 5xx wins only when the
// other request has come to nothing better; a first request that fails before the second began is
// not waited for (it is for fetch_with_retries to send again).
//
// The loser is cancelled and awaited before the winner is handed out; its connection is closed, or
// parked when its answer was whole.
//
// Thread rule: one io thread.
#pragma once

#include "client/latency_window.hpp"
#include "client/retry_budget.hpp"
#include "client/sender.hpp"

#include <chrono>
#include <functional>

namespace millrace::client {

struct HedgePolicy {
  bool enabled = false;
  double quantile = 0.95;
  /// Never earlier, however fast the origin is: a second request costs more than this.
  Duration delay_min = std::chrono::milliseconds(2);
  /// The origin's, fed here. Not owned; nullptr: nothing is observed, and so nothing hedged.
  LatencyWindow* latency = nullptr;
  /// Shared with the retries; not owned. nullptr: no limit.
  RetryBudget* budget = nullptr;
  /// Aims the second request elsewhere (origin, host); empty: the same origin.
  std::function<void(Request& second)> aim_second;
};

/// As Sender::send; the response refers to `request`, whichever of the two won. trace.attempts sums
/// up both; the time until the second began is in Phase::kWait where that one won. Does not count
/// the request in the budget: whoever begins it does. `sender` and `policy` must outlive the call.
[[nodiscard]] Task<Result<Response>> fetch_hedged(Sender& sender, Request& request,
                                                  const HedgePolicy& policy);

/// The same as a Sender, so that hedged requests can be retried.
class HedgedSender final : public Sender {
 public:
  /// Both must outlive it.
  HedgedSender(Sender& sender, const HedgePolicy& policy) noexcept
      : sender_(sender), policy_(policy) {}
  [[nodiscard]] Task<Result<Response>> send(Request& request) override {
    return fetch_hedged(sender_, request, policy_);
  }

 private:
  Sender& sender_;
  const HedgePolicy& policy_;
};

}  // namespace millrace::client
