// The sum of sqrt(i) for i < n: the CPU-bound yardstick, split over tasks.
//
// The answer does not depend on the number of tasks, their order or the instruction set: blocks of
// fixed size are summed in a fixed order (square roots are correctly rounded everywhere), and block
// sums are added as 128-bit fixed-point numbers, exactly. The error against the true sum is below
// 1e-13 of it.
#pragma once

#include "base/cancel_check.hpp"
#include "base/error.hpp"
#include "compute/text_scan.hpp"

#include <cstdint>

namespace millrace::compute {

/// At a nanosecond a root this is a quarter of an hour; the fixed-point sum would hold it 16 times.
inline constexpr std::uint64_t kSqrtSumMax = std::uint64_t{1} << 40;

/// A partial sum. Adding is exact, so order does not matter.
class SqrtSum {
 public:
  /// `block` is finite, not negative and below 2^63.
  void add(double block) noexcept;
  void add(const SqrtSum& other) noexcept { fixed_ += other.fixed_; }
  [[nodiscard]] double value() const noexcept;
  friend bool operator==(const SqrtSum&, const SqrtSum&) = default;

 private:
  __extension__ using Fixed = unsigned __int128;
  Fixed fixed_ = 0;  ///< 64 bits after the point
};

struct IndexRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;  ///< exclusive; equal to begin: nothing to do
};

/// Part `index` of `tasks` (at least 1) of [0, n), cut at whole blocks. The parts differ by at most
/// one block.
[[nodiscard]] IndexRange sqrt_sum_part(std::uint64_t n, std::uint64_t tasks,
                                       std::uint64_t index) noexcept;

/// The sum over a range from sqrt_sum_part. Asks `cancel` at least once a millisecond (about every
/// 2^18 roots). kBadParameter when the range's end is over kSqrtSumMax; kCancelled. Thread rule:
/// pure.
[[nodiscard]] Result<SqrtSum> sqrt_sum(IndexRange range, CancelCheck cancel,
                                       Simd simd = best_simd());

}  // namespace millrace::compute
