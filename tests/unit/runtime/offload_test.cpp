#include "runtime/offload.hpp"

#include "run.hpp"
#include "runtime/io_threads.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <random>
#include <semaphore>
#include <vector>

namespace millrace {
namespace {

using namespace std::chrono_literals;
using test::run;

Task<void> compute(Offload& pool, std::thread::id& ran_on, int& out) {
  const Result<int> r = co_await pool.run(1, [&](const CancelToken&) {
    ran_on = std::this_thread::get_id();
    return 42;
  });
  out = r.value_or(0);
}

TEST(Offload, WorkRunsOnThePoolAndComesBackAsAValue) {
  Offload pool({.threads = 1});
  IoThread io(0);
  std::thread::id ran_on;
  int out = 0;
  run(io, compute(pool, ran_on, out));
  EXPECT_EQ(out, 42);
  EXPECT_NE(ran_on, std::this_thread::get_id());
  EXPECT_EQ(pool.stats().completed, 1U);
  EXPECT_EQ(pool.stats().running, 0U);
}

TEST(Offload, ZeroThreadsBecomeOne) {
  Offload pool({.threads = 0});
  EXPECT_EQ(pool.threads(), 1U);
}

/// Jobs that block a pool thread until they are let go.
struct Gate {
  std::counting_semaphore<> go{0};
  int done = 0;
  int refused = 0;
  int cancelled = 0;
  std::atomic<int> executed = 0;
};

Task<void> blocked_job(Offload& pool, std::uint64_t cost, Gate& gate) {
  const Result<bool> r = co_await pool.run(cost, [&gate](const CancelToken&) {
    ++gate.executed;
    gate.go.acquire();
    return true;
  });
  if (r)
    ++gate.done;
  else if (r.error().is(Errc::kOffloadFull))
    ++gate.refused;
  else
    ++gate.cancelled;
}

Task<void> submit_jobs(Offload& pool, std::vector<std::uint64_t> costs, Gate& gate, int admitted) {
  TaskGroup group;
  for (const std::uint64_t cost : costs) group.spawn(blocked_job(pool, cost, gate));
  co_await yield_now();
  const Offload::Stats stats = pool.stats();
  EXPECT_EQ(stats.queued + stats.running, static_cast<std::size_t>(admitted));
  EXPECT_EQ(stats.refused, costs.size() - static_cast<std::size_t>(admitted));
  gate.go.release(admitted);
  co_await group.join();
  EXPECT_EQ(gate.done, admitted);
  EXPECT_EQ(gate.refused, static_cast<int>(costs.size()) - admitted);
}

void expect_admitted(Offload::Options options, std::vector<std::uint64_t> costs, int admitted) {
  Offload pool(options);
  IoThread io(0);
  Gate gate;
  run(io, submit_jobs(pool, std::move(costs), gate, admitted));
}

TEST(Offload, AdmitsOneJobForEachThreadAndQueueMaxMore) {
  expect_admitted({.threads = 1, .queue_max = 2}, {1, 1, 1}, 3);
  expect_admitted({.threads = 1, .queue_max = 2}, {1, 1, 1, 1}, 3);
  expect_admitted({.threads = 3, .queue_max = 0}, {1, 1, 1}, 3);
  expect_admitted({.threads = 3, .queue_max = 0}, {1, 1, 1, 1}, 3);
  expect_admitted({.threads = 2, .queue_max = SIZE_MAX}, {1, 1, 1, 1, 1}, 5);
}

TEST(Offload, AdmitsUpToTheCostAndNotOneMore) {
  expect_admitted({.threads = 4, .cost_max = 100}, {60, 40}, 2);
  expect_admitted({.threads = 4, .cost_max = 100}, {60, 41}, 1);
  expect_admitted({.threads = 4, .cost_max = 100}, {60, 41, 40}, 2);
}

TEST(Offload, ALoneJobIsAdmittedWhateverItCosts) {
  expect_admitted({.threads = 1, .cost_max = 100}, {1000}, 1);
  expect_admitted({.threads = 2, .cost_max = 100}, {1000, 1}, 1);
  expect_admitted({.threads = 2, .cost_max = 100}, {1, UINT64_MAX}, 1);
  expect_admitted({.threads = 2, .cost_max = UINT64_MAX}, {UINT64_MAX, UINT64_MAX}, 1);
}

Task<void> cancel_waiting(Offload& pool, Gate& gate) {
  TaskGroup keep, drop;
  keep.spawn(blocked_job(pool, 1, gate));
  co_await yield_now();
  drop.spawn(blocked_job(pool, 1, gate));
  co_await yield_now();
  drop.cancel(Errc::kClientGone);
  co_await drop.join();
  EXPECT_EQ(gate.cancelled, 1) << "without waiting for the thread";
  EXPECT_EQ(gate.done, 0);
  keep.spawn(blocked_job(pool, 1, gate));
  co_await yield_now();
  EXPECT_EQ(gate.refused, 0) << "it gave its cost back";
  gate.go.release(2);
  co_await keep.join();
  EXPECT_EQ(gate.executed, 2) << "the cancelled job never ran";
  EXPECT_EQ(pool.stats().queued, 0U);
}

TEST(Offload, ACancelledCallerTakesItsWaitingJobAway) {
  Offload pool({.threads = 1, .cost_max = 2});
  IoThread io(0);
  Gate gate;
  run(io, cancel_waiting(pool, gate));
}

Task<void> run_until_cancelled(Offload& pool, IoThread& io, Event& started, Errc& errc,
                               std::atomic<bool>& saw_cancel) {
  const Result<int> r = co_await pool.run(1, [&](const CancelToken& stop) {
    io.post([&] { started.set(); });
    while (!stop.cancelled()) std::this_thread::yield();
    saw_cancel = true;
    return 1;
  });
  errc = r ? Errc::kCount_ : r.error().errc;
}
Task<void> cancel_running(Offload& pool, IoThread& io) {
  TaskGroup group;
  Event started;
  Errc errc = Errc::kCount_;
  std::atomic<bool> saw_cancel = false;
  group.spawn(run_until_cancelled(pool, io, started, errc, saw_cancel));
  (void)co_await started.wait();
  group.cancel(Errc::kTotalTimeout);
  co_await group.join();
  EXPECT_TRUE(saw_cancel) << "the caller waits until the work has let go of its frame";
  EXPECT_EQ(errc, Errc::kTotalTimeout);
  EXPECT_EQ(pool.stats().running, 0U);
}

TEST(Offload, ACancelReachesRunningWorkAndAwaitsIt) {
  Offload pool({.threads = 1});
  IoThread io(0);
  run(io, cancel_running(pool, io));
}

Task<void> submit_cancelled(Offload& pool, Gate& gate) {
  TaskGroup group;
  group.cancel();
  group.spawn(blocked_job(pool, 1, gate));
  co_await group.join();
  EXPECT_EQ(gate.cancelled, 1);
  EXPECT_EQ(gate.executed, 0);
}

TEST(Offload, ACancelledScopeSubmitsNothing) {
  Offload pool({.threads = 1});
  IoThread io(0);
  Gate gate;
  run(io, submit_cancelled(pool, gate));
}

Task<void> out_of_memory(Offload& pool, Errc& errc) {
  const Result<int> r =
      co_await pool.run(1, [](const CancelToken&) -> int { throw std::bad_alloc(); });
  errc = r ? Errc::kCount_ : r.error().errc;
}

TEST(Offload, RunningOutOfMemoryIsAnError) {
  Offload pool({.threads = 1});
  IoThread io(0);
  Errc errc = Errc::kCount_;
  run(io, out_of_memory(pool, errc));
  EXPECT_EQ(errc, Errc::kOutOfMemory);
}

struct Tally {
  std::atomic<int> done = 0, refused = 0, cancelled = 0, wrong = 0;
};

Task<void> stress_job(Offload& pool, int n, Tally& tally) {
  std::vector<int> frame_local(64, n);  // read by the pool: must outlive a cancel
  const Result<long> r = co_await pool.run(10, [&](const CancelToken& stop) {
    long sum = 0;
    for (int round = 0; round < 50 && !stop.cancelled(); ++round) {
      for (const int v : frame_local) sum += v;
    }
    return sum;
  });
  if (!r)
    ++(r.error().is(Errc::kOffloadFull) ? tally.refused : tally.cancelled);
  else if (*r == 50L * 64 * n)
    ++tally.done;
  else
    ++tally.wrong;
}

Task<void> stress(Offload& pool, IoThreads& threads, std::atomic<int>& left, Tally& tally) {
  std::mt19937 random(IoThread::current().index());
  for (int round = 0; round < 100; ++round) {
    TaskGroup keep, drop;
    for (int i = 0; i < 10; ++i) {
      (random() % 2 == 0 ? keep : drop).spawn(stress_job(pool, i, tally));
    }
    for (auto n = random() % 3; n > 0; --n) co_await yield_now();
    if (random() % 2 == 0) (void)co_await sleep_for(std::chrono::microseconds(random() % 200));
    drop.cancel();
    co_await drop.join();
    co_await keep.join();
  }
  if (--left == 0) threads.stop();
}

TEST(Offload, SurvivesManyCallersAndCancels) {
  Offload pool({.threads = 2, .queue_max = 12, .cost_max = 130});
  IoThreads threads(2);
  std::vector<TaskGroup> groups(2);
  std::atomic<int> left = 2;
  Tally tally;
  threads.start();
  threads.on_each(
      [&](IoThread& io) { groups[io.index()].spawn(stress(pool, threads, left, tally)); });
  threads.join();
  EXPECT_EQ(tally.done + tally.refused + tally.cancelled, 2000);
  EXPECT_EQ(tally.wrong, 0);
  EXPECT_GT(tally.done, 0);
  const Offload::Stats stats = pool.stats();
  EXPECT_EQ(stats.queued + stats.running, 0U);
}

}  // namespace
}  // namespace millrace
