// How long a codec waits for the next bytes of a request body: the rate that every client must
// keep, whatever the protocol.
//
// Thread rule: pure function.
#pragma once

#include "millrace/pipeline.hpp"
#include "runtime/deadline_wheel.hpp"

#include <algorithm>
#include <cstdint>

namespace millrace {

/// `received_bytes` and `waited`: of this body so far; the time in which nobody asked for more does
/// not count as waiting.
[[nodiscard]] inline Duration body_patience(const ConnectionLimits& limits,
                                            std::uint64_t received_bytes,
                                            Duration waited) noexcept {
  const Duration idle = limits.body_idle_timeout;
  if (limits.body_rate_min == 0) return idle;
  const auto earned = std::chrono::seconds(
      std::min<std::uint64_t>(received_bytes / limits.body_rate_min, 24 * 3600));
  return std::min<Duration>(idle, limits.body_rate_grace + earned - waited);
}

}  // namespace millrace
