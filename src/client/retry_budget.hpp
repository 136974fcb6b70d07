// How much may be sent again: at most a share of what was asked for, so that an upstream that is in
// trouble is not sent more than it can take because it is in trouble.
//
// Of the requests of the last kWindow, `ratio` may be retried; besides, `min_per_second` always
// may, for upstreams that are asked rarely. Finagle's and linkerd's defaults: 20 %, 10 a second, 10
// s. The windows are seconds of the clock that is passed in. Requests that are hedged (hedge.hpp)
// and resumed (resuming_body.hpp) use the same budget.
//
// Thread rule: any thread; one budget is shared by all io threads of an upstream. request() is one
// compare-and-swap. Ownership: outlives whoever refers to it.
#pragma once

#include "runtime/deadline_wheel.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>

namespace millrace::client {

class RetryBudget {
 public:
  static constexpr std::uint64_t kWindowSeconds = 10;

  struct Options {
    /// Retries per request; 0: only `min_per_second`.
    double ratio = 0.2;
    /// Allowed in every second, whatever the ratio says. 0: only `ratio`.
    unsigned min_per_second = 10;
    friend bool operator==(const Options&, const Options&) = default;
  };

  RetryBudget() noexcept : RetryBudget(Options{}) {}
  explicit RetryBudget(const Options& options) noexcept;
  RetryBudget(const RetryBudget&) = delete;
  RetryBudget& operator=(const RetryBudget&) = delete;

  /// From now on; what was booked stays.
  void configure(const Options& options) noexcept;
  /// A request that a caller wants: counted once, however often it is sent.
  void request(TimePoint now) noexcept;
  /// May one request be sent again now? True: it is booked.
  [[nodiscard]] bool take(TimePoint now) noexcept;

 private:
  // A second's counts in one word, so that they change together: 16 bits say which second it is, 24
  // count requests, 24 retries. Both counts stop at their ends.
  static constexpr std::uint64_t kSlots = 16;
  struct Counts {
    std::uint64_t requests = 0;
    std::uint64_t retries = 0;
  };
  using Slot = std::atomic<std::uint64_t>;

  [[nodiscard]] static Counts counts_of(std::uint64_t word, std::uint64_t second) noexcept;
  [[nodiscard]] static std::uint64_t word_of(Counts counts, std::uint64_t second) noexcept;
  [[nodiscard]] Counts window_before(std::uint64_t second) const noexcept;
  [[nodiscard]] bool allows(Counts before, Counts now) const noexcept;

  std::atomic<std::uint64_t> per_million_;
  std::atomic<std::uint64_t> min_per_second_;
  alignas(64) std::array<Slot, kSlots> slots_{};  // all threads write here
};

}  // namespace millrace::client
