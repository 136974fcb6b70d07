#include "client/retry_budget.hpp"

#include <algorithm>

namespace millrace::client {
namespace {

constexpr std::uint64_t kMillion = 1'000'000;
constexpr unsigned kCountBits = 24;
constexpr std::uint64_t kCountMax = (1U << kCountBits) - 1;

std::uint64_t second_of(TimePoint now) noexcept {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count());
}

std::uint64_t per_million(double ratio) noexcept {
  return static_cast<std::uint64_t>(std::clamp(ratio, 0.0, 1000.0) * kMillion + 0.5);
}

}  // namespace

RetryBudget::RetryBudget(const Options& options) noexcept
    : per_million_(per_million(options.ratio)), min_per_second_(options.min_per_second) {}

void RetryBudget::configure(const Options& options) noexcept {
  per_million_.store(per_million(options.ratio), std::memory_order_relaxed);
  min_per_second_.store(options.min_per_second, std::memory_order_relaxed);
}

std::uint64_t RetryBudget::word_of(Counts counts, std::uint64_t second) noexcept {
  const std::uint64_t tag = (second / kSlots) & 0xffff;
  return tag << (2 * kCountBits) | std::min(counts.requests, kCountMax) << kCountBits |
         std::min(counts.retries, kCountMax);
}

RetryBudget::Counts RetryBudget::counts_of(std::uint64_t word, std::uint64_t second) noexcept {
  if (word >> (2 * kCountBits) != ((second / kSlots) & 0xffff)) return {};  // of an earlier round
  return {(word >> kCountBits) & kCountMax, word & kCountMax};
}

void RetryBudget::request(TimePoint now) noexcept {
  const std::uint64_t second = second_of(now);
  Slot& slot = slots_[second % kSlots];
  std::uint64_t seen = slot.load(std::memory_order_relaxed);
  for (;;) {
    Counts counts = counts_of(seen, second);
    ++counts.requests;
    if (slot.compare_exchange_weak(seen, word_of(counts, second), std::memory_order_relaxed))
      return;
  }
}

RetryBudget::Counts RetryBudget::window_before(std::uint64_t second) const noexcept {
  Counts sum;
  for (std::uint64_t back = 1; back < kWindowSeconds && back <= second; ++back) {
    const std::uint64_t earlier = second - back;
    const Counts counts =
        counts_of(slots_[earlier % kSlots].load(std::memory_order_relaxed), earlier);
    sum.requests += counts.requests;
    sum.retries += counts.retries;
  }
  return sum;
}

bool RetryBudget::allows(Counts before, Counts now) const noexcept {
  if (now.retries >= kCountMax) return false;
  if (now.retries < min_per_second_) return true;
  const std::uint64_t retries = before.retries + now.retries + 1;
  return retries * kMillion <= (before.requests + now.requests) * per_million_;
}

bool RetryBudget::take(TimePoint now) noexcept {
  const std::uint64_t second = second_of(now);
  const Counts before = window_before(second);
  Slot& slot = slots_[second % kSlots];
  std::uint64_t seen = slot.load(std::memory_order_relaxed);
  for (;;) {
    Counts counts = counts_of(seen, second);
    if (!allows(before, counts)) return false;
    ++counts.retries;
    if (slot.compare_exchange_weak(seen, word_of(counts, second), std::memory_order_relaxed))
      return true;
  }
}

}  // namespace millrace::client
