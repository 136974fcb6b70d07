#include "compute/sqrt_sum.hpp"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::compute {
namespace {

SqrtSum sum(std::uint64_t n, std::uint64_t tasks = 1, Simd simd = best_simd()) {
  SqrtSum total;
  // Backwards: the order must not matter.
  for (std::uint64_t i = tasks; i-- > 0;) {
    const auto part = sqrt_sum(sqrt_sum_part(n, tasks, i), {}, simd);
    EXPECT_TRUE(part);
    if (part) total.add(*part);
  }
  return total;
}

/// Euler-Maclaurin: zeta(-1/2) + 2/3 n^(3/2) - 1/2 n^(1/2) + 1/24 n^(-1/2) - ...
long double formula(std::uint64_t n) {
  const long double x = static_cast<long double>(n);
  const long double root = std::sqrt(x);
  return -0.207886224977354566017L + 2 * x * root / 3 - root / 2 + 1 / (24 * root) -
         1 / (1920 * x * x * root);
}

TEST(SqrtSumTest, SmallSums) {
  EXPECT_EQ(sum(0).value(), 0);
  EXPECT_EQ(sum(1).value(), 0);
  EXPECT_EQ(sum(2).value(), 1);
  EXPECT_DOUBLE_EQ(sum(5).value(), 1 + std::sqrt(2.0) + std::sqrt(3.0) + 2);
}

TEST(SqrtSumTest, IsTheTrueSumToThirteenDigits) {
  for (const std::uint64_t n : {100u, 4095u, 4096u, 4097u, 1'000'000u, 100'000'000u}) {
    const auto expected = static_cast<double>(formula(n));
    EXPECT_NEAR(sum(n).value() / expected, 1, 1e-13) << n;
  }
}

TEST(SqrtSumTest, DoesNotDependOnTasksOrInstructions) {
  const std::uint64_t n = 1'234'567;
  const SqrtSum expected = sum(n);
  for (const Simd simd : {Simd::kPortable, Simd::kSse2, Simd::kAvx2}) {
    if (!supported(simd)) continue;
    for (const std::uint64_t tasks : {1u, 2u, 3u, 7u, 64u, 1000u, 5000u}) {
      ASSERT_EQ(sum(n, tasks, simd), expected) << tasks << ' ' << static_cast<int>(simd);
    }
  }
}

TEST(SqrtSumTest, PartsCoverTheRangeOnce) {
  for (const std::uint64_t n : {0u, 1u, 4096u, 4097u, 100'000u}) {
    for (const std::uint64_t tasks : {1u, 2u, 5u, 100u}) {
      std::uint64_t at = 0;
      for (std::uint64_t i = 0; i < tasks; ++i) {
        const IndexRange part = sqrt_sum_part(n, tasks, i);
        if (part.begin == part.end) continue;
        ASSERT_EQ(part.begin, at);
        at = part.end;
      }
      ASSERT_EQ(at, n);
    }
  }
}

struct CountedToken {
  mutable int left;
  bool cancelled() const noexcept { return left-- <= 0; }
};

TEST(SqrtSumTest, CancelsAtOnceAndInTheMiddle) {
  const CountedToken now{0};
  EXPECT_EQ(sqrt_sum({0, 1'000'000}, now).error(), Error(Errc::kCancelled));
  const CountedToken later{2};
  EXPECT_EQ(sqrt_sum({0, 1'000'000}, later).error(), Error(Errc::kCancelled));
  const CountedToken never{1'000'000};
  EXPECT_TRUE(sqrt_sum({0, 1'000'000}, never));
  // At least once per 2^18 roots.
  EXPECT_GE(1'000'000 - never.left, 1'000'000 / (1 << 18));
}

TEST(SqrtSumTest, RefusesWhatItCannotHold) {
  const CountedToken now{0};
  EXPECT_EQ(sqrt_sum({0, kSqrtSumMax + 1}, now).error(), Error(Errc::kBadParameter));
  EXPECT_EQ(sqrt_sum({0, kSqrtSumMax}, now).error(), Error(Errc::kCancelled));
  const auto last = sqrt_sum({kSqrtSumMax - 4096, kSqrtSumMax}, {});
  ASSERT_TRUE(last);
  EXPECT_NEAR(last->value() / (4096 * std::sqrt(static_cast<double>(kSqrtSumMax))), 1, 1e-8);
}

}  // namespace
}  // namespace millrace::compute
