#include "proxy/admission.hpp"

#include "runtime/io_threads.hpp"
#include "support/on_io.hpp"

#include <atomic>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::test {
namespace {

using namespace std::chrono_literals;
using proxy::Admission;

/// Who came in, in that order, and how the others ended.
struct Book {
  std::vector<int> in;
  std::vector<Errc> refused;
};

Task<void> stay(Admission& admission, int name, Book& book, Event& leave) {
  Result<Admission::Permit> permit = co_await admission.enter();
  if (!permit) {
    book.refused.push_back(permit.error().errc);
    co_return;
  }
  book.in.push_back(name);
  (void)co_await leave.wait();
}

Task<void> pass_through(Admission& admission, int name, Book& book) {
  Event open;
  open.set();
  co_await stay(admission, name, book, open);
}

class AdmissionTest : public ::testing::Test {
 protected:
  template <class F>
  void run(F body) {
    on_io(io, body);
  }
  static Task<void> until_waiting(Admission& admission, std::uint64_t count) {
    while (admission.status().waiting != count) co_await yield_now();
  }

  IoThread io{0};
  Book book;
};

TEST_F(AdmissionTest, LetsInAsManyAsItsLimit) {
  Admission admission({.limit = 2});
  Admission::Permit first = admission.try_enter();
  Admission::Permit second = admission.try_enter();
  EXPECT_TRUE(first && second);
  EXPECT_FALSE(admission.try_enter());
  EXPECT_EQ(admission.status().in_flight, 2u);
  second = {};
  EXPECT_TRUE(admission.try_enter());
  EXPECT_EQ(admission.status().in_flight, 1u);
}

TEST_F(AdmissionTest, ThoseWhoWaitComeInOneAfterTheOther) {
  Admission admission({.limit = 1});
  run([&]() -> Task<void> {
    Admission::Permit permit = admission.try_enter();
    TaskGroup group;
    for (int i = 0; i < 5; ++i) group.spawn(pass_through(admission, i, book));
    co_await until_waiting(admission, 5);
    EXPECT_EQ(admission.status().queued, 5u);
    EXPECT_TRUE(book.in.empty());
    permit = {};
    EXPECT_FALSE(admission.try_enter());  // nobody gets in before those who wait
    co_await group.join();
  });
  EXPECT_EQ(book.in, (std::vector{0, 1, 2, 3, 4}));
  EXPECT_EQ(admission.status().in_flight, 0u);
}

TEST_F(AdmissionTest, TheQueueHasALimit) {
  Admission admission({.limit = 1, .waiting_max = 2});
  run([&]() -> Task<void> {
    Admission::Permit permit = admission.try_enter();
    TaskGroup group;
    EXPECT_FALSE(admission.is_full());
    group.spawn(pass_through(admission, 0, book));
    co_await until_waiting(admission, 1);
    EXPECT_FALSE(admission.is_full());
    group.spawn(pass_through(admission, 1, book));
    co_await until_waiting(admission, 2);
    EXPECT_TRUE(admission.is_full());
    EXPECT_EQ((co_await admission.enter()).error(), Error(Errc::kQueueFull));
    permit = {};
    co_await group.join();
  });
  EXPECT_EQ(book.in, (std::vector{0, 1}));
  EXPECT_EQ(admission.status().refused, 2u);
}

TEST_F(AdmissionTest, NobodyWaitsForLongerThanTheLimit) {
  Admission admission({.limit = 1, .overload = {.patience = 5ms}});
  run([&]() -> Task<void> {
    const Admission::Permit permit = admission.try_enter();
    EXPECT_EQ((co_await admission.enter()).error(), Error(Errc::kQueueTimeout));
    EXPECT_EQ(admission.status().waiting, 0u);
    EXPECT_EQ(admission.status().timed_out, 1u);
  });
  EXPECT_EQ(admission.status().in_flight, 0u);
}

TEST_F(AdmissionTest, TheDepartedLeaveAtOnceAndTakeNoPlace) {
  Admission admission({.limit = 1});
  run([&]() -> Task<void> {
    Admission::Permit permit = admission.try_enter();
    TaskGroup group;
    TaskGroup gone;
    gone.spawn(pass_through(admission, 0, book));
    co_await until_waiting(admission, 1);
    group.spawn(pass_through(admission, 1, book));
    co_await until_waiting(admission, 2);
    gone.cancel(Errc::kClientGone);
    EXPECT_EQ(admission.status().waiting, 1u);
    co_await gone.join();
    permit = {};
    co_await group.join();
  });
  EXPECT_EQ(book.in, std::vector{1});
  EXPECT_EQ(book.refused, std::vector{Errc::kClientGone});
  EXPECT_EQ(admission.status().in_flight, 0u);
}

TEST_F(AdmissionTest, WhoIsCancelledInTheMomentOfEnteringGivesThePlaceOn) {
  Admission admission({.limit = 1});
  run([&]() -> Task<void> {
    Admission::Permit permit = admission.try_enter();
    TaskGroup gone;
    TaskGroup group;
    gone.spawn(pass_through(admission, 0, book));
    co_await until_waiting(admission, 1);
    group.spawn(pass_through(admission, 1, book));
    co_await until_waiting(admission, 2);
    permit = {};  // the first is in, and does not run yet
    gone.cancel(Errc::kClientGone);
    co_await gone.join();
    co_await group.join();
  });
  EXPECT_EQ(book.in, std::vector{1});
  EXPECT_EQ(admission.status().in_flight, 0u);
}

TEST_F(AdmissionTest, WithoutATargetEverybodyWaitsUntilThereIsOne) {
  Admission admission({.limit = 0});
  run([&]() -> Task<void> {
    Event leave;
    TaskGroup group;
    for (int i = 0; i < 3; ++i) group.spawn(stay(admission, i, book, leave));
    co_await until_waiting(admission, 3);
    admission.set_limit(2);
    EXPECT_EQ(admission.status().in_flight, 2u);
    EXPECT_EQ(admission.status().waiting, 1u);
    leave.set();
    co_await group.join();
  });
  EXPECT_EQ(book.in, (std::vector{0, 1, 2}));
}

TEST_F(AdmissionTest, WithoutATargetThereIsNoOverload) {
  Admission admission({.limit = 0, .overload = {.patience = 1h, .after = 0ms, .timeout = 1ms}});
  run([&]() -> Task<void> {
    Event leave;
    TaskGroup group;
    for (int i = 0; i < 2; ++i) group.spawn(stay(admission, i, book, leave));
    co_await until_waiting(admission, 2);
    EXPECT_FALSE(admission.status().overloaded);
    admission.set_limit(1);  // from now on somebody could be too slow
    EXPECT_TRUE(admission.status().overloaded);
    admission.set_limit(0);
    EXPECT_FALSE(admission.status().overloaded);
    admission.set_limit(1);
    leave.set();
    co_await group.join();
  });
  EXPECT_EQ(book.in, (std::vector{1, 0})) << "the newest first, from the first target on";
}

TEST_F(AdmissionTest, WhatIsUnderWayCountsUnderNewOptions) {
  Admission admission({.limit = 1, .waiting_max = 1});
  run([&]() -> Task<void> {
    Admission::Permit permit = admission.try_enter();
    Event leave;
    TaskGroup group;
    group.spawn(stay(admission, 0, book, leave));
    co_await until_waiting(admission, 1);
    EXPECT_EQ((co_await admission.enter()).error(), Error(Errc::kQueueFull));
    admission.configure({.waiting_max = 2});
    group.spawn(stay(admission, 1, book, leave));
    co_await until_waiting(admission, 2);
    EXPECT_EQ(admission.status().in_flight, 1u);
    permit = {};
    leave.set();
    co_await group.join();
  });
  EXPECT_EQ(book.in, (std::vector{0, 1}));
}

Task<void> come_again(Admission& admission, int name, Book& book, TimePoint until) {
  Result<Admission::Permit> permit = co_await admission.enter({.again = true, .until = until});
  if (permit)
    book.in.push_back(name);
  else
    book.refused.push_back(permit.error().errc);
}

TEST_F(AdmissionTest, WhoWasInBeforeComesFirstAndIsNotRefused) {
  for (const Duration after : {Duration(1h), Duration::zero()}) {
    Admission admission({.limit = 1, .waiting_max = 2, .overload = {.after = after}});
    book = {};
    run([&]() -> Task<void> {
      Admission::Permit permit = admission.try_enter();
      TaskGroup group;
      for (int i = 0; i < 2; ++i) {
        group.spawn(pass_through(admission, i, book));
        co_await until_waiting(admission, static_cast<std::uint64_t>(i) + 1);
      }
      group.spawn(come_again(admission, 2, book, TimePoint::max()));
      co_await until_waiting(admission, 3);
      EXPECT_EQ(admission.status().queued, 2u);
      permit = {};
      co_await group.join();
    });
    EXPECT_EQ(book.in, (after == Duration::zero() ? std::vector{2, 1, 0} : std::vector{2, 0, 1}));
  }
}

TEST_F(AdmissionTest, SeveralWaitsTogetherEndInTime) {
  Admission admission({.limit = 1, .overload = {.patience = 1h}});
  run([&]() -> Task<void> {
    const Admission::Permit permit = admission.try_enter();
    co_await come_again(admission, 0, book, Clock::now() + 5ms);
    co_await come_again(admission, 1, book, Clock::now() - 1s);
  });
  EXPECT_EQ(book.refused, (std::vector{Errc::kQueueTimeout, Errc::kQueueTimeout}));
}

TEST_F(AdmissionTest, UnderOverloadTheNewestComesFirst) {
  Admission admission({.limit = 1, .overload = {.after = 0ms, .timeout = 10s}});
  run([&]() -> Task<void> {
    Admission::Permit permit = admission.try_enter();
    TaskGroup group;
    for (int i = 0; i < 3; ++i) {
      group.spawn(pass_through(admission, i, book));
      co_await until_waiting(admission, static_cast<std::uint64_t>(i) + 1);
    }
    EXPECT_TRUE(admission.status().overloaded);
    permit = {};
    co_await group.join();
    EXPECT_FALSE(admission.status().overloaded);
  });
  EXPECT_EQ(book.in, (std::vector{2, 1, 0}));
}

TEST_F(AdmissionTest, UnderOverloadNobodyWaitsForLong) {
  Admission admission({.limit = 1, .overload = {.patience = 1h, .after = 0ms, .timeout = 5ms}});
  run([&]() -> Task<void> {
    const Admission::Permit permit = admission.try_enter();
    Event leave;
    TaskGroup first;
    first.spawn(stay(admission, 0, book, leave));
    co_await until_waiting(admission, 1);
    EXPECT_EQ((co_await admission.enter()).error(), Error(Errc::kQueueTimeout));
    EXPECT_EQ(admission.status().waiting, 1u);  // who came before keeps what it was given
    first.cancel();
    co_await first.join();
  });
}

// --- across threads ---

struct Crowd {
  explicit Crowd(std::uint32_t limit, Duration patience)
      : admission({.limit = limit, .waiting_max = 10'000, .overload = {.patience = patience}}) {}
  Admission admission;
  std::atomic<int> inside = 0;
  std::atomic<int> most = 0;
  std::atomic<int> served = 0;
  std::atomic<int> late = 0;
  std::atomic<int> running = 0;
};

Task<void> visit(Crowd& crowd, int times) {
  for (int i = 0; i < times; ++i) {
    Admission::Permit permit = crowd.admission.try_enter();
    if (!permit) {
      Result<Admission::Permit> waited = co_await crowd.admission.enter();
      if (!waited) {
        ++crowd.late;
        continue;
      }
      permit = std::move(*waited);
    }
    const int now = ++crowd.inside;
    int most = crowd.most;
    while (now > most && !crowd.most.compare_exchange_weak(most, now)) {
    }
    co_await yield_now();
    --crowd.inside;
    ++crowd.served;
  }
  --crowd.running;
}

void crowd_in(Crowd& crowd, unsigned threads, int tasks, int times) {
  IoThreads io(threads);
  crowd.running = static_cast<int>(threads) * tasks;
  io.start();
  io.on_each([&](IoThread& thread) {
    for (int i = 0; i < tasks; ++i) thread.tasks().spawn(visit(crowd, times));
  });
  while (crowd.running != 0) std::this_thread::yield();
  // Behind whatever the last of them still had to do.
  io.on_each([](IoThread&) {});
}

TEST(AdmissionThreads, NeverMoreThanTheLimitAndNobodyIsForgotten) {
  Crowd crowd(3, 1h);
  crowd_in(crowd, 4, 16, 200);
  EXPECT_EQ(crowd.served, 4 * 16 * 200);
  EXPECT_LE(crowd.most, 3);
  EXPECT_EQ(crowd.admission.status().in_flight, 0u);
  EXPECT_EQ(crowd.admission.status().waiting, 0u);
  EXPECT_TRUE(crowd.admission.try_enter());
}

TEST(AdmissionThreads, NorWhenManyLeaveTheQueueInBetween) {
  Crowd crowd(2, 200us);
  crowd_in(crowd, 4, 16, 100);
  EXPECT_EQ(crowd.served + crowd.late, 4 * 16 * 100);
  EXPECT_LE(crowd.most, 2);
  EXPECT_EQ(crowd.admission.status().in_flight, 0u);
  EXPECT_EQ(crowd.admission.status().waiting, 0u);
  EXPECT_TRUE(crowd.admission.try_enter());
}

}  // namespace
}  // namespace millrace::test
