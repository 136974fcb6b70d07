#include "compute/sqrt_sum.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace millrace::compute {
namespace {

constexpr std::uint64_t kBlock = 4096;
constexpr std::uint64_t kBlocksPerCheck = 64;
constexpr std::size_t kLanes = 8;

using Lanes = std::array<double, kLanes>;
using BlockSum = Lanes (*)(double first) noexcept;

/// Lane i adds up the roots of first + i, first + i + 8, ... Every version below rounds alike: each
/// lane's additions happen in the same order, without fused operations.
Lanes portable_block(double first) noexcept {
  Lanes sums{};
  for (std::uint64_t i = 0; i < kBlock; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      sums[lane] += std::sqrt(first + static_cast<double>(i + lane));
    }
  }
  return sums;
}

#if defined(__x86_64__)

Lanes sse2_block(double first) noexcept {
  constexpr std::size_t kRegs = 4;
  __m128d sum[kRegs] = {};
  __m128d x[kRegs];
  for (std::size_t r = 0; r < kRegs; ++r) {
    const double low = first + 2 * static_cast<double>(r);
    x[r] = _mm_set_pd(low + 1, low);
  }
  const __m128d step = _mm_set1_pd(static_cast<double>(kLanes));
  for (std::uint64_t i = 0; i < kBlock; i += kLanes) {
    for (std::size_t r = 0; r < kRegs; ++r) {
      sum[r] = _mm_add_pd(sum[r], _mm_sqrt_pd(x[r]));
      x[r] = _mm_add_pd(x[r], step);
    }
  }
  Lanes sums;
  for (std::size_t r = 0; r < kRegs; ++r) _mm_storeu_pd(sums.data() + 2 * r, sum[r]);
  return sums;
}

[[gnu::target("avx2")]] Lanes avx2_block(double first) noexcept {
  __m256d low = _mm256_setzero_pd();
  __m256d high = _mm256_setzero_pd();
  __m256d x = _mm256_set_pd(first + 3, first + 2, first + 1, first);
  __m256d y = _mm256_add_pd(x, _mm256_set1_pd(4));
  const __m256d step = _mm256_set1_pd(static_cast<double>(kLanes));
  for (std::uint64_t i = 0; i < kBlock; i += kLanes) {
    low = _mm256_add_pd(low, _mm256_sqrt_pd(x));
    high = _mm256_add_pd(high, _mm256_sqrt_pd(y));
    x = _mm256_add_pd(x, step);
    y = _mm256_add_pd(y, step);
  }
  Lanes sums;
  _mm256_storeu_pd(sums.data(), low);
  _mm256_storeu_pd(sums.data() + 4, high);
  return sums;
}

BlockSum block_sum(Simd simd) noexcept {
  if (simd == Simd::kAvx2) return avx2_block;
  return simd == Simd::kSse2 ? sse2_block : portable_block;
}

#else

BlockSum block_sum(Simd) noexcept {
  return portable_block;
}

#endif

double total(const Lanes& s) noexcept {
  return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

/// The end of [0, n), less than a block; also in eight lanes, so that it does not depend on
/// anything else.
double rest(std::uint64_t begin, std::uint64_t end) noexcept {
  Lanes sums{};
  for (std::uint64_t i = begin; i < end; ++i) {
    sums[i % kLanes] += std::sqrt(static_cast<double>(i));
  }
  return total(sums);
}

}  // namespace

void SqrtSum::add(double block) noexcept {
  const double whole = std::floor(block);
  // Exact: a double of 1 or more has no bit below 2^-52, and sums of roots are 0 or at least 1.
  const auto fraction = static_cast<std::uint64_t>(std::ldexp(block - whole, 64));
  fixed_ += static_cast<Fixed>(static_cast<std::uint64_t>(whole)) << 64 | fraction;
}

double SqrtSum::value() const noexcept {
  const auto whole = static_cast<std::uint64_t>(fixed_ >> 64);
  const auto fraction = static_cast<std::uint64_t>(fixed_);
  return static_cast<double>(whole) + std::ldexp(static_cast<double>(fraction), -64);
}

IndexRange sqrt_sum_part(std::uint64_t n, std::uint64_t tasks, std::uint64_t index) noexcept {
  const std::uint64_t blocks = n / kBlock + (n % kBlock != 0 ? 1 : 0);
  const std::uint64_t each = blocks / tasks;
  const std::uint64_t more = blocks % tasks;
  const std::uint64_t begin = index * each + std::min(index, more);
  const std::uint64_t count = each + (index < more ? 1 : 0);
  return {std::min(begin * kBlock, n), std::min((begin + count) * kBlock, n)};
}

Result<SqrtSum> sqrt_sum(IndexRange range, CancelCheck cancel, Simd simd) {
  if (range.end > kSqrtSumMax) return fail(Errc::kBadParameter);
  const BlockSum block = block_sum(simd);
  SqrtSum sum;
  std::uint64_t until_check = 0;
  for (std::uint64_t i = range.begin; i < range.end; i += kBlock) {
    if (until_check-- == 0) {
      if (cancel.cancelled()) return fail(Errc::kCancelled);
      until_check = kBlocksPerCheck - 1;
    }
    const bool whole = range.end - i >= kBlock;
    sum.add(whole ? total(block(static_cast<double>(i))) : rest(i, range.end));
  }
  return sum;
}

}  // namespace millrace::compute
