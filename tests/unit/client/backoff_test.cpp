#include "client/backoff.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

#include <gtest/gtest.h>

namespace millrace::test {
namespace {

using namespace std::chrono_literals;
using client::Backoff;
using client::retry_after;

TEST(Backoff, DoublesUpToItsMaximum) {
  const Backoff backoff{.base = 25ms, .max = 250ms};
  EXPECT_EQ(backoff.bound(0), 25ms);
  EXPECT_EQ(backoff.bound(1), 50ms);
  EXPECT_EQ(backoff.bound(3), 200ms);
  EXPECT_EQ(backoff.bound(4), 250ms);
  EXPECT_EQ(backoff.bound(1000), 250ms);
}

TEST(Backoff, DoesNotOverflow) {
  const Backoff backoff{.base = 1s, .max = Duration::max()};
  EXPECT_EQ(backoff.bound(UINT32_MAX), Duration::max());
  EXPECT_GE(backoff.wait(UINT32_MAX, UINT64_MAX), Duration::zero());
}

TEST(Backoff, SpreadsOverTheWholeInterval) {
  const Backoff backoff{.base = 25ms, .max = 250ms};
  const auto bound = static_cast<std::uint64_t>(Duration(50ms).count());
  EXPECT_EQ(backoff.wait(1, 0), 0ms);
  EXPECT_EQ(backoff.wait(1, bound), 50ms);
  EXPECT_EQ(backoff.wait(1, bound + 1), 0ms);
  Duration least = Duration::max();
  Duration most{};
  for (int i = 0; i < 1000; ++i) {
    const Duration wait = backoff.wait(1, client::thread_random());
    least = std::min(least, wait);
    most = std::max(most, wait);
  }
  EXPECT_GE(least, 0ms);
  EXPECT_LT(least, 5ms);
  EXPECT_GT(most, 45ms);
  EXPECT_LE(most, 50ms);
}

TEST(Backoff, OfNothingIsNothing) {
  EXPECT_EQ((Backoff{.base = 0ms, .max = 0ms}.wait(3, 12345)), 0ms);
  EXPECT_EQ((Backoff{.base = 10ms, .max = 0ms}.wait(3, 12345)), 0ms);
}

// Sun, 06 Nov 1994 08:49:37 GMT
constexpr std::chrono::sys_seconds kThen{784111777s};

TEST(RetryAfter, Seconds) {
  EXPECT_EQ(retry_after("0", kThen), 0s);
  EXPECT_EQ(retry_after(" 120 ", kThen), 120s);
  EXPECT_EQ(retry_after("86399", kThen), 86399s);
  EXPECT_EQ(retry_after("86401", kThen), client::kRetryAfterMax);
  EXPECT_EQ(retry_after("99999999999999999999999", kThen), client::kRetryAfterMax);
}

TEST(RetryAfter, Dates) {
  EXPECT_EQ(retry_after("Sun, 06 Nov 1994 08:49:47 GMT", kThen), 10s);
  EXPECT_EQ(retry_after("Sun Nov  6 08:50:37 1994", kThen), 60s);
  EXPECT_EQ(retry_after("Sun, 06 Nov 1994 08:49:27 GMT", kThen), 0s);
  EXPECT_EQ(retry_after("Sun, 06 Nov 2094 08:49:37 GMT", kThen), client::kRetryAfterMax);
}

TEST(RetryAfter, AnythingElseIsIgnored) {
  for (const char* text :
       {"", " ", "-1", "1.5", "1 2", "+3", "0x10", "soon", "5s", "Sun, 06 Nov 1994 08:49:37"})
    EXPECT_EQ(retry_after(text, kThen), std::nullopt) << text;
}

}  // namespace
}  // namespace millrace::test
