#include "runtime/io_threads.hpp"

#include "run.hpp"

#include <atomic>
#include <mutex>
#include <set>

namespace millrace {
namespace {

using namespace std::chrono_literals;

TEST(IoThreads, OnEachRunsOnEveryThreadOnce) {
  IoThreads threads(3);
  ASSERT_EQ(threads.size(), 3U);
  threads.start();
  std::mutex mutex;
  std::set<std::thread::id> ids;
  std::set<unsigned> indices;
  threads.on_each([&](IoThread& io) {
    const std::lock_guard lock(mutex);
    ids.insert(std::this_thread::get_id());
    indices.insert(io.index());
  });
  EXPECT_EQ(ids.size(), 3U);
  EXPECT_FALSE(ids.contains(std::this_thread::get_id()));
  EXPECT_EQ(indices, (std::set{0U, 1U, 2U}));
  threads.stop();
  threads.join();
}

TEST(IoThreads, MayBeDestroyedUnstartedRunningOrStopped) {
  {
    IoThreads never(2);
  }
  {
    IoThreads running(2);
    running.start();
  }
  IoThreads stopped(2);
  stopped.start();
  stopped.stop();
  stopped.join();
}

Task<void> wait_and_count(std::atomic<int>& cancelled) {
  const Result<void> r = co_await sleep_for(1h);
  if (!r && r.error().is(Errc::kShuttingDown)) ++cancelled;
}

Task<void> join_all(IoThread& io, std::atomic<int>& left) {
  co_await io.tasks().join();
  io.stop();
  --left;
}

TEST(IoThreads, OwnTasksAreCancelledAndJoinedBeforeTheStop) {
  IoThreads threads(2);
  std::atomic<int> cancelled = 0;
  std::atomic<int> left = 2;
  std::vector<TaskGroup> joiners(2);
  threads.start();
  threads.on_each([&](IoThread& io) {
    for (int i = 0; i < 10; ++i) io.tasks().spawn(wait_and_count(cancelled));
  });
  threads.on_each([&](IoThread& io) {
    io.tasks().cancel(Errc::kShuttingDown);
    joiners[io.index()].spawn(join_all(io, left));
  });
  threads.join();
  EXPECT_EQ(cancelled, 20);
  EXPECT_EQ(left, 0);
}

/// A token that goes round the threads by post.
struct Ring {
  IoThreads& threads;
  std::atomic<int> hops = 0;
  void pass(unsigned to, int left) {
    threads[to].post([this, to, left] {
      EXPECT_EQ(IoThread::current().index(), to);
      ++hops;
      if (left > 0) pass((to + 1) % static_cast<unsigned>(threads.size()), left - 1);
      if (left == 0) threads.stop();
    });
  }
};

TEST(IoThreads, PostsCrossThreads) {
  IoThreads threads(2);
  Ring ring{threads};
  threads.start();
  ring.pass(0, 10'000);
  threads.join();
  EXPECT_EQ(ring.hops, 10'001);
}

}  // namespace
}  // namespace millrace
