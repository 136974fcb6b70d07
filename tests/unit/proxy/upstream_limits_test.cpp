#include "proxy/upstream_limits.hpp"

#include <gtest/gtest.h>

namespace millrace::test {
namespace {

using proxy::UpstreamLimits;

TEST(UpstreamLimits, WhatIsUnderWayCountsUnderNewOnes) {
  UpstreamLimits limits({.admission = {.limit = 2}});
  const auto first = limits.admission.try_enter();
  const auto second = limits.admission.try_enter();
  limits.configure({.admission = {.limit = 3}});
  const auto third = limits.admission.try_enter();
  EXPECT_TRUE(third);
  EXPECT_FALSE(limits.admission.try_enter());
  EXPECT_EQ(limits.status().in_flight, 3u);
  limits.configure({.admission = {.limit = 1}});
  EXPECT_EQ(limits.status().limit, 1u);
  EXPECT_EQ(limits.status().in_flight, 3u);
}

TEST(UpstreamLimits, TargetsHaveNewOnesToo) {
  UpstreamLimits limits({.per_target = 1, .targets = 2});
  EXPECT_EQ(limits.status().limit, 2u);
  const auto target = limits.of_target("a");
  const auto first = target->try_enter();
  EXPECT_FALSE(target->try_enter());
  limits.configure({.per_target = 2});
  EXPECT_EQ(limits.of_target("a"), target);
  EXPECT_TRUE(target->try_enter());
  EXPECT_EQ(limits.status().limit, 4u) << "the targets are as many as before";
  limits.configure({.admission = {.limit = 7}});
  EXPECT_FALSE(limits.has_target_limits());
  EXPECT_EQ(limits.status().limit, 7u);
  EXPECT_TRUE(target->try_enter());
}

TEST(UpstreamLimits, TheBudgetToo) {
  UpstreamLimits limits({.budget = {.ratio = 0, .min_per_second = 0}});
  const TimePoint now = Clock::now();
  EXPECT_FALSE(limits.budget.take(now));
  limits.configure({.budget = {.ratio = 0, .min_per_second = 1}});
  EXPECT_TRUE(limits.budget.take(now));
  EXPECT_FALSE(limits.budget.take(now)) << "what was booked stays";
}

}  // namespace
}  // namespace millrace::test
