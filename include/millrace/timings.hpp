// How long each phase of a fetch took. Every phase ends where the next one begins, on one clock
// reading, so the phases sum to the total exactly; phases that did not happen are 0.
//
// Thread rule: one thread.
#pragma once

#include "runtime/deadline_wheel.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace {

enum class Phase : std::uint8_t {
  kQueue,  ///< waited for a permit or a connection
  kDns,
  kConnect,
  kTls,
  kSend,     ///< head and body went out (until the answer began, when it began earlier)
  kWait,     ///< for the head of the answer
  kReceive,  ///< the body of the answer
  kCount_
};

/// As they are told: in access logs, in Server-Timing, in results of batches.
inline constexpr std::array<std::string_view, static_cast<std::size_t>(Phase::kCount_)> kPhaseNames{
    "queue", "dns", "connect", "tls", "send", "wait", "receive"};

class Timings {
 public:
  /// Only the first call counts: redirects and second targets belong to one fetch.
  void begin(TimePoint now) noexcept {
    if (began_ != TimePoint{}) return;
    began_ = last_ = now;
  }
  /// `phase` lasted until `now`. Readings that lie before the last one count as it.
  void end(Phase phase, TimePoint now = Clock::now()) noexcept {
    if (now < last_) return;
    phases_[static_cast<std::size_t>(phase)] += now - last_;
    last_ = now;
  }

  [[nodiscard]] Duration of(Phase phase) const noexcept {
    return phases_[static_cast<std::size_t>(phase)];
  }
  [[nodiscard]] Duration total() const noexcept { return last_ - began_; }

 private:
  std::array<Duration, static_cast<std::size_t>(Phase::kCount_)> phases_{};
  TimePoint began_{};
  TimePoint last_{};
};

}  // namespace millrace
