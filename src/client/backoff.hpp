// How long to wait before something is tried again.
//
// Exponential with full jitter: before the nth retry a time between 0 and base * 2^n, evenly
// spread, that bound never over `max`. Full jitter, as Envoy has it, and not decorrelated: the wait
// depends on the number of the try alone, so there is no state to keep per request, and callers
// that failed at one moment come back spread over the whole interval.
//
// Thread rule: pure functions, but for thread_random, which is per thread.
#pragma once

#include "runtime/deadline_wheel.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

namespace millrace::client {

/// 64 evenly spread random bits per call. Not for secrets.
using RandomBits = std::function<std::uint64_t()>;

/// The thread's own source, seeded by the kernel.
[[nodiscard]] std::uint64_t thread_random();

struct Backoff {
  /// Envoy's: long enough for a restarting worker's neighbour to take over, short enough to go
  /// unseen.
  Duration base = std::chrono::milliseconds(25);
  /// Of one wait.
  Duration max = std::chrono::milliseconds(250);

  /// The wait before retry number `retry`, counted from 0; in [0, bound(retry)].
  [[nodiscard]] Duration wait(unsigned retry, std::uint64_t random) const noexcept;
  /// min(max, base * 2^retry), without overflow.
  [[nodiscard]] Duration bound(unsigned retry) const noexcept;
};

/// What retry_after() gives at most: more is as good as never.
inline constexpr Duration kRetryAfterMax = std::chrono::hours(24);

/// The value of Retry-After (RFC 9110 section 10.2.3): seconds, or a date as seen at `now`; dates
/// in the past are 0. nullopt for anything else, which is to be ignored.
[[nodiscard]] std::optional<Duration> retry_after(std::string_view value,
                                                  std::chrono::sys_seconds now) noexcept;

}  // namespace millrace::client
