// CPU work for an endpoint: run on the offload pool, timed for Server-Timing.
#pragma once

#include "runtime/offload.hpp"

#include <string>
#include <type_traits>

namespace millrace::endpoints {

/// Where the time of a request went. Times of several jobs add up.
struct WorkTimes {
  Duration read{};   ///< taking in the input
  Duration queue{};  ///< waiting for a thread of the pool
  Duration work{};   ///< on the pool
  /// "read;dur=1.20, queue;dur=0.05, work;dur=30.12, total;dur=31.40" (W3C Server-Timing, ms).
  [[nodiscard]] std::string server_timing(TimePoint began) const;
};

/// Runs `work(const CancelToken&)`, which gives a Result<T>, on the pool. Errors: those of the pool
/// (kOffloadFull, the scope's), then those of the work.
template <class F>
[[nodiscard]] Task<std::invoke_result_t<F&, const CancelToken&>> run_timed(Offload& offload,
                                                                           std::uint64_t cost,
                                                                           F work,
                                                                           WorkTimes& times) {
  const TimePoint submitted = Clock::now();
  TimePoint began = submitted;
  auto done = co_await offload.run(cost, [&](const CancelToken& stop) {
    began = Clock::now();
    return work(stop);
  });
  times.queue += began - submitted;
  times.work += Clock::now() - began;
  if (!done) co_return fail(done.error());
  co_return std::move(*done);
}

}  // namespace millrace::endpoints
