#include "runtime/timer_heap.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace millrace {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kStart = TimePoint(1000h);

struct Probe final : TimerEntry {
  std::function<void()> then = [] {};
  void expired() noexcept override { then(); }
};

TEST(TimerHeap, FiresInOrderOfTimeAndNeverEarly) {
  TimerHeap heap;
  std::vector<int> order;
  Probe a, b, c;
  a.then = [&] { order.push_back(1); };
  b.then = [&] { order.push_back(2); };
  c.then = [&] { order.push_back(3); };
  heap.arm(c, kStart + 3ms);
  heap.arm(a, kStart + 1ms);
  heap.arm(b, kStart + 2ms);
  EXPECT_EQ(heap.earliest(), kStart + 1ms);
  heap.advance(kStart + 1ms - 1ns);
  EXPECT_TRUE(order.empty());
  heap.advance(kStart + 2ms);
  EXPECT_EQ(order, (std::vector{1, 2}));
  EXPECT_FALSE(a.armed());
  EXPECT_TRUE(c.armed());
  heap.advance(kStart + 3ms);
  EXPECT_EQ(order, (std::vector{1, 2, 3}));
  EXPECT_TRUE(heap.empty());
  EXPECT_EQ(heap.earliest(), Deadline::kNever);
}

TEST(TimerHeap, ArmingAgainMoves) {
  TimerHeap heap;
  int fired = 0;
  Probe probe;
  probe.then = [&] { ++fired; };
  heap.arm(probe, kStart + 1s);
  heap.arm(probe, kStart + 2s);
  heap.advance(kStart + 1s);
  EXPECT_EQ(fired, 0);
  heap.arm(probe, kStart + 1500ms);
  heap.advance(kStart + 1500ms);
  EXPECT_EQ(fired, 1);
}

TEST(TimerHeap, DisarmIsIdempotent) {
  TimerHeap heap;
  Probe probe;
  heap.disarm(probe);
  heap.arm(probe, kStart);
  heap.disarm(probe);
  heap.disarm(probe);
  EXPECT_TRUE(heap.empty());
}

TEST(TimerHeap, ADestroyedEntryLeaves) {
  TimerHeap heap;
  {
    Probe probe;
    heap.arm(probe, kStart);
  }
  EXPECT_TRUE(heap.empty());
  heap.advance(kStart + 1h);
}

TEST(TimerHeap, AnExpiredEntryMayDestroyAndArmOthers) {
  TimerHeap heap;
  int fired = 0;
  Probe first, third;
  auto second = std::make_unique<Probe>();
  second->then = [&] { FAIL() << "destroyed before its time"; };
  third.then = [&] { ++fired; };
  first.then = [&] {
    second.reset();
    heap.arm(third, kStart + 1ms);
  };
  heap.arm(first, kStart + 1ms);
  heap.arm(*second, kStart + 2ms);
  heap.advance(kStart + 2ms);
  EXPECT_EQ(fired, 1);
}

TEST(TimerHeap, AgreesWithASortedListUnderRandomUse) {
  std::mt19937 random(7);
  TimerHeap heap;
  std::vector<std::unique_ptr<Probe>> probes(200);
  TimePoint now = kStart;
  TimePoint last_fired = kStart;
  for (auto& p : probes) {
    p = std::make_unique<Probe>();
    p->then = [&now, &last_fired, q = p.get()] {
      EXPECT_LE(q->when(), now);
      EXPECT_GE(q->when(), last_fired) << "in order within one advance";
      last_fired = q->when();
    };
  }
  for (int step = 0; step < 20'000; ++step) {
    Probe& p = *probes[random() % probes.size()];
    const auto choice = random() % 8;
    if (choice < 5) {
      heap.arm(p, now + std::chrono::microseconds(random() % 5'000));
    } else if (choice < 7) {
      heap.disarm(p);
    } else {
      now += std::chrono::microseconds(random() % 2'000);
      last_fired = kStart;
      heap.advance(now);
    }
    TimePoint earliest = Deadline::kNever;
    for (const auto& q : probes) {
      if (q->armed()) earliest = std::min(earliest, q->when());
    }
    ASSERT_EQ(heap.earliest(), earliest);
  }
}

}  // namespace
}  // namespace millrace
