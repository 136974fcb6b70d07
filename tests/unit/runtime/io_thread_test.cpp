#include "runtime/io_thread.hpp"

#include "run.hpp"
#include "runtime/descriptor.hpp"

#include <array>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace millrace {
namespace {

using namespace std::chrono_literals;
using test::run;

TEST(IoThread, APostFromAnotherThreadRunsOnTheIoThread) {
  IoThread io(3);
  std::thread::id ran_on;
  unsigned index = 0;
  std::thread other([&] {
    io.post([&] {
      ran_on = std::this_thread::get_id();
      index = IoThread::current().index();
      io.stop();
    });
  });
  io.run();
  other.join();
  EXPECT_EQ(ran_on, std::this_thread::get_id());
  EXPECT_EQ(index, 3U);
  EXPECT_EQ(IoThread::current_or_null(), nullptr);
}

Task<void> sleep_as(TimePoint when, int name, std::vector<int>& order) {
  EXPECT_TRUE(co_await sleep_until(when));
  EXPECT_GE(Clock::now(), when);
  order.push_back(name);
}
Task<void> sleep_in_parallel(std::vector<int>& order) {
  const TimePoint now = Clock::now();
  TaskGroup group;
  group.spawn(sleep_as(now + 6ms, 3, order));
  group.spawn(sleep_as(now + 2ms, 1, order));
  group.spawn(sleep_as(now + 4ms, 2, order));
  group.spawn(sleep_as(now, 0, order));
  group.spawn(sleep_as(now - 1s, -1, order));
  co_await group.join();
}

TEST(IoThread, SleepersWakeInOrderOfTimeAndNotEarly) {
  IoThread io(0);
  std::vector<int> order;
  run(io, sleep_in_parallel(order));
  EXPECT_EQ(order, (std::vector{-1, 0, 1, 2, 3}));
}

Task<void> sleep_cancelled(Duration d, Result<void>& out) {
  TaskGroup group;
  auto body = [](Duration t, Result<void>& r) -> Task<void> { r = co_await sleep_for(t); };
  group.spawn(body(d, out));
  co_await yield_now();
  group.cancel(Errc::kClientGone);
  co_await group.join();
}

TEST(IoThread, ASleepIsCancelledAtOnce) {
  for (const Duration d : {Duration(1h), Duration::max()}) {
    IoThread io(0);
    Result<void> out;
    run(io, sleep_cancelled(d, out));
    ASSERT_FALSE(out);
    EXPECT_TRUE(out.error().is(Errc::kClientGone));
  }
}

Task<Result<void>> sleep_task(Duration d) {
  co_return co_await sleep_for(d);
}

Task<void> with_limit(Duration limit, Duration work, Result<void>& out, bool& passed) {
  DeadlineScope scope(Errc::kTotalTimeout, limit);
  out = co_await in_scope(scope.scope(), sleep_task(work));
  passed = scope.passed();
}

TEST(DeadlineScope, EndsWorkThatTakesTooLong) {
  // 20 ms goes by the precise heap, a second by the coarse wheel.
  for (const Duration limit : {Duration(20ms), Duration(1s)}) {
    IoThread io(0);
    Result<void> out;
    bool passed = false;
    const TimePoint begin = Clock::now();
    run(io, with_limit(limit, 1h, out, passed));
    EXPECT_GE(Clock::now() - begin, limit);
    EXPECT_TRUE(passed);
    ASSERT_FALSE(out);
    EXPECT_TRUE(out.error().is(Errc::kTotalTimeout));
  }
}

TEST(DeadlineScope, LeavesWorkAloneThatIsInTime) {
  for (const Duration limit : {Duration(999ms), Duration(1s), Duration::max()}) {
    IoThread io(0);
    Result<void> out = fail(Errc::kInternal);
    bool passed = true;
    run(io, with_limit(limit, 1ms, out, passed));
    EXPECT_FALSE(passed);
    EXPECT_TRUE(out);
  }
}

Task<void> nested_limits(Duration outer, Duration inner, Result<void>& out) {
  DeadlineScope scope(Errc::kTotalTimeout, outer);
  auto body = [](Duration limit, Result<void>& r) -> Task<void> {
    DeadlineScope nested(Errc::kFirstByteTimeout, limit);
    r = co_await in_scope(nested.scope(), sleep_task(1h));
  };
  co_await in_scope(scope.scope(), body(inner, out));
}

TEST(DeadlineScope, OfTwoNestedTheEarlierGivesTheReason) {
  for (const bool outer_first : {true, false}) {
    IoThread io(0);
    Result<void> out;
    run(io, nested_limits(outer_first ? 5ms : 900ms, outer_first ? 900ms : 5ms, out));
    ASSERT_FALSE(out);
    EXPECT_EQ(out.error().errc, outer_first ? Errc::kTotalTimeout : Errc::kFirstByteTimeout);
  }
}

Task<void> yield_until(const bool& flag) {
  while (!flag) co_await yield_now();
}

TEST(IoThread, ACoroutineThatNeverWaitsDoesNotStarvePosts) {
  IoThread io(0);
  bool flag = false;
  std::thread other([&] { io.post([&] { flag = true; }); });
  run(io, yield_until(flag));
  other.join();
}

Task<void> sleep_until_flag(const bool& flag) {
  TaskGroup group;
  group.spawn(yield_until(flag));
  co_await group.join();
}
Task<void> set_after(Duration d, bool& flag) {
  (void)co_await sleep_for(d);
  flag = true;
}
Task<void> timer_beside_spinner() {
  bool flag = false;
  TaskGroup group;
  group.spawn(set_after(3ms, flag));
  group.spawn(sleep_until_flag(flag));
  co_await group.join();
}

TEST(IoThread, ACoroutineThatNeverWaitsDoesNotStarveTimers) {
  IoThread io(0);
  run(io, timer_beside_spinner());
}

// --- a thread that did not run for a while ---

struct Passed final : Deadline {
  void expired() noexcept override { passed = true; }
  bool passed = false;
};

Task<void> limit_what_follows(IoThread& io, Descriptor& pipe) {
  (void)co_await pipe.readable();
  // Still in the turn of the event, before any tick.
  DeadlineScope limit(Errc::kTotalTimeout, 1s);
  const TimePoint began = io.turn_time();
  (void)co_await in_scope(limit.scope(), sleep_task(1h));
  EXPECT_GE(Clock::now() - began, 1s);
}

Task<void> arm_after_a_stall(IoThread& io) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC), 0);
  Descriptor reader(ends[0]);
  TaskGroup group;
  group.spawn(limit_what_follows(io, reader));
  co_await yield_now();
  EXPECT_EQ(::write(ends[1], "x", 1), 1);
  std::this_thread::sleep_for(600ms);  // the pause: the thread does not run
  co_await group.join();
  ::close(ends[1]);
}

