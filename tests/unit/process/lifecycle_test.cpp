#include "process/lifecycle.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::process {
namespace {

using namespace std::chrono_literals;
using Kind = Action::Kind;

/// In virtual time and without jitter.
class LifecycleTest : public testing::Test {
 protected:
  void make(Lifecycle::Policy policy) {
    life_.emplace(policy, [] { return 0.5; });
    life_->start(now_);
  }
  void make(unsigned workers) { make(Lifecycle::Policy{.workers = workers}); }

  /// What is to be done now.
  std::vector<Kind> kinds() {
    std::vector<Kind> out;
    for (const Action& a : actions()) out.push_back(a.kind);
    return out;
  }
  std::vector<Action> actions() {
    life_->advance(now_);
    auto taken = life_->take();
    for (const Action& a : taken)
      if (a.kind == Kind::kStart) last_ = a;
    return taken;
  }
  void pass(Duration d) { now_ += d; }
  unsigned starts() {
    const auto taken = kinds();
    return static_cast<unsigned>(std::ranges::count(taken, Kind::kStart));
  }
  /// The one started last serves, and has answered.
  InstanceId serve() {
    const InstanceId id = last_.id;
    life_->ready(id, true, now_);
    return id;
  }
  /// Nothing starts before `pause` has passed, then one does.
  void expect_start_after(Duration pause) {
    EXPECT_EQ(starts(), 0u);
    pass(pause - 1ms);
    EXPECT_EQ(starts(), 0u) << "too soon";
    EXPECT_EQ(life_->next(), now_ + 1ms);
    pass(1ms);
    EXPECT_EQ(starts(), 1u) << "not in time";
  }

