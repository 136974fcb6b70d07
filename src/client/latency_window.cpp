#include "client/latency_window.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace millrace::client {

using std::chrono::duration_cast;
using std::chrono::microseconds;

// Below 16 us one bucket per microsecond; from there on the leading bit and the next three.
std::size_t LatencyWindow::bucket_of(Duration latency) noexcept {
  const auto us = static_cast<std::uint64_t>(
      std::max<microseconds::rep>(duration_cast<microseconds>(latency).count(), 0));
  if (us < kPerDoubling) return us;
  const auto shift = static_cast<std::size_t>(std::bit_width(us)) - 4;
  return std::min(kPerDoubling * shift + (us >> shift), kBuckets - 1);
}

Duration LatencyWindow::upper_end(std::size_t bucket) noexcept {
  if (bucket < kPerDoubling) return microseconds(bucket + 1);
  const std::size_t shift = bucket / kPerDoubling - 1;
  const std::uint64_t mantissa = bucket % kPerDoubling + kPerDoubling;
  return microseconds((mantissa + 1) << shift);
}

void LatencyWindow::halve() noexcept {
  total_ = 0;
  for (std::uint32_t& weight : weights_) total_ += weight /= 2;
}

void LatencyWindow::fade(TimePoint now) noexcept {
  while (total_ != 0 && now - faded_ >= kHalfLife) {
    halve();
    faded_ += kHalfLife;
  }
  if (total_ == 0) faded_ = now;
}

void LatencyWindow::observe(Duration latency, TimePoint now) noexcept {
  fade(now);
  weights_[bucket_of(latency)] += kWeight;
  total_ += kWeight;
  if (total_ > kTotalMax) halve();
}

std::optional<Duration> LatencyWindow::quantile(double q, TimePoint now) noexcept {
  fade(now);
  if (total_ < kSamplesMin * kWeight) return std::nullopt;
  const auto wanted =
      static_cast<std::uint64_t>(std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(total_)));
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    sum += weights_[i];
    if (sum != 0 && sum >= wanted) return upper_end(i);
  }
  return upper_end(kBuckets - 1);
}

}  // namespace millrace::client
