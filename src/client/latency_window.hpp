// How long an origin has taken lately: a histogram whose counts fade.
//
// Buckets are logarithmic, eight per doubling, from 1 us to about two minutes, so a quantile is at
// most an eighth too high (never too low, up to the last bucket). Counts are halved every
// kHalfLife: what was half a minute ago weighs an eighth. 800 bytes and no allocation; observe() is
// O(1), quantile() walks the buckets.
//
// Time is passed in. Thread rule: one thread; each io thread has its own per origin.
#pragma once

#include "runtime/deadline_wheel.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace millrace::client {

class LatencyWindow {
 public:
  static constexpr Duration kHalfLife = std::chrono::seconds(10);
  /// With fewer observations (faded ones count by what is left of them) there is no quantile.
  static constexpr std::uint64_t kSamplesMin = 20;

  void observe(Duration latency, TimePoint now) noexcept;
  /// The latency that a share `q` (0 to 1) of the observations stayed under; nullopt: too few.
  [[nodiscard]] std::optional<Duration> quantile(double q, TimePoint now) noexcept;

 private:
  static constexpr std::size_t kPerDoubling = 8;
  static constexpr std::size_t kBuckets = 200;
  // An observation weighs this much while it is fresh: so that one alone fades over many halvings
  // and does not vanish at the first.
  static constexpr std::uint32_t kWeight = 256;
  // Above this the counts are halved before their time: none can overflow.
  static constexpr std::uint64_t kTotalMax = std::uint64_t{1} << 31;

  [[nodiscard]] static std::size_t bucket_of(Duration latency) noexcept;
  [[nodiscard]] static Duration upper_end(std::size_t bucket) noexcept;
  void halve() noexcept;
  void fade(TimePoint now) noexcept;

  std::array<std::uint32_t, kBuckets> weights_{};
  std::uint64_t total_ = 0;
  TimePoint faded_{};
};

}  // namespace millrace::client
