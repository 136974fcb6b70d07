// May a fetch be tried again, and when.
//
// Thread rule: pure functions.
#pragma once

#include "endpoints/batch_item.hpp"
#include "runtime/deadline_wheel.hpp"

#include <chrono>
#include <optional>
#include <string_view>

namespace millrace::app {

/// The first pause; each next one is twice as long.
inline constexpr auto kRetryPause = std::chrono::milliseconds(250);
inline constexpr auto kRetryPauseMax = std::chrono::seconds(30);
/// A server that asks for more is not asked again.
inline constexpr auto kRetryAfterMax = std::chrono::minutes(2);

/// nullopt: not again. Else the pause before it: what Retry-After says (seconds or a date), or
/// half to all of the pause of this `attempt` (from 0), by `jitter` from 0 to 1.
///
/// Again are tried idempotent requests that met 429, 502, 503, 504, no connection, or one that
/// broke off; not those that ran out of their own time.
[[nodiscard]] std::optional<Duration> retry_pause(http::Method method,
                                                  const endpoints::BatchResult& result,
                                                  unsigned attempt, double jitter,
                                                  std::chrono::sys_seconds now);

}  // namespace millrace::app
