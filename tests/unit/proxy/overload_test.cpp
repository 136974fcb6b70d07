#include "proxy/overload.hpp"

#include <gtest/gtest.h>

namespace millrace::proxy {
namespace {

using namespace std::chrono_literals;

constexpr Overload::Options kOptions{.patience = 5s, .after = 2s, .timeout = 100ms};
constexpr TimePoint kStart{1h};

TEST(Overload, AnEmptyQueueIsNever) {
  const Overload overload(kOptions);
  EXPECT_FALSE(overload.is_on(kStart + 24h));
  EXPECT_EQ(overload.patience(kStart), 5s);
}

TEST(Overload, BeginsWhenTheQueueHasNotBeenEmptyForLong) {
  Overload overload(kOptions);
  overload.filled(kStart);
  EXPECT_FALSE(overload.is_on(kStart + 2s - 1ns));
  EXPECT_EQ(overload.patience(kStart + 2s - 1ns), 5s);
  EXPECT_TRUE(overload.is_on(kStart + 2s));
  EXPECT_EQ(overload.patience(kStart + 2s), 100ms);
}

TEST(Overload, OneEmptyMomentEndsIt) {
  Overload overload(kOptions);
  overload.filled(kStart);
  overload.emptied();
  EXPECT_FALSE(overload.is_on(kStart + 3s));
  overload.filled(kStart + 3s);
  EXPECT_FALSE(overload.is_on(kStart + 4s));
  EXPECT_TRUE(overload.is_on(kStart + 5s));
}

TEST(Overload, NeverMakesAnybodyWaitLonger) {
  Overload overload({.patience = 50ms, .after = 0s, .timeout = 100ms});
  overload.filled(kStart);
  EXPECT_EQ(overload.patience(kStart), 50ms);
}

TEST(Overload, CanBeOff) {
  Overload overload({.patience = 5s, .after = Duration::max(), .timeout = 1ms});
  overload.filled(kStart);
  EXPECT_FALSE(overload.is_on(kStart + 24h));
}

}  // namespace
}  // namespace millrace::proxy
