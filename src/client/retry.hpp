// Sending a request again when the first try came to nothing.
//
// Tried again are, as the table in base/error says: requests of which nothing was sent (the name
// was not resolved, no connection came about); requests whose connection ended without an answer,
// when no byte of it was written, or the method is idempotent and the body can be rewound; and,
// under the latter two conditions, answers with one of the policy's statuses. That is decided on
// the head of the answer: once a caller has it, it stays the answer.
//
// Before each retry there is a wait with jitter (backoff.hpp), after what Retry-After asks for.
// Where the wait would last to the caller's deadline, or Retry-After asks for more than
// `retry_after_max`, or the budget is spent, the caller gets what there is, at once.
//
// The resend after a keep-alive race is Client::fetch's own and costs no budget.
//
// Thread rule: one io thread; a policy may be shared by those that do not change it.
#pragma once

#include "client/backoff.hpp"
#include "client/retry_budget.hpp"
#include "client/sender.hpp"

#include <chrono>
#include <cstdint>
#include <span>

namespace millrace::client {

/// Answers that say "not now, or not here".
inline constexpr int kBusyStatuses[] = {429, 502, 503, 504};

struct RetryPolicy {
  /// How often a request may be sent again.
  unsigned retries_max = 1;
  Backoff backoff;
  /// Where a failed request goes elsewhere, the first retry need not wait.
  bool first_at_once = false;
  /// Answers that are not taken for an answer. Not owned.
  std::span<const int> statuses = kBusyStatuses;
  /// A longer Retry-After is not waited for. No caller waits for minutes.
  Duration retry_after_max = std::chrono::seconds(10);
  /// Shared; not owned. nullptr: no limit but retries_max.
  RetryBudget* budget = nullptr;
  RandomBits random = thread_random;
};

/// An unread rest of an answer that is thrown away is read up to this size, so that the connection
/// can be used again...
inline constexpr std::uint64_t kDrainBytesMax = 16 * 1024;
/// ...if it comes this soon.
inline constexpr Duration kDrainTime = std::chrono::milliseconds(50);

/// May a request with this method be sent again after this failure?
[[nodiscard]] bool may_send_again(http::Method method, const Error& error) noexcept;
/// ...after an answer with this status?
[[nodiscard]] bool may_send_again(http::Method method, int status,
                                  std::span<const int> statuses = kBusyStatuses) noexcept;

/// Sends until there is an outcome that must not, or cannot, be retried, and gives that. Counts the
/// request in the budget, once. `deadline`: when the caller's own scope ends, if it does; the scope
/// still cancels. trace.attempts sums up all tries; the waits are in Phase::kQueue.
/// `sender` and `policy` must outlive the call.
[[nodiscard]] Task<Result<Response>> fetch_with_retries(Sender& sender, Request& request,
                                                        const RetryPolicy& policy,
                                                        TimePoint deadline = TimePoint::max());

/// Gives up an answer: what is left of it is read where that is cheap, then it is closed.
[[nodiscard]] Task<void> discard(Response& response, Trace& trace);

}  // namespace millrace::client
