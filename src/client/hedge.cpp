#include "client/hedge.hpp"

#include "base/metrics.hpp"
#include "http/method.hpp"
#include "runtime/io_thread.hpp"
#include "runtime/task_group.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace millrace::client {
namespace {

/// One of the two requests.
struct Arm {
  explicit Arm(Request& r) noexcept : request(r) {}
  Request& request;
  std::optional<Result<Response>> outcome;
  TimePoint began{};  // the epoch: it has not
  TimePoint ended{};

  [[nodiscard]] bool has_begun() const noexcept { return began != TimePoint{}; }
  [[nodiscard]] bool answered() const noexcept { return outcome && outcome->has_value(); }
  /// An answer that need not be compared with the other one.
  [[nodiscard]] bool is_good() const noexcept {
    return answered() && (*outcome)->status() < 500 && (*outcome)->status() != 429;
  }
};

Task<void> run(Sender& sender, Arm& arm) {
  arm.began = Clock::now();
  arm.outcome.emplace(co_await sender.send(arm.request));
  arm.ended = Clock::now();
}

/// The same request without what belongs to one exchange. Its fields refer to those of `from`.
void copy_request(const Request& from, Request& to) {
  to.method = from.method;
  to.method_text = from.method_text;
  to.origin = from.origin;
  to.target = from.target;
  to.host = from.host;
  for (const http::Field& field : from.fields) to.fields.add(field);
  to.timeouts = from.timeouts;
  to.decode = from.decode;
  to.body_bytes_max = from.body_bytes_max;
}

Task<void> run_second(Sender& sender, const HedgePolicy& policy, Duration delay, const Arm& first,
                      Arm& second) {
  if (const auto slept = co_await sleep_for(delay); !slept) co_return;
  if (first.outcome) co_return;  // in this very turn
  if (policy.budget != nullptr && !policy.budget->take(Clock::now())) co_return;
  copy_request(first.request, second.request);
  if (policy.aim_second) policy.aim_second(second.request);
  second.request.trace.timings.end(Phase::kWait);
  metrics::add(metrics::Metric::kUpstreamRetries);
  co_await run(sender, second);
}

bool is_settled(const Arm& first, const Arm& second) noexcept {
  return first.is_good() || second.is_good() || (first.outcome && !second.has_begun());
}

Arm& winner_of(Arm& first, Arm& second) noexcept {
  if (first.is_good()) return first;
  if (second.is_good()) return second;
  return !first.answered() && second.answered() ? second : first;
}

void observe(const HedgePolicy& policy, const Arm& arm) noexcept {
  if (policy.latency != nullptr && arm.is_good())
    policy.latency->observe(arm.ended - arm.began, arm.ended);
}

/// nullopt: not this request, or not yet.
std::optional<Duration> hedge_delay(const Request& request, const HedgePolicy& policy) noexcept {
  if (!policy.enabled || policy.latency == nullptr) return std::nullopt;
  if (!http::is_safe(request.method) || request.body != nullptr || !request.upgrade.empty())
    return std::nullopt;
  const auto usual = policy.latency->quantile(policy.quantile, Clock::now());
  if (!usual) return std::nullopt;
  return std::max(*usual, policy.delay_min);
}

Task<Result<Response>> fetch_observed(Sender& sender, Request& request, const HedgePolicy& policy) {
  Arm only(request);
  co_await run(sender, only);
  observe(policy, only);
  co_return std::move(*only.outcome);
}

/// The response of the second request becomes one of the first, with its trace.
void adopt(Arm& second, Request& request) {
  const unsigned attempts = request.trace.attempts;
  request.trace = std::move(second.request.trace);
  request.trace.attempts += attempts;
  if (second.answered()) (*second.outcome)->belongs_to(request);
}

}  // namespace

Task<Result<Response>> fetch_hedged(Sender& sender, Request& request, const HedgePolicy& policy) {
  const std::optional<Duration> delay = hedge_delay(request, policy);
  if (!delay) co_return co_await fetch_observed(sender, request, policy);

  request.trace.timings.begin(Clock::now());
  Request copy;
  copy.trace.timings = request.trace.timings;
  Arm first(request);
  Arm second(copy);
  TaskGroup group;
  group.spawn(run(sender, first));
  group.spawn(run_second(sender, policy, *delay, first, second));
  while (group.size() != 0 && !is_settled(first, second)) co_await group.next();
  group.cancel();
  co_await group.join();

  Arm& winner = winner_of(first, second);
  Arm& loser = &winner == &first ? second : first;
  observe(policy, winner);
  // How long the first would have taken is not known, but that it is more: without this, the slow
  // answers would vanish from the window, and ever more requests be hedged.
  if (&winner == &second && policy.latency != nullptr)
    policy.latency->observe(winner.ended - first.began, winner.ended);
  if (loser.answered()) co_await (*loser.outcome)->close();
  if (&winner == &second)
    adopt(second, request);
  else
    request.trace.attempts += copy.trace.attempts;
  co_return std::move(*winner.outcome);
}

}  // namespace millrace::client
