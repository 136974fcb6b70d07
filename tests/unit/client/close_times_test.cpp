#include "client/close_times.hpp"

#include <chrono>

#include <gtest/gtest.h>

namespace millrace::client {
namespace {

using namespace std::chrono_literals;

TEST(CloseTimesTest, WithoutExperienceTheDefaultCounts) {
  EXPECT_EQ(CloseTimes().limit(4s), 4s);
  EXPECT_LT(CloseTimes().longest(), 0s);
}

TEST(CloseTimesTest, TheSafePartKeepsATenthAndHalfASecondAndIsAtLeastHalf) {
  EXPECT_EQ(CloseTimes::safe_part(60s), 54s);
  EXPECT_EQ(CloseTimes::safe_part(5s), 4500ms);
  EXPECT_EQ(CloseTimes::safe_part(2s), 1500ms);
  EXPECT_EQ(CloseTimes::safe_part(1s), 500ms);
  EXPECT_EQ(CloseTimes::safe_part(500ms), 250ms);
}

TEST(CloseTimesTest, WhatWasSeenCountsWhetherLongerOrShorter) {
  CloseTimes gunicorn;
  gunicorn.closed_after(2s);
  EXPECT_EQ(gunicorn.limit(4s), 1500ms);
  CloseTimes nginx;
  nginx.closed_after(75s);
  EXPECT_EQ(nginx.limit(4s), 67500ms);
}

TEST(CloseTimesTest, AnOpenConnectionIsALowerBound) {
  CloseTimes times;
  times.open_after(10ms);
  EXPECT_EQ(times.limit(1s), 1s);
  times.open_after(15s);
  EXPECT_EQ(times.limit(1s), 13500ms);
  EXPECT_EQ(times.longest(), 15s);
}

TEST(CloseTimesTest, ARestartIsForgottenAfterAFewOthers) {
  CloseTimes times;
  times.closed_after(5s);
  times.closed_after(100ms);
  EXPECT_EQ(times.limit(4s), 50ms);
  for (int i = 0; i < 3; ++i) times.closed_after(5s);
  EXPECT_EQ(times.limit(4s), 50ms);
  times.closed_after(5s);
  EXPECT_EQ(times.limit(4s), 4500ms);
}

// nginx closes after 75 s, which is never waited for.
TEST(CloseTimesTest, ARestartIsForgottenWhereConnectionsAreKeptLong) {
  CloseTimes times;
  for (int i = 0; i < 4; ++i) times.closed_after(100ms);
  for (int i = 0; i < 4; ++i) times.open_after(15s);
  EXPECT_EQ(times.limit(4s), 13500ms);
}

}  // namespace
}  // namespace millrace::client
