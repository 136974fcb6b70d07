#include "proxy/outlier.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace millrace::proxy {
namespace {

using namespace std::chrono_literals;
using Reason = OutlierDetector::Reason;
using Sample = OutlierDetector::Sample;

class Outliers : public ::testing::Test {
 protected:
  explicit Outliers(std::size_t size = 4) {
    for (std::uint64_t i = 1; i <= size; ++i) samples.push_back({.id = i});
  }
  void resize(std::size_t size) {
    samples.clear();
    for (std::uint64_t i = 1; i <= size; ++i) samples.push_back({.id = i});
  }
  /// How long it is ejected for; 0: it is not.
  Duration suspect(std::uint64_t id) {
    const auto change = detector.suspect(id, samples, now);
    return change ? change->lasts : Duration{};
  }
  std::vector<OutlierDetector::Change> tick(Duration later) {
    now += later;
    return detector.tick(samples, now);
  }
  /// Requests and failures of this interval.
  void add(std::size_t index, std::uint64_t judged, std::uint64_t failures) {
    samples[index].judged += judged;
    samples[index].failures += failures;
  }

  OutlierDetector detector{{}};
  std::vector<Sample> samples;
  TimePoint now = TimePoint(1h);
};

TEST_F(Outliers, FailuresInARowEjectForAWhile) {
  EXPECT_EQ(suspect(1), 10s);
  EXPECT_TRUE(detector.ejected(1));
  EXPECT_TRUE(tick(9'999ms).empty());
  const auto changes = tick(1ms);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].id, 1u);
  EXPECT_EQ(changes[0].reason, Reason::kNone);
  EXPECT_FALSE(detector.ejected(1));
}

TEST_F(Outliers, TheOnlyTargetIsNeverEjected) {
  resize(1);
  EXPECT_EQ(suspect(1), 0s);
  resize(2);
  EXPECT_EQ(suspect(1), 10s);
}

TEST_F(Outliers, NotMoreThanTheShareButOneAlways) {
  EXPECT_EQ(suspect(1), 10s);
  EXPECT_EQ(suspect(2), 10s);
  EXPECT_EQ(suspect(3), 0s);  // 50 % of 4
  OutlierDetector few({.ejected_percent_max = 10});
  EXPECT_TRUE(few.suspect(1, samples, now));
  EXPECT_FALSE(few.suspect(2, samples, now));
  OutlierDetector nobody({.ejected_percent_max = 0});
  EXPECT_FALSE(nobody.suspect(1, samples, now));
  OutlierDetector everybody({.ejected_percent_max = 100});
  for (std::uint64_t id = 1; id <= 3; ++id) EXPECT_TRUE(everybody.suspect(id, samples, now));
  EXPECT_FALSE(everybody.suspect(4, samples, now)) << "the last one that is well";
}

TEST_F(Outliers, NeverTheLastOneThatIsWell) {
  samples[1].well = samples[2].well = samples[3].well = false;
  EXPECT_EQ(suspect(1), 0s);
  samples[3].well = true;
  EXPECT_EQ(suspect(1), 10s);
}

TEST_F(Outliers, EachEjectionIsLongerUpToALimit) {
  for (const Duration lasts : {10s, 20s, 30s}) {
    EXPECT_EQ(suspect(1), lasts);
    (void)tick(lasts);  // back, in the interval of its ejection
  }
  OutlierDetector capped({.eject = 10s, .eject_max = 15s});
  TimePoint t = now;
  for (const Duration lasts : {10s, 15s, 15s}) {
    EXPECT_EQ(capped.suspect(1, samples, t)->lasts, lasts);
    t += lasts;
    (void)capped.tick(samples, t);
  }
}

TEST_F(Outliers, GoodIntervalsAreRewarded) {
  (void)tick(0s);  // intervals end at 10 s, 20 s...
  EXPECT_EQ(suspect(1), 10s);
  (void)tick(10s);  // back; that interval was not clean, and the next one began
  (void)tick(10s);
  (void)tick(10s);
  EXPECT_EQ(suspect(1), 10s) << "as if for the first time";
}

class Rates : public Outliers {
 protected:
  Rates() { detector.set_options({.error_percent = 50, .requests_min = 20}); }
  void SetUp() override { (void)tick(0s); }
};

TEST_F(Rates, ShareOfFailures) {
  add(0, 20, 10);
  for (std::size_t i : {1, 2, 3}) add(i, 20, 0);
  const auto changes = tick(10s);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].id, 1u);
  EXPECT_EQ(changes[0].reason, Reason::kErrorRate);
}

TEST_F(Rates, JustUnderTheLimitIsFine) {
  add(0, 100, 49);
  add(1, 100, 0);
  EXPECT_TRUE(tick(10s).empty());
}

TEST_F(Rates, TooFewRequestsSayNothing) {
  add(0, 19, 19);
  add(1, 20, 0);
  EXPECT_TRUE(tick(10s).empty());
}

TEST_F(Rates, WhenEverybodyFailsItIsNotTheTarget) {
  add(0, 100, 60);
  for (std::size_t i : {1, 2, 3}) add(i, 100, 30);
  EXPECT_TRUE(tick(10s).empty());  // twice that of the others, not more
  add(0, 100, 61);
  for (std::size_t i : {1, 2, 3}) add(i, 100, 30);
  EXPECT_EQ(tick(10s).size(), 1u);
}

TEST_F(Rates, EachIntervalCountsForItself) {
  for (std::size_t i : {0, 1}) add(i, 1000, 0);
  EXPECT_TRUE(tick(10s).empty());
  add(0, 20, 20);
  add(1, 20, 0);
  EXPECT_TRUE(tick(9s).empty());
  EXPECT_EQ(tick(1s).size(), 1u);
}

TEST_F(Outliers, Slowness) {
  detector.set_options({.slow_factor = 5, .requests_min = 20});
  (void)tick(0s);
  const auto answer_in = [&](std::initializer_list<std::uint32_t> micros) {
    std::size_t i = 0;
    for (const std::uint32_t us : micros) {
      samples[i].latency_us = us;
      add(i++, 20, 0);
    }
    return tick(10s);
  };
  EXPECT_TRUE(answer_in({4'999, 1'000, 1'000, 9'00}).empty());
  const auto changes = answer_in({5'000, 1'000, 1'000, 900});
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].id, 1u);
  EXPECT_EQ(changes[0].reason, Reason::kLatency);
}

TEST_F(Outliers, WhoIsGoneIsForgotten) {
  EXPECT_EQ(suspect(1), 10s);
  samples.erase(samples.begin());
  (void)tick(1s);
  EXPECT_FALSE(detector.anybody_ejected());
  EXPECT_FALSE(detector.suspect(1, samples, now)->lasts == 0s);
}

}  // namespace
}  // namespace millrace::proxy
