#include "runtime/deadline_wheel.hpp"

#include <functional>
#include <memory>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace millrace {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kStart = TimePoint(1000h);

struct Probe final : Deadline {
  int fired = 0;
  std::function<void()> then = [] {};
  void expired() noexcept override {
    ++fired;
    then();
  }
};

TEST(DeadlineWheel, FiresAtItsTickAndNeverEarly) {
  DeadlineWheel wheel(kStart);
  Probe probe;
  wheel.arm(probe, kStart + 250ms);
  wheel.advance(kStart + 249ms);
  EXPECT_EQ(probe.fired, 0);
  wheel.advance(kStart + 299ms);
  EXPECT_EQ(probe.fired, 0) << "its tick is not over";
  wheel.advance(kStart + 300ms);
  EXPECT_EQ(probe.fired, 1);
  EXPECT_FALSE(probe.armed());
  wheel.advance(kStart + 10s);
  EXPECT_EQ(probe.fired, 1);
}

TEST(DeadlineWheel, WhatIsPastFiresAtTheNextTick) {
  DeadlineWheel wheel(kStart);
  wheel.advance(kStart + 5s);
  Probe probe;
  wheel.arm(probe, kStart + 1s);
  wheel.advance(kStart + 5s + 99ms);
  EXPECT_EQ(probe.fired, 0);
  wheel.advance(kStart + 5s + 100ms);
  EXPECT_EQ(probe.fired, 1);
}

TEST(DeadlineWheel, DisarmedDoesNotFireAndMayBeArmedAgain) {
  DeadlineWheel wheel(kStart);
  Probe probe;
  wheel.arm(probe, kStart + 1s);
  probe.disarm();
  wheel.advance(kStart + 2s);
  EXPECT_EQ(probe.fired, 0);
  wheel.arm(probe, kStart + 3s);
  wheel.advance(kStart + 3s);
  EXPECT_EQ(probe.fired, 1);
}

TEST(DeadlineWheel, MovesLaterByAStore) {
  DeadlineWheel wheel(kStart);
  Probe probe;
  wheel.arm(probe, kStart + 1s);
  wheel.arm(probe, kStart + 2s);
  wheel.advance(kStart + 1999ms);
  EXPECT_EQ(probe.fired, 0);
  wheel.advance(kStart + 2s);
  EXPECT_EQ(probe.fired, 1);
}

TEST(DeadlineWheel, MovesEarlier) {
  DeadlineWheel wheel(kStart);
  Probe probe;
  wheel.arm(probe, kStart + 20s);
  wheel.arm(probe, kStart + 1s);
  wheel.advance(kStart + 1s);
  EXPECT_EQ(probe.fired, 1);
}

TEST(DeadlineWheel, HoldsDeadlinesBeyondOneTurn) {
  DeadlineWheel wheel(kStart);
  Probe probe;
  const TimePoint far = kStart + 1h;
  wheel.arm(probe, far);
  for (TimePoint t = kStart; t < far; t += DeadlineWheel::kTick) wheel.advance(t);
  EXPECT_EQ(probe.fired, 0);
  wheel.advance(far);
  EXPECT_EQ(probe.fired, 1);
}

TEST(DeadlineWheel, CatchesUpAfterALongStall) {
  DeadlineWheel wheel(kStart);
  std::vector<std::unique_ptr<Probe>> due;
  std::vector<std::unique_ptr<Probe>> later;
  for (int i = 1; i <= 2000; ++i) {
    due.push_back(std::make_unique<Probe>());
    wheel.arm(*due.back(), kStart + i * 90ms);
    later.push_back(std::make_unique<Probe>());
    wheel.arm(*later.back(), kStart + 10min + i * 90ms);
  }
  wheel.advance(kStart + 10min);
  for (const auto& p : due) EXPECT_EQ(p->fired, 1);
  for (const auto& p : later) EXPECT_EQ(p->fired, 0);
  wheel.advance(kStart + 20min);
  for (const auto& p : later) EXPECT_EQ(p->fired, 1);
}

TEST(DeadlineWheel, AnExpiredDeadlineMayArmItselfAndDestroyOthers) {
  DeadlineWheel wheel(kStart);
  Probe first;
  auto second = std::make_unique<Probe>();
  first.then = [&] {
    second.reset();
    if (first.fired < 3) wheel.arm(first, wheel.now() + 1s);
  };
  wheel.arm(first, kStart + 1s);
  wheel.arm(*second, kStart + 1s);
  for (TimePoint t = kStart; t <= kStart + 10s; t += 100ms) wheel.advance(t);
  EXPECT_EQ(first.fired, 3);
}

TEST(DeadlineWheel, TheClockNeverGoesBack) {
  DeadlineWheel wheel(kStart);
  wheel.advance(kStart + 5s);
  wheel.advance(kStart + 1s);
  EXPECT_EQ(wheel.now(), kStart + 5s);
}

TEST(DeadlineWheel, AnEndlessDurationIsNever) {
  DeadlineWheel wheel(kStart);
  Probe probe;
  wheel.arm(probe, after(kStart, Duration::max()));
  EXPECT_FALSE(probe.armed());
  wheel.arm(probe, after(kStart, Duration::max() - 1ns));
  EXPECT_FALSE(probe.armed());
}

TEST(DeadlineWheel, AgreesWithAPlainListUnderRandomUse) {
  std::mt19937 random(1);
  DeadlineWheel wheel(kStart);
  std::vector<std::unique_ptr<Probe>> probes(300);
  for (auto& p : probes) p = std::make_unique<Probe>();
  TimePoint now = kStart;
  for (int step = 0; step < 20'000; ++step) {
    Probe& p = *probes[random() % probes.size()];
    switch (random() % 4) {
      case 0:
        p.disarm();
        break;
      case 1:
        wheel.arm(p, now + std::chrono::milliseconds(random() % 120'000));
        break;
      case 2:
        wheel.arm(p, now + std::chrono::milliseconds(random() % 2'000));
        break;
      default:
        now += std::chrono::milliseconds(random() % 300);
        wheel.advance(now);
        for (const auto& q : probes) {
          EXPECT_TRUE(!q->armed() || q->when() > now - DeadlineWheel::kTick) << "missed";
        }
    }
  }
}

}  // namespace
}  // namespace millrace