  TimePoint now_ = TimePoint() + 1h;
  std::optional<Lifecycle> life_;
  Action last_{};
};

TEST_F(LifecycleTest, StartsAllSlotsAtOnce) {
  make(3);
  EXPECT_EQ(kinds(), (std::vector{Kind::kStart, Kind::kStart, Kind::kStart}));
}

TEST_F(LifecycleTest, FailuresAreWaitedForLongerAndLonger) {
  make(1);
  (void)starts();
  for (const Duration pause : {1s, 2s, 4s, 8s}) {
    life_->exited(last_.id, now_);
    EXPECT_FALSE(life_->circuit_open());
    expect_start_after(pause);
  }
}

TEST_F(LifecycleTest, TheFifthFailureOpensTheCircuit) {
  make(1);
  (void)starts();
  for (unsigned n = 1; n < kFailuresToOpen; ++n) {
    life_->exited(last_.id, now_);
    pass(16s);
    EXPECT_EQ(starts(), 1u);
  }
  EXPECT_FALSE(life_->circuit_open());
  life_->exited(last_.id, now_);
  EXPECT_TRUE(life_->circuit_open());
  EXPECT_EQ(kinds(), std::vector{Kind::kCircuitOpened});
  expect_start_after(16s);
  for (int probe = 0; probe < 3; ++probe) {
    life_->exited(last_.id, now_);
    expect_start_after(30s);
  }
}

TEST_F(LifecycleTest, AProbeThatAnswersClosesTheCircuit) {
  make(2);
  (void)starts();
  life_->exited(last_.id, now_);
  life_->exited(last_.id - 1, now_);
  for (unsigned n = 1; n < kFailuresToOpen; ++n) {
    pass(30s);
    EXPECT_EQ(starts(), 1u) << "one at a time";
    life_->exited(last_.id, now_);
  }
  ASSERT_TRUE(life_->circuit_open());
  pass(30s);
  (void)actions();
  life_->ready(last_.id, false, now_);
  EXPECT_TRUE(life_->circuit_open()) << "it has answered nobody yet";
  EXPECT_EQ(kinds(), std::vector{Kind::kServe});
  life_->answered(last_.id, now_);
  EXPECT_FALSE(life_->circuit_open());
  EXPECT_EQ(life_->failures(), 0u);
  EXPECT_EQ(kinds(), (std::vector{Kind::kCircuitClosed, Kind::kStart})) << "the other slot follows";
}

TEST_F(LifecycleTest, WhatStartsTogetherFailsTogether) {
  make(8);
  (void)starts();
  for (InstanceId id = 1; id <= 8; ++id) life_->exited(id, now_ + 5ms);
  EXPECT_EQ(life_->failures(), 1u);
  pass(5ms);
  expect_start_after(1s);
}

TEST_F(LifecycleTest, AfterAFailureTheOthersFollowTheFirstThatIsReady) {
  make(3);
  (void)starts();
  for (InstanceId id = 1; id <= 3; ++id) life_->exited(id, now_);
  expect_start_after(1s);
  life_->ready(last_.id, false, now_);
  EXPECT_EQ(starts(), 1u);
  life_->ready(last_.id, true, now_);
  EXPECT_EQ(starts(), 1u);
}

TEST_F(LifecycleTest, ReadyWithoutAnAnswerIsStillAFailure) {
  make(1);
  (void)starts();
  life_->ready(last_.id, false, now_);
  life_->exited(last_.id, now_);
  EXPECT_EQ(life_->failures(), 1u);
}

TEST_F(LifecycleTest, AQuietMinuteCountsLikeAnAnswer) {
  for (const bool long_enough : {false, true}) {
    make(1);
    (void)starts();
    life_->ready(last_.id, false, now_);
    pass(kSettled - (long_enough ? 0ms : 1ms));
    (void)actions();
    life_->exited(last_.id, now_);
    EXPECT_EQ(life_->failures(), long_enough ? 0u : 1u);
    EXPECT_EQ(starts(), long_enough ? 1u : 0u);
  }
}

TEST_F(LifecycleTest, WhoeverHasServedIsReplacedAtOnceThirtyTimesAMinute) {
  make(1);
  (void)starts();
  for (std::size_t n = 0; n < kReplacedPerMinuteMax; ++n) {
    serve();
    life_->exited(last_.id, now_);
    EXPECT_EQ(starts(), 1u) << n;
    pass(100ms);
  }
  serve();
  life_->exited(last_.id, now_);
  EXPECT_EQ(starts(), 0u);
  EXPECT_EQ(life_->failures(), 0u);
  expect_start_after(60s - 100ms * kReplacedPerMinuteMax);
}

TEST_F(LifecycleTest, NotReadyInTimeIsEndedAndAFailure) {
  make({.ready_timeout = 10s, .stop_timeout = 3s});
  (void)starts();
  pass(10s - 1ms);
  EXPECT_TRUE(kinds().empty());
  pass(1ms);
  EXPECT_EQ(kinds(), (std::vector{Kind::kNotReady, Kind::kTerminate}));
  EXPECT_EQ(life_->failures(), 1u);
  life_->ready(last_.id, true, now_);
  EXPECT_TRUE(kinds().empty()) << "too late";
  const InstanceId late = last_.id;
  pass(1s);
  EXPECT_EQ(starts(), 1u) << "the pause, not the end of the first, is waited for";
  pass(2s);
  const auto killed = actions();
  ASSERT_EQ(killed.size(), 1u);
  EXPECT_EQ(killed[0].kind, Kind::kKill);
  EXPECT_EQ(killed[0].id, late);
}

TEST_F(LifecycleTest, ARolloutReplacesOneAfterTheOther) {
  make(2);
  (void)starts();
  life_->ready(1, true, now_);
  life_->ready(2, true, now_);
  (void)actions();
  life_->roll_out(2, {.workers = 2}, now_);
  EXPECT_EQ(starts(), 1u);
  EXPECT_EQ(last_.index, 0u);
  EXPECT_EQ(last_.version, 2u);
  EXPECT_EQ(life_->find(1)->phase, Phase::kServing) << "until the new one is ready";
  life_->ready(last_.id, true, now_);
  EXPECT_EQ(kinds(), (std::vector{Kind::kServe, Kind::kWithdraw, Kind::kStart}));
  EXPECT_EQ(last_.index, 1u);
  life_->drained(1, now_);
  EXPECT_EQ(kinds(), std::vector{Kind::kTerminate});
  life_->exited(1, now_);
  life_->ready(last_.id, true, now_);
  EXPECT_EQ(kinds(), (std::vector{Kind::kServe, Kind::kWithdraw, Kind::kRolledOut}));
  EXPECT_EQ(life_->version(), 2u);
  EXPECT_FALSE(life_->rolling_out());
}

TEST_F(LifecycleTest, DrainingEndsAtItsDeadline) {
  make({.drain_timeout = 5s, .stop_timeout = 2s});
  (void)starts();
  serve();
  life_->roll_out(2, {.drain_timeout = 5s, .stop_timeout = 2s}, now_);
  (void)actions();
  serve();
  (void)actions();
  pass(5s - 1ms);
  EXPECT_TRUE(kinds().empty());
  pass(1ms);
  EXPECT_EQ(kinds(), std::vector{Kind::kTerminate});
  pass(2s);
  EXPECT_EQ(kinds(), std::vector{Kind::kKill});
}

TEST_F(LifecycleTest, AFailedRolloutKeepsTheOldOnes) {
  make(2);
  (void)starts();
  life_->ready(1, true, now_);
  life_->ready(2, true, now_);
  (void)actions();
  life_->roll_out(2, {.workers = 2}, now_);
  (void)actions();
  life_->exited(last_.id, now_);
  EXPECT_EQ(kinds(), std::vector{Kind::kRolloutFailed});
  EXPECT_EQ(life_->failures(), 0u);
  EXPECT_EQ(life_->version(), 1u);
  pass(1h);
  EXPECT_TRUE(kinds().empty()) << "it is not tried again by itself";
  life_->exited(1, now_);
  EXPECT_EQ(starts(), 1u);
  EXPECT_EQ(last_.version, 1u) << "what is lost is started as it was";
}

TEST_F(LifecycleTest, ARolloutThatIsNotReadyInTimeHasFailedToo) {
  make({.ready_timeout = 10s});
  (void)starts();
  const InstanceId old = serve();
  (void)actions();
  life_->roll_out(2, {.ready_timeout = 10s}, now_);
  (void)actions();
  pass(10s);
  EXPECT_EQ(kinds(), (std::vector{Kind::kNotReady, Kind::kTerminate, Kind::kRolloutFailed}));
  EXPECT_EQ(life_->find(old)->phase, Phase::kServing);
}

TEST_F(LifecycleTest, ARolloutOfWhatDoesNotServeIsANewBeginning) {
  make(1);
  (void)starts();
  life_->exited(last_.id, now_);
  life_->roll_out(2, {.workers = 2}, now_);
  EXPECT_EQ(starts(), 2u) << "at once";
  EXPECT_EQ(last_.version, 2u);
  EXPECT_EQ(life_->failures(), 0u);
}

TEST_F(LifecycleTest, WorkersComeAndGo) {
  make(1);
  (void)starts();
  serve();
  (void)actions();
  life_->roll_out(2, {.workers = 3}, now_);
  EXPECT_EQ(starts(), 1u) << "first the one that was there";
  serve();
  EXPECT_EQ(starts(), 2u);
  life_->ready(3, true, now_);
  life_->ready(4, true, now_);
  (void)actions();
  life_->roll_out(3, {.workers = 1}, now_);
  EXPECT_EQ(starts(), 1u);
  serve();
  const auto last = actions();
  EXPECT_EQ(std::ranges::count(last, Kind::kWithdraw, &Action::kind), 3) << "and the two surplus";
}

TEST_F(LifecycleTest, LostDuringARolloutIsStartedAsItWasAndReplacedThen) {
  make(2);
  (void)starts();
  life_->ready(1, true, now_);
  life_->ready(2, true, now_);
  life_->roll_out(2, {.workers = 2}, now_);
  (void)actions();
  const InstanceId first_new = last_.id;
  life_->exited(2, now_);
  EXPECT_EQ(starts(), 1u);
  EXPECT_EQ(last_.version, 1u);
  const InstanceId again = last_.id;
  life_->ready(first_new, true, now_);
  life_->ready(again, true, now_);
  EXPECT_EQ(starts(), 1u);
  EXPECT_EQ(last_.version, 2u);
  life_->ready(last_.id, true, now_);
  EXPECT_FALSE(life_->rolling_out());
}

TEST_F(LifecycleTest, RecyclesByAge) {
  make({.age = 100s});
  (void)starts();
  const InstanceId old = serve();
  (void)actions();
  pass(100s - 1ms);
  EXPECT_TRUE(kinds().empty());
  pass(1ms);
  EXPECT_EQ(starts(), 1u);
  EXPECT_EQ(last_.cause, Cause::kAge);
  serve();
  EXPECT_EQ(kinds(), (std::vector{Kind::kServe, Kind::kWithdraw}));
  EXPECT_EQ(life_->find(old)->phase, Phase::kDraining);
}

TEST_F(LifecycleTest, AgesDiffer) {
  double random = 0;
  Lifecycle life({.age = 100s}, [&] { return random; });
  life.start(now_);
  life.ready(1, true, now_);
  EXPECT_EQ(life.find(1)->recycle_at, now_ + 90s);
  random = 1;
  Lifecycle other({.age = 100s}, [&] { return random; });
  other.start(now_);
  other.ready(1, true, now_);
  EXPECT_EQ(other.find(1)->recycle_at, now_ + 110s);
}

TEST_F(LifecycleTest, RecyclingThatFailsIsTriedAgainWhileTheOldOneServes) {
  make(1);
  (void)starts();
  const InstanceId old = serve();
  (void)actions();
  life_->recycle(old, Cause::kRss, now_);
  EXPECT_EQ(starts(), 1u);
  life_->exited(last_.id, now_);
  expect_start_after(1s);
  EXPECT_EQ(life_->find(old)->phase, Phase::kServing);
  EXPECT_EQ(last_.cause, Cause::kRss);
}

TEST_F(LifecycleTest, OneThatHangsIsAbortedThenKilledAndReplacedAtOnce) {
  make(1);
  (void)starts();
  const InstanceId hung = serve();
  (void)actions();
  life_->hung(hung, now_);
  EXPECT_EQ(kinds(), (std::vector{Kind::kWithdraw, Kind::kAbort, Kind::kStart}));
  pass(kAbortGrace - 1ms);
  EXPECT_TRUE(kinds().empty());
  pass(1ms);
  EXPECT_EQ(kinds(), std::vector{Kind::kKill});
  life_->exited(hung, now_);
  EXPECT_EQ(life_->failures(), 0u);
}

TEST_F(LifecycleTest, OneThatListensNoLongerMayFinishAndIsReplacedAtOnce) {
  make({.drain_timeout = 3s, .stop_timeout = 4s});
  (void)starts();
  const InstanceId deaf = serve();
  (void)actions();
  life_->deaf(deaf, now_);
  EXPECT_EQ(kinds(), (std::vector{Kind::kWithdraw, Kind::kStart}));
  EXPECT_EQ(life_->find(deaf)->cause, Cause::kDeaf);
  life_->deaf(deaf, now_);
  EXPECT_TRUE(kinds().empty()) << "once";
  pass(3s);
  EXPECT_EQ(kinds(), std::vector{Kind::kTerminate});
  pass(4s);
  EXPECT_EQ(kinds(), std::vector{Kind::kKill});
  life_->exited(deaf, now_);
  EXPECT_EQ(life_->failures(), 0u);
}

TEST_F(LifecycleTest, OneThatListensNoLongerAndNeverAnsweredIsAFailure) {
  make(1);
  (void)starts();
  life_->ready(last_.id, false, now_);
  (void)actions();
  life_->deaf(last_.id, now_);
  EXPECT_EQ(life_->failures(), 1u);
  expect_start_after(1s);
}

TEST_F(LifecycleTest, StopsWithinItsTime) {
  make({.workers = 2, .stop_timeout = 4s});
  (void)starts();
  life_->ready(1, true, now_);
  (void)actions();
  life_->stop(false, now_);
  EXPECT_EQ(kinds(), (std::vector{Kind::kWithdraw, Kind::kTerminate, Kind::kTerminate}));
  life_->exited(1, now_);
  EXPECT_TRUE(kinds().empty()) << "nothing is replaced";
  pass(4s);
  EXPECT_EQ(kinds(), std::vector{Kind::kKill});
  life_->exited(2, now_);
  EXPECT_TRUE(life_->instances().empty());
  EXPECT_EQ(life_->next(), TimePoint::max());
}

TEST_F(LifecycleTest, RetiringLetsRequestsFinish) {
  make(1);
  (void)starts();
  const InstanceId id = serve();
  (void)actions();
  life_->stop(true, now_);
  EXPECT_EQ(kinds(), std::vector{Kind::kWithdraw});
  life_->drained(id, now_);
  EXPECT_EQ(kinds(), std::vector{Kind::kTerminate});
}

TEST_F(LifecycleTest, KillEndsEverythingAtOnce) {
  make(2);
  (void)starts();
  life_->ready(1, true, now_);
  (void)actions();
  life_->kill();
  EXPECT_EQ(kinds(), (std::vector{Kind::kWithdraw, Kind::kKill, Kind::kKill}));
}

TEST_F(LifecycleTest, WhatIsNotKnownIsHarmless) {
  make(1);
  (void)starts();
  for (const InstanceId id : {InstanceId{0}, InstanceId{99}}) {
    life_->ready(id, true, now_);
    life_->answered(id, now_);
    life_->drained(id, now_);
    life_->recycle(id, Cause::kRss, now_);
    life_->hung(id, now_);
    life_->deaf(id, now_);
    life_->exited(id, now_);
  }
  EXPECT_TRUE(kinds().empty());
}

TEST_F(LifecycleTest, PausesAreJittered) {
  double random = 0;
  Lifecycle life({}, [&] { return random; });
  life.start(now_);
  life.exited(1, now_);
  EXPECT_EQ(life.next_start(), now_ + 800ms);
  random = 1;
  life.advance(now_ + 1s);
  life.exited(2, now_ + 1s);
  EXPECT_EQ(life.next_start(), now_ + 1s + 2'400ms);
}

}  // namespace
}  // namespace millrace::process
