#include "client/retry.hpp"

#include "base/metrics.hpp"
#include "http/method.hpp"
#include "runtime/io_thread.hpp"

#include <algorithm>
#include <chrono>
#include <optional>

namespace millrace::client {
namespace {

bool is_retriable(const Request& request, const Result<Response>& outcome,
                  const RetryPolicy& policy) noexcept {
  // A body that is still being sent cannot begin anew.
  if (outcome)
    return !outcome->is_tunnel() && !outcome->is_sending() &&
           may_send_again(request.method, outcome->status(), policy.statuses);
  if (may_send_again(request.method, outcome.error())) return !request.trace.answered;
  return request.trace.unsent && outcome.error().info().retry == Retry::kIfIdempotent;
}

/// What the answer asks us to wait; nullopt: nothing.
std::optional<Duration> asked_wait(const Result<Response>& outcome) noexcept {
  if (!outcome || (outcome->status() != 429 && outcome->status() != 503)) return std::nullopt;
  const http::Field* field = outcome->fields().find(http::FieldId::kRetryAfter);
  if (field == nullptr) return std::nullopt;
  using std::chrono::floor, std::chrono::seconds, std::chrono::system_clock;
  return retry_after(field->value, floor<seconds>(system_clock::now()));
}

/// Nothing of it was sent, or it begins anew.
bool body_is_there(const Request& request, const Result<Response>& outcome) noexcept {
  if (request.body == nullptr || request.body->length().is_none()) return true;
  const bool unsent =
      !outcome && (request.trace.unsent || outcome.error().info().retry == Retry::kIfUnsent);
  return unsent || request.body->rewind();
}

/// How long to wait before retry number `retry`; nullopt: the outcome stands. What costs something
/// (the body's rewinding, the budget) comes last.
std::optional<Duration> wait_before(unsigned retry, const Request& request,
                                    const Result<Response>& outcome, const RetryPolicy& policy,
                                    TimePoint deadline) {
  if (retry >= policy.retries_max || !is_retriable(request, outcome, policy)) return std::nullopt;
  const Duration asked = asked_wait(outcome).value_or(Duration::zero());
  if (asked > policy.retry_after_max) return std::nullopt;
  // On top of what was asked for, so that not all come back in the same moment.
  const bool at_once = policy.first_at_once && retry == 0;
  const Duration wait =
      asked + (at_once ? Duration::zero() : policy.backoff.wait(retry, policy.random()));
  const TimePoint now = Clock::now();
  if (after(now, wait) >= deadline) return std::nullopt;
  if (!body_is_there(request, outcome)) return std::nullopt;
  if (policy.budget != nullptr && !policy.budget->take(now)) return std::nullopt;
  return wait;
}

Task<void> read_rest(Response& response) {
  while (!response.done()) {
    const Result<Bytes> piece = co_await response.read();
    if (!piece || piece->empty()) co_return;
  }
}

}  // namespace

bool may_send_again(http::Method method, const Error& error) noexcept {
  const ErrcInfo& info = error.info();
  if (info.fault != Fault::kUpstream) return false;
  return info.retry == Retry::kIfUnsent ||
         (info.retry == Retry::kIfIdempotent && http::is_idempotent(method));
}

bool may_send_again(http::Method method, int status, std::span<const int> statuses) noexcept {
  return http::is_idempotent(method) && std::ranges::find(statuses, status) != statuses.end();
}

Task<void> discard(Response& response, Trace& trace) {
  const http::BodyLength length = response.body_length();
  if (length.is_known() && length.bytes <= kDrainBytesMax) {
    DeadlineScope limit(Errc::kDeadline, kDrainTime);
    co_await in_scope(limit.scope(), read_rest(response));
  }
  co_await response.close();
  trace.timings.end(Phase::kReceive);
}

Task<Result<Response>> fetch_with_retries(Sender& sender, Request& request,
                                          const RetryPolicy& policy, TimePoint deadline) {
  if (policy.budget != nullptr) policy.budget->request(IoThread::current().turn_time());
  for (unsigned retry = 0;; ++retry) {
    Result<Response> outcome = co_await sender.send(request);
    const auto wait = wait_before(retry, request, outcome, policy, deadline);
    if (!wait) co_return outcome;
    const TimePoint again = after(Clock::now(), *wait);
    if (outcome) co_await discard(*outcome, request.trace);
    if (*wait != Duration::zero()) {
      const Result<void> slept = co_await sleep_until(again);
      request.trace.timings.end(Phase::kQueue);
      if (!slept) co_return fail(slept.error());
    }
    metrics::add(metrics::Metric::kUpstreamRetries);
  }
}

}  // namespace millrace::client
