#include "runtime/readiness_set.hpp"

#include "run.hpp"

#include <chrono>
#include <cstdint>
#include <thread>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace millrace {
namespace {

using namespace std::chrono_literals;
using test::run;

/// Makes itself ready again whenever it is: the set never comes to rest, and its thread never gets
/// to sleep in Asio unless it is made to.
class Restless final : public ReadinessSet::Target {
 public:
  explicit Restless(IoThread& io) : io_(io), fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    EXPECT_TRUE(io_.readiness().add(fd_, *this));
    stir();
  }
  ~Restless() {
    io_.readiness().remove(fd_, *this);
    ::close(fd_);
  }
  [[nodiscard]] std::uint64_t turns() const noexcept { return turns_; }

 private:
  void ready(std::uint32_t) noexcept override {
    ++turns_;
    stir();
  }
  void stir() const noexcept {
    const std::uint64_t one = 1;
    EXPECT_EQ(::write(fd_, &one, sizeof(one)), static_cast<ssize_t>(sizeof(one)));
  }
  IoThread& io_;
  const int fd_;
  std::uint64_t turns_ = 0;
};

Task<void> wait_for_turns(const Restless& restless, std::uint64_t turns) {
  while (restless.turns() < turns) EXPECT_TRUE(co_await sleep_for(1ms));
}

TEST(ReadinessSet, BusyDescriptorsDoNotStarvePreciseTimers) {
  IoThread io(0);
  Restless restless(io);
  run(io, wait_for_turns(restless, 1000));
  EXPECT_GE(restless.turns(), 1000U);
}

struct StopAtTick final : Deadline {
  explicit StopAtTick(IoThread& thread) : io(thread) { io.arm(*this, 200ms); }
  void expired() noexcept override { io.stop(); }
  IoThread& io;
};

TEST(ReadinessSet, BusyDescriptorsDoNotStarveTheTick) {
  IoThread io(0);
  Restless restless(io);
  const StopAtTick deadline(io);
  io.run();
  EXPECT_FALSE(deadline.armed());
}

TEST(ReadinessSet, BusyDescriptorsDoNotStarvePosts) {
  IoThread io(0);
  Restless restless(io);
  constexpr int kPosts = 1000;
  int seen = 0;
  std::thread other([&] {
    for (int i = 0; i < kPosts; ++i)
      io.post([&] {
        if (++seen == kPosts) io.stop();
      });
  });
  io.run();
  other.join();
  EXPECT_EQ(seen, kPosts);
}

/// Counts its events and does nothing about them.
class Counter final : public ReadinessSet::Target {
 public:
  int events = 0;

 private:
  void ready(std::uint32_t) noexcept override { ++events; }
};

Task<void> watch_by_level(IoThread& io, int fd, Counter& counter) {
  EXPECT_TRUE(io.readiness().watch(fd, counter, EPOLLIN, false));
  while (counter.events < 3) EXPECT_TRUE(co_await sleep_for(1ms));
  EXPECT_TRUE(io.readiness().watch(fd, counter, 0, true));
  const int events = counter.events;
  const Restless restless(io);
  co_await wait_for_turns(restless, 100);
  EXPECT_EQ(counter.events, events);
}

TEST(ReadinessSet, ALevelTriggeredTargetIsToldUntilItWantsSomethingElse) {
  IoThread io(0);
  const int fd = ::eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
  Counter counter;
  run(io, watch_by_level(io, fd, counter));
  io.readiness().remove(fd, counter);
  ::close(fd);
}

TEST(ReadinessSet, ATargetThatCannotBeWatchedIsRefused) {
  IoThread io(0);
  Counter counter;
  EXPECT_FALSE(io.readiness().add(-1, counter));
}

TEST(IoThread, TheTimeOfATurnStandsStill) {
  IoThread io(0);
  run(io, [](IoThread& thread) -> Task<void> {
    const TimePoint before = thread.turn_time();
    while (Clock::now() == before) {
    }
    EXPECT_EQ(thread.turn_time(), before);
    EXPECT_TRUE(co_await sleep_for(1ms));
    EXPECT_GT(thread.turn_time(), before);
  }(io));
}

}  // namespace
}  // namespace millrace
