// The circuit breaker of an upstream: once it has failed so often in a row, requests are refused at
// once for a while, and it is left in peace.
//
//   closed     everything goes; `failures` in a row, of whatever targets, open it
//   open       nothing goes, for `open`
//   half-open  one request at a time goes: a success closes it, a failure opens it again
//
// Thread rule: any thread; closed, it is one atomic read per request. Pure: the caller brings the
// time.
#pragma once

#include "proxy/target_state.hpp"
#include "runtime/deadline_wheel.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string_view>

namespace millrace::proxy {

class Breaker {
 public:
  struct Options {
    unsigned failures = 0;  ///< 0: never opens
    Duration open = std::chrono::seconds(10);
  };
  enum class State : std::uint8_t { kClosed, kOpen, kHalfOpen };
  enum class Admission : std::uint8_t { kRefused, kGoes, kProbes };

  Breaker() = default;
  Breaker(const Breaker&) = delete;
  Breaker& operator=(const Breaker&) = delete;

  /// 0 failures closes it.
  void configure(const Options& options) noexcept;
  [[nodiscard]] Admission admit(TimePoint now) noexcept {
    if (state() == State::kClosed) return Admission::kGoes;
    return admit_slowly(now);
  }
  /// How an admitted request ended. One that says nothing leaves its place to the next.
  void report(Outcome outcome, bool probed, TimePoint now) noexcept;
  /// Would a success, of a request that is no probe, change anything?
  [[nodiscard]] bool wants_good() const noexcept {
    return in_a_row_.load(std::memory_order_relaxed) != 0;
  }
  [[nodiscard]] State state() const noexcept { return state_.load(std::memory_order_acquire); }
  /// Times that it opened, a failed probe included.
  [[nodiscard]] std::uint64_t opened() const noexcept {
    return opened_.load(std::memory_order_relaxed);
  }

 private:
  [[nodiscard]] Admission admit_slowly(TimePoint now) noexcept;
  void open(TimePoint now) noexcept;

  std::atomic<State> state_ = State::kClosed;
  std::atomic<unsigned> failures_max_ = 0;
  std::atomic<unsigned> in_a_row_ = 0;
  std::atomic<bool> probing_ = false;
  std::atomic<std::uint64_t> opened_ = 0;
  std::atomic<Duration::rep> open_for_ = 0;
  std::atomic<Duration::rep> until_ = 0;  ///< since the clock's epoch
};

/// "closed", "open", "half-open".
[[nodiscard]] std::string_view text_of(Breaker::State state) noexcept;

}  // namespace millrace::proxy
