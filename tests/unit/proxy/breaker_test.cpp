#include "proxy/breaker.hpp"

#include "proxy/health_counter.hpp"

#include <string>

#include <gtest/gtest.h>

namespace millrace::proxy {
namespace {

using namespace std::chrono_literals;
using Admission = Breaker::Admission;
using State = Breaker::State;

class BreakerTest : public ::testing::Test {
 protected:
  BreakerTest() { breaker.configure({.failures = 3, .open = 10s}); }
  void fail(int times) {
    for (int i = 0; i < times; ++i) breaker.report(Outcome::kBad, false, now);
  }

  Breaker breaker;
  TimePoint now = TimePoint(1h);
};

TEST_F(BreakerTest, OffItNeverOpens) {
  breaker.configure({.failures = 0});
  fail(1000);
  EXPECT_EQ(breaker.admit(now), Admission::kGoes);
}

TEST_F(BreakerTest, OpensAfterSoManyInARow) {
  fail(2);
  breaker.report(Outcome::kGood, false, now);
  fail(2);
  breaker.report(Outcome::kNeither, false, now);
  EXPECT_EQ(breaker.admit(now), Admission::kGoes);
  fail(1);
  EXPECT_EQ(breaker.admit(now), Admission::kRefused);
  EXPECT_EQ(breaker.state(), State::kOpen);
  EXPECT_EQ(breaker.opened(), 1u);
}

TEST_F(BreakerTest, OneAtATimeMayProbe) {
  fail(3);
  EXPECT_EQ(breaker.admit(now + 9'999ms), Admission::kRefused);
  EXPECT_EQ(breaker.admit(now + 10s), Admission::kProbes);
  EXPECT_EQ(breaker.state(), State::kHalfOpen);
  EXPECT_EQ(breaker.admit(now + 20s), Admission::kRefused);
}

TEST_F(BreakerTest, AGoodProbeCloses) {
  fail(3);
  now += 10s;
  ASSERT_EQ(breaker.admit(now), Admission::kProbes);
  breaker.report(Outcome::kGood, true, now);
  EXPECT_EQ(breaker.state(), State::kClosed);
  fail(2);
  EXPECT_EQ(breaker.admit(now), Admission::kGoes);
}

TEST_F(BreakerTest, ABadProbeOpensAgain) {
  fail(3);
  now += 10s;
  ASSERT_EQ(breaker.admit(now), Admission::kProbes);
  breaker.report(Outcome::kBad, true, now);
  EXPECT_EQ(breaker.admit(now + 9'999ms), Admission::kRefused);
  EXPECT_EQ(breaker.admit(now + 10s), Admission::kProbes);
  EXPECT_EQ(breaker.opened(), 2u);
}

TEST_F(BreakerTest, AProbeThatSaysNothingLeavesItsPlace) {
  fail(3);
  now += 10s;
  ASSERT_EQ(breaker.admit(now), Admission::kProbes);
  breaker.report(Outcome::kNeither, true, now);
  EXPECT_EQ(breaker.admit(now), Admission::kProbes);
}

TEST_F(BreakerTest, WhatWasBegunBeforeSaysNothingNew) {
  fail(3);
  breaker.report(Outcome::kGood, false, now);
  fail(5);
  EXPECT_EQ(breaker.state(), State::kOpen);
  EXPECT_EQ(breaker.opened(), 1u);
}

TEST_F(BreakerTest, SwitchedOffItCloses) {
  fail(3);
  breaker.configure({.failures = 0});
  EXPECT_EQ(breaker.admit(now), Admission::kGoes);
}

// --- a row of active checks ---

/// "+": passed, "-": failed; the verdicts as "U" (up) and "D".
std::string verdicts(std::string_view checks, HealthCounter::Options options) {
  HealthCounter counter;
  std::string out;
  for (const char c : checks) out += counter.check(c == '+', options) ? 'U' : 'D';
  return out;
}

TEST(HealthCounterTest, TheFirstCheckDecides) {
  EXPECT_EQ(verdicts("-", {}), "D");
  EXPECT_EQ(verdicts("+", {}), "U");
}

TEST(HealthCounterTest, ThresholdsAreInARow) {
  EXPECT_EQ(verdicts("+--+---", {.healthy = 2, .unhealthy = 3}), "UUUUUUD");
  EXPECT_EQ(verdicts("-+-++", {.healthy = 2, .unhealthy = 3}), "DDDDU");
  EXPECT_EQ(verdicts("+-+-", {.healthy = 1, .unhealthy = 1}), "UDUD");
}

}  // namespace
}  // namespace millrace::proxy
