#include "client/latency_window.hpp"

#include <chrono>
#include <optional>

#include <gtest/gtest.h>

namespace millrace::test {
namespace {

using namespace std::chrono_literals;
using client::LatencyWindow;

constexpr TimePoint kStart{1000s};

void observe(LatencyWindow& window, int count, Duration latency, TimePoint now = kStart) {
  for (int i = 0; i < count; ++i) window.observe(latency, now);
}

TEST(LatencyWindow, KnowsNothingBeforeTwentyObservations) {
  LatencyWindow window;
  EXPECT_EQ(window.quantile(0.95, kStart), std::nullopt);
  observe(window, 19, 10ms);
  EXPECT_EQ(window.quantile(0.95, kStart), std::nullopt);
  observe(window, 1, 10ms);
  EXPECT_NE(window.quantile(0.95, kStart), std::nullopt);
}

TEST(LatencyWindow, IsAtMostAnEighthTooHigh) {
  for (Duration latency = 1us; latency < 100s; latency = latency * 5 / 4 + 1us) {
    LatencyWindow window;
    observe(window, 20, latency);
    const Duration found = window.quantile(0.95, kStart).value();
    EXPECT_GE(found, latency);
    EXPECT_LE(found, latency * 9 / 8 + 1us);
  }
}

TEST(LatencyWindow, FindsTheTail) {
  LatencyWindow window;
  observe(window, 95, 10ms);
  observe(window, 5, 1s);
  EXPECT_LT(window.quantile(0.95, kStart).value(), 12ms);
  EXPECT_GE(window.quantile(0.96, kStart).value(), 1s);
  EXPECT_LT(window.quantile(0.0, kStart).value(), 12ms);
  EXPECT_GE(window.quantile(1.0, kStart).value(), 1s);
}

TEST(LatencyWindow, WhatIsOldFades) {
  LatencyWindow window;
  observe(window, 100, 1s);
  const TimePoint later = kStart + 3 * LatencyWindow::kHalfLife;
  observe(window, 200, 10ms, later - 1ms);
  EXPECT_GE(window.quantile(0.95, later - 1ms).value(), 1s);  // 25 of 225
  EXPECT_GE(window.quantile(0.95, later).value(), 1s);        // 12.5 of 112.5
  observe(window, 200, 10ms, later);
  EXPECT_LT(window.quantile(0.95, later).value(), 12ms);  // 12.5 of 312.5
}

TEST(LatencyWindow, TheTailFadesWithTheRest) {
  LatencyWindow window;
  for (int i = 0; i < 10; ++i) window.observe(1s + i * 200ms, kStart);
  observe(window, 90, 10ms);
  EXPECT_GE(window.quantile(0.95, kStart + LatencyWindow::kHalfLife).value(), 1s);
  EXPECT_GE(window.quantile(0.95, kStart + 2 * LatencyWindow::kHalfLife).value(), 1s);
  EXPECT_EQ(window.quantile(0.95, kStart + 3 * LatencyWindow::kHalfLife), std::nullopt);
}

TEST(LatencyWindow, ForgetsWhenNobodyAsks) {
  LatencyWindow window;
  observe(window, 1000, 10ms);
  EXPECT_EQ(window.quantile(0.95, kStart + 24h * 365), std::nullopt);
  observe(window, 20, 1ms, kStart + 24h * 365);
  EXPECT_LT(window.quantile(0.95, kStart + 24h * 365).value(), 2ms);
}

TEST(LatencyWindow, TakesWhatIsOutOfItsRange) {
  LatencyWindow window;
  observe(window, 20, -5s);
  EXPECT_EQ(window.quantile(0.95, kStart), 1us);
  LatencyWindow slow;
  observe(slow, 20, Duration::max());
  EXPECT_GT(slow.quantile(0.95, kStart).value(), 2min);
}

TEST(LatencyWindow, CountsDoNotOverflow) {
  LatencyWindow window;
  observe(window, 10'000'000, 10ms);
  observe(window, 1, 1s);
  const Duration found = window.quantile(0.95, kStart).value();
  EXPECT_GE(found, 10ms);
  EXPECT_LT(found, 12ms);
}

}  // namespace
}  // namespace millrace::test
