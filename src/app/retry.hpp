// May a fetch be tried again, and when.
//
// Thread rule: pure functions.
#pragma once

#include "client/backoff.hpp"
#include "endpoints/batch_item.hpp"
#include "runtime/deadline_wheel.hpp"

#include <chrono>
#include <cstdint>
#include <optional>

namespace millrace::app {

/// Longer than between servers: nobody waits for one answer.
inline constexpr client::Backoff kRetryBackoff{.base = std::chrono::milliseconds(500),
                                               .max = std::chrono::seconds(30)};
/// A server that asks for more is not asked again.
inline constexpr auto kRetryAfterMax = std::chrono::minutes(2);

/// nullopt: not again. Else the pause before it: what Retry-After says, or the backoff of this
/// `attempt` (from 0), by 64 `random` bits.
///
/// Again are tried idempotent requests that met 429, 502, 503, 504, no connection, or one that
/// broke off; not those that ran out of their own time.
[[nodiscard]] std::optional<Duration> retry_pause(http::Method method,
                                                  const endpoints::BatchResult& result,
                                                  unsigned attempt, std::uint64_t random,
                                                  std::chrono::sys_seconds now);

}  // namespace millrace::app