TEST(IoThread, DeadlinesThatAreArmedAfterAStallAreNotEarly) {
  IoThread io(0);
  run(io, arm_after_a_stall(io));
}

Task<void> stall_beside_a_deadline(IoThread& io) {
  Passed deadline;
  io.arm(deadline, Duration(300ms));
  std::this_thread::sleep_for(800ms);  // the pause
  (void)co_await sleep_for(20ms);
  EXPECT_FALSE(deadline.passed) << "a peer that stood still with us had no time to say anything";
  while (!deadline.passed) (void)co_await sleep_for(20ms);
}

TEST(IoThread, DeadlinesLeaveTimeAfterAStall) {
  IoThread io(0);
  run(io, stall_beside_a_deadline(io));
}

struct CountingHook final : TurnHook {
  std::string& log;
  Event event;
  explicit CountingHook(std::string& l) : log(l) {}
  void end_of_turn() noexcept override {
    log += 'h';
    event.set();
  }
};
Task<void> use_hook(IoThread& io, std::string& log) {
  CountingHook hook(log);
  io.at_end_of_turn(hook);
  io.at_end_of_turn(hook);
  co_await yield_now();
  log += 'a';  // still the same turn
  (void)co_await hook.event.wait();
  log += 'b';
  CountingHook dropped(log);
  io.at_end_of_turn(dropped);
}

TEST(IoThread, HooksRunOnceAfterTheCoroutinesOfTheTurn) {
  IoThread io(0);
  std::string log;
  run(io, use_hook(io, log));
  EXPECT_EQ(log, "ahb");
}

Task<void> compare_clocks(IoThread& io) {
  const Duration age = Clock::now() - io.coarse_now();
  EXPECT_GE(age, 0ms);
  const TimePoint before = io.coarse_now();
  (void)co_await sleep_for(250ms);
  EXPECT_GE(io.coarse_now() - before, 100ms) << "the tick runs";
}

TEST(IoThread, TheCoarseClockTicks) {
  IoThread io(0);
  run(io, compare_clocks(io));
}

}  // namespace
}  // namespace millrace
