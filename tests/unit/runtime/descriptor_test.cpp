#include "runtime/descriptor.hpp"

#include "run.hpp"

#include <array>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace millrace {
namespace {

using namespace std::chrono_literals;
using test::run;

struct Sockets {
  Descriptor a, b;
  Sockets() {
    std::array<int, 2> fds{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()), 0);
    a = Descriptor(fds[0]);
    b = Descriptor(fds[1]);
  }
};

void put(const Descriptor& d, std::string_view bytes) {
  EXPECT_EQ(::write(d.fd(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
}

/// At most `max` bytes; nullopt: would block. Empty: the end.
std::optional<std::string> try_read(const Descriptor& d, std::size_t max = 4096) {
  std::string bytes(max, '\0');
  const ssize_t n = ::read(d.fd(), bytes.data(), bytes.size());
  if (n < 0) {
    EXPECT_EQ(errno, EAGAIN);
    return std::nullopt;
  }
  bytes.resize(static_cast<std::size_t>(n));
  return bytes;
}

/// In the manner of all i/o here: try, and wait only when there is nothing.
Task<Result<std::string>> read_once(Descriptor& d, std::size_t max = 4096) {
  for (;;) {
    if (auto bytes = try_read(d, max)) co_return std::move(*bytes);
    if (const Result<void> r = co_await d.readable(); !r) co_return fail(r.error());
  }
}

/// Returns after epoll has reported everything that happened before the call.
Task<void> epoll_round() {
  Sockets barrier;
  barrier.a.drained(Direction::kRead);  // so that the wait goes through epoll
  put(barrier.b, "x");
  EXPECT_TRUE(co_await barrier.a.readable());
}

Task<void> read_into(Descriptor& d, Result<std::string>& out) {
  out = co_await read_once(d);
}
Task<void> wait_into(Descriptor& d, Direction way, std::optional<Result<void>>& out) {
  out = way == Direction::kRead ? co_await d.readable() : co_await d.writable();
}

/// Runs a test body that is a coroutine on a fresh IoThread.
#define ON_IO_THREAD(Suite, Name) \
  Task<void> Suite##Name##Body(); \
  TEST(Suite, Name) {             \
    IoThread io(0);               \
    run(io, Suite##Name##Body()); \
  }                               \
  Task<void> Suite##Name##Body()

ON_IO_THREAD(Descriptor, WakesAReaderWhenBytesCome) {
  Sockets s;
  TaskGroup group;
  Result<std::string> got;
  group.spawn(read_into(s.a, got));
  co_await yield_now();
  EXPECT_EQ(group.size(), 1U);
  put(s.b, "hello");
  co_await group.join();
  EXPECT_EQ(got.value_or("-"), "hello");
}

ON_IO_THREAD(Descriptor, ReportsBytesThatCameBeforeAnybodyWaited) {
  Sockets s;
  put(s.b, "early");
  co_await epoll_round();
  EXPECT_TRUE(co_await s.a.readable());
  EXPECT_EQ(try_read(s.a), "early");
}

ON_IO_THREAD(Descriptor, ReportsAgainWhatAShortReadLeft) {
  Sockets s;
  put(s.b, "abc");
  std::string got;
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(co_await s.a.readable());
    got += try_read(s.a, 1).value_or("-");
  }
  EXPECT_EQ(got, "abc");
}

ON_IO_THREAD(Descriptor, ReportsRoomAgainToAWriterThatStoppedEarly) {
  Sockets s;
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(co_await s.a.writable());
    co_await epoll_round();
  }
}

ON_IO_THREAD(Descriptor, AReaderThatStopsEarlyLetsOthersHaveTheirTurn) {
  Sockets s;
  put(s.b, "x");
  TaskGroup group;
  bool stop = false;
  auto keep_waiting = [](Descriptor& d, const bool& flag) -> Task<void> {
    while (!flag) EXPECT_TRUE(co_await d.readable());
  };
  group.spawn(keep_waiting(s.a, stop));
  co_await epoll_round();
  (void)co_await sleep_for(1ms);
  stop = true;
  co_await group.join();
}

ON_IO_THREAD(Descriptor, WhatWasSaidToBeDrainedWaitsForTheNextEvent) {
  Sockets s;
  put(s.b, "abc");
  co_await epoll_round();
  s.a.drained(Direction::kRead);  // it is not, which shows that nobody asks again
  TaskGroup group;
  std::optional<Result<void>> out;
  group.spawn(wait_into(s.a, Direction::kRead, out));
  co_await epoll_round();
  EXPECT_FALSE(out);
  put(s.b, "d");
  co_await group.join();
  EXPECT_TRUE(out && *out);
}

ON_IO_THREAD(Descriptor, TheEndIsToldEvenAfterAShortRead) {
  Sockets s;
  put(s.b, "abc");
  s.b.close();
  EXPECT_TRUE(co_await s.a.readable());
  EXPECT_EQ(try_read(s.a, 16).value_or("-"), "abc");
  s.a.drained(Direction::kRead);
  EXPECT_TRUE(co_await s.a.readable());
  EXPECT_EQ(try_read(s.a, 16).value_or("-"), "");
}

// The end of the stream comes with the last bytes in one event: a reader that took the bytes, saw
// that they did not fill its buffer and waits must hear of the end all the same.
ON_IO_THREAD(Descriptor, ReportsTheEndThatCameWithTheLastBytes) {
  Sockets s;
  put(s.b, "abc");
  s.b.close();
  EXPECT_TRUE(co_await s.a.readable());
  EXPECT_EQ(try_read(s.a, 16).value_or("-"), "abc");
  EXPECT_TRUE(co_await s.a.readable());
  EXPECT_EQ(try_read(s.a, 16).value_or("-"), "");
}

// A watcher that comes after the event is told at the end of its turn.
ON_IO_THREAD(Descriptor, TellsALateWatcherOfTheEnd) {
  Sockets s;
  s.b.close();
  EXPECT_TRUE(co_await s.a.readable());
  struct Late final : ReadyWatcher {
    Event told;
    void descriptor_ready() noexcept override { told.set(); }
  } late;
  s.a.watch(Direction::kRead, late);
  EXPECT_TRUE(co_await late.told.wait());
}

ON_IO_THREAD(Descriptor, LosesNoWakeUpInALongDialogue) {
  Sockets s;
  auto echo = [](Descriptor& d) -> Task<void> {
    for (;;) {
      const Result<std::string> bytes = co_await read_once(d);
      if (!bytes || bytes->empty()) co_return;
      put(d, *bytes);
    }
  };
  TaskGroup group;
  group.spawn(echo(s.b));
  for (int i = 0; i < 2000; ++i) {
    const std::string text = std::to_string(i);
    put(s.a, text);
    EXPECT_EQ((co_await read_once(s.a)).value_or("-"), text);
  }
  s.a.close();
  co_await group.join();
}

ON_IO_THREAD(Descriptor, WakesAReaderWhenThePeerCloses) {
  Sockets s;
  TaskGroup group;
  Result<std::string> got = "-";
  group.spawn(read_into(s.a, got));
  co_await yield_now();
  s.b.close();
  co_await group.join();
  EXPECT_EQ(got.value_or("-"), "");
}

ON_IO_THREAD(Descriptor, WakesAWriterWhenThereIsRoom) {
  Sockets s;
  const std::string block(64 * 1024, 'x');
  std::size_t sent = 0;
  for (ssize_t n = 0; (n = ::write(s.a.fd(), block.data(), block.size())) > 0;)
    sent += static_cast<std::size_t>(n);
  EXPECT_EQ(errno, EAGAIN);
  TaskGroup group;
  std::optional<Result<void>> out;
  group.spawn(wait_into(s.a, Direction::kWrite, out));
  co_await epoll_round();
  EXPECT_FALSE(out) << "still full";
  std::size_t received = 0;
  while (auto bytes = try_read(s.b, 1 << 20)) received += bytes->size();
  EXPECT_EQ(received, sent);
  co_await group.join();
  EXPECT_TRUE(out && *out);
}

ON_IO_THREAD(Descriptor, BothDirectionsWaitSideBySide) {
  Sockets s;
  TaskGroup group;
  std::optional<Result<void>> readable, writable;
  group.spawn(wait_into(s.a, Direction::kRead, readable));
  group.spawn(wait_into(s.a, Direction::kWrite, writable));
  co_await group.next();
  EXPECT_TRUE(writable && *writable);
  EXPECT_FALSE(readable);
  put(s.b, "x");
  co_await group.join();
  EXPECT_TRUE(readable && *readable);
}

ON_IO_THREAD(Descriptor, ADeadlineFailsTheWaitAndEveryLaterOne) {
  Sockets s;
  s.a.set_deadline(Direction::kRead, 1ms, Errc::kIdleTimeout);
  EXPECT_FALSE(s.a.timed_out(Direction::kRead));
  const Result<std::string> got = co_await read_once(s.a);
  EXPECT_FALSE(got);
  EXPECT_EQ(got.error().errc, Errc::kIdleTimeout);
  EXPECT_TRUE(s.a.timed_out(Direction::kRead));
  const Result<void> again = co_await s.a.readable();
  EXPECT_EQ(again.error().errc, Errc::kIdleTimeout);
  EXPECT_TRUE(co_await s.a.writable()) << "the other direction has its own";

  s.a.clear_deadline(Direction::kRead);
  put(s.b, "late");
  EXPECT_EQ((co_await read_once(s.a)).value_or("-"), "late");
}

ON_IO_THREAD(Descriptor, ADeadlineSetAnewReplacesTheOld) {
  Sockets s;
  s.a.set_deadline(Direction::kRead, 1ms, Errc::kHeadTimeout);
  s.a.set_deadline(Direction::kRead, 1h, Errc::kIdleTimeout);
  (void)co_await sleep_for(350ms);  // more than the two ticks by which the first could be late
  EXPECT_FALSE(s.a.timed_out(Direction::kRead));
  s.a.set_deadline(Direction::kRead, 1ms, Errc::kBodyTooSlow);
  EXPECT_EQ((co_await read_once(s.a)).error().errc, Errc::kBodyTooSlow);
  s.a.set_deadline(Direction::kRead, Duration::max(), Errc::kIdleTimeout);
  put(s.b, "x");
  EXPECT_TRUE(co_await read_once(s.a));
}

ON_IO_THREAD(Descriptor, ReadinessThatCameBeforeTheDeadlineCounts) {
  Sockets s;
  TaskGroup group;
  std::optional<Result<void>> out;
  group.spawn(wait_into(s.a, Direction::kRead, out));
  put(s.b, "x");
  co_await epoll_round();
  EXPECT_TRUE(out && *out);
  s.a.set_deadline(Direction::kRead, 1ms, Errc::kIdleTimeout);
  EXPECT_EQ(try_read(s.a), "x");
}

ON_IO_THREAD(Descriptor, ACancelledWaitLeavesTheDescriptorUsable) {
  Sockets s;
  TaskGroup drop;
  std::optional<Result<void>> out;
  drop.spawn(wait_into(s.a, Direction::kRead, out));
  co_await yield_now();
  drop.cancel(Errc::kClientGone);
  co_await drop.join();
  EXPECT_EQ(out->error().errc, Errc::kClientGone);
  // The interest is still armed: bytes that come now, with nobody there, must not get lost.
  put(s.b, "x");
  co_await epoll_round();
  EXPECT_TRUE(co_await s.a.readable());
  EXPECT_EQ(try_read(s.a), "x");
  put(s.b, "y");
  EXPECT_EQ((co_await read_once(s.a)).value_or("-"), "y");
}

ON_IO_THREAD(Descriptor, ANewWaitTakesOverTheArmedInterest) {
  Sockets s;
  for (int i = 0; i < 10; ++i) {
    TaskGroup drop;
    std::optional<Result<void>> out;
    drop.spawn(wait_into(s.a, Direction::kRead, out));
    co_await yield_now();
    drop.cancel();
    co_await drop.join();
  }
  TaskGroup group;
  Result<std::string> got;
  group.spawn(read_into(s.a, got));
  co_await yield_now();
  put(s.b, "x");
  co_await group.join();
  EXPECT_EQ(got.value_or("-"), "x");
}

ON_IO_THREAD(Descriptor, CloseWakesWhoWaitsAndFailsWhoComes) {
  Sockets s;
  TaskGroup group;
  std::optional<Result<void>> readable, writable;
  const std::string block(1 << 20, 'x');
  while (::write(s.a.fd(), block.data(), block.size()) > 0) continue;
  group.spawn(wait_into(s.a, Direction::kRead, readable));
  group.spawn(wait_into(s.a, Direction::kWrite, writable));
  co_await yield_now();
  const int fd = s.a.fd();
  s.a.close();
  EXPECT_FALSE(s.a.is_open());
  EXPECT_EQ(::fcntl(fd, F_GETFD), -1);
  co_await group.join();
  EXPECT_EQ(readable->error().errc, Errc::kCancelled);
  EXPECT_EQ(writable->error().errc, Errc::kCancelled);
  EXPECT_EQ((co_await s.a.readable()).error().errc, Errc::kCancelled);
  s.a.close();
}

ON_IO_THREAD(Descriptor, MayDieUnderItsWaiter) {
  auto s = std::make_unique<Sockets>();
  TaskGroup group;
  std::optional<Result<void>> out;
  group.spawn(wait_into(s->a, Direction::kRead, out));
  co_await yield_now();
  s.reset();
  co_await group.join();
  EXPECT_EQ(out->error().errc, Errc::kCancelled);
}

ON_IO_THREAD(Descriptor, MayDieWithItsEventUnderWay) {
  // Both become ready in one epoll round; the first to run destroys both.
  std::array<std::unique_ptr<Sockets>, 2> pairs{std::make_unique<Sockets>(),
                                                std::make_unique<Sockets>()};
  auto destroy_both = [](Descriptor& d, std::array<std::unique_ptr<Sockets>, 2>& all,
                         int& ended) -> Task<void> {
    (void)co_await d.readable();
    for (auto& p : all) p.reset();
    ++ended;
  };
  TaskGroup group;
  int ended = 0;
  for (auto& p : pairs) group.spawn(destroy_both(p->a, pairs, ended));
  co_await yield_now();
  for (auto& p : pairs) put(p->b, "x");
  co_await group.join();
  EXPECT_EQ(ended, 2);
}

ON_IO_THREAD(Descriptor, MovesWithoutAWaiter) {
  Sockets s;
  const int fd = s.a.fd();
  Descriptor moved = std::move(s.a);
  EXPECT_EQ(moved.fd(), fd);
  EXPECT_FALSE(s.a.is_open());  // NOLINT: moved-from is closed
  put(s.b, "x");
  EXPECT_EQ((co_await read_once(moved)).value_or("-"), "x");
  Sockets other;
  const int other_fd = other.a.fd();
  moved = std::move(other.a);
  EXPECT_EQ(::fcntl(fd, F_GETFD), -1) << "what it held is closed";
  EXPECT_EQ(moved.fd(), other_fd);
}

ON_IO_THREAD(Descriptor, AnFdThatEpollRefusesIsClosedAndFailsEveryWait) {
  const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  Descriptor d(fd);
  EXPECT_EQ(d.fd(), -1);
  EXPECT_EQ(::fcntl(fd, F_GETFD), -1);
  EXPECT_EQ((co_await d.readable()).error().errc, Errc::kIo);
  EXPECT_EQ((co_await d.writable()).error().errc, Errc::kIo);
}

struct Watcher final : ReadyWatcher {
  int told = 0;
  void descriptor_ready() noexcept override { ++told; }
};

ON_IO_THREAD(ReadyWatcher, IsToldOnce) {
  Sockets s;
  Watcher watcher;
  s.a.watch(Direction::kRead, watcher);
  co_await epoll_round();
  EXPECT_EQ(watcher.told, 0);
  put(s.b, "x");
  co_await epoll_round();
  EXPECT_EQ(watcher.told, 1);
  put(s.b, "y");
  co_await epoll_round();
  EXPECT_EQ(watcher.told, 1);
}

ON_IO_THREAD(ReadyWatcher, WatchingAgainTellsAgainWhileItIsReady) {
  Sockets s;
  Watcher watcher;
  put(s.b, "x");
  for (int i = 1; i <= 3; ++i) {
    s.a.watch(Direction::kRead, watcher);
    co_await epoll_round();
    EXPECT_EQ(watcher.told, i);
  }
}

ON_IO_THREAD(ReadyWatcher, DoesNotUseUpTheEventForTheNextWait) {
  Sockets s;
  Watcher watcher;
  s.a.drained(Direction::kRead);
  s.a.watch(Direction::kRead, watcher);
  put(s.b, "x");
  co_await epoll_round();
  EXPECT_EQ(watcher.told, 1);
  EXPECT_TRUE(co_await s.a.readable());
}

ON_IO_THREAD(ReadyWatcher, StaysWhileNothingComesAndLeavesByUnwatch) {
  Sockets s;
  Watcher watcher, next;
  s.a.watch(Direction::kRead, watcher);
  co_await epoll_round();
  s.a.unwatch(Direction::kRead, next);  // not the one that watches: nothing happens
  s.a.unwatch(Direction::kRead, watcher);
  put(s.b, "x");
  co_await epoll_round();
  EXPECT_EQ(watcher.told, 0);
  s.a.watch(Direction::kRead, next);  // the event came while nobody watched, and is not lost
  co_await epoll_round();
  EXPECT_EQ(next.told, 1);
}

ON_IO_THREAD(ReadyWatcher, IsToldOfTheEndAndOfClose) {
  Sockets s;
  Watcher gone, closed;
  s.a.watch(Direction::kRead, gone);
  s.b.close();
  co_await epoll_round();
  EXPECT_EQ(gone.told, 1);
  Sockets t;
  t.a.watch(Direction::kRead, closed);
  t.a.close();
  EXPECT_EQ(closed.told, 1);
  t.a.unwatch(Direction::kRead, closed);
}

ON_IO_THREAD(ReadyWatcher, ADeadlineTellsItToo) {
  Sockets s;
  Watcher watcher;
  s.a.watch(Direction::kRead, watcher);
  s.a.set_deadline(Direction::kRead, 1ms, Errc::kIdleTimeout);
  (void)co_await sleep_for(350ms);
  EXPECT_EQ(watcher.told, 1);
  EXPECT_TRUE(s.a.timed_out(Direction::kRead));
}

Task<void> leave_open(std::vector<std::unique_ptr<Sockets>>& out) {
  out.push_back(std::make_unique<Sockets>());
  TaskGroup drop;
  std::optional<Result<void>> result;
  drop.spawn(wait_into(out.back()->a, Direction::kRead, result));
  co_await yield_now();
  drop.cancel();
  co_await drop.join();
}

TEST(Descriptor, ClosedAfterTheLoopStoppedLeaksNothing) {
  IoThread io(0);
  std::vector<std::unique_ptr<Sockets>>
      open;  // closed before the IoThread goes, with interest armed
  run(io, leave_open(open));
}

}  // namespace
}  // namespace millrace
