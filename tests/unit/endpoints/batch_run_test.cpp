// Source, workers, sink: order, bounds, and ends.
#include "endpoints/batch_run.hpp"

#include "support/on_io.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::endpoints {
namespace {

class Counted final : public BatchSource {
 public:
  explicit Counted(std::uint64_t count) : count_(count) {}
  Task<Result<ItemPtr>> next() override {
    if (given == fails_at) co_return fail(Errc::kBodyTruncated);
    if (given == count_) co_return ItemPtr();
    auto item = std::make_unique<BatchItem>();
    item->index = given++;
    co_return item;
  }
  std::uint64_t given = 0;
  std::uint64_t fails_at = UINT64_MAX;

 private:
  const std::uint64_t count_;
};

/// Ends items when it is told to; without that at once.
class Work final : public BatchWork {
 public:
  Task<ResultPtr> run(ItemPtr item) override {
    most = std::max(most, ++running);
    if (held) (void)co_await may_end[item->index].wait();
    --running;
    auto result = std::make_unique<BatchResult>(memory);
    result->index = item->index;
    co_return result;
  }
  HeldBytes memory{1 << 20};
  bool held = false;
  std::array<Event, 64> may_end;
  unsigned running = 0;
  unsigned most = 0;
};

class Sink final : public BatchSink {
 public:
  Task<Result<void>> take(ResultPtr result) override {
    taken.push_back(result->index);
    if (taken.size() == fails_at) co_return fail(Errc::kWriteStalled);
    if (stuck) (void)co_await unstuck.wait();
    co_return Result<void>{};
  }
  std::vector<std::uint64_t> taken;
  std::size_t fails_at = SIZE_MAX;
  bool stuck = false;
  Event unstuck;
};

Task<void> run_into(BatchRun& run, Result<void>& outcome) {
  outcome = co_await run.run();
}
Task<void> settle() {
  for (int i = 0; i < 200; ++i) co_await yield_now();
}

struct Batch : testing::Test {
  /// Runs `during` beside the batch, then awaits its end.
  template <class F>
  void run(std::uint64_t count, unsigned parallel, F during) {
    source.emplace(count);
    source->fails_at = source_fails_at;
    IoThread io(0);
    millrace::test::on_io(io, [&]() -> Task<void> {
      BatchRun batch(*source, work, sink, parallel);
      TaskGroup group;
      group.spawn(run_into(batch, outcome));
      co_await during(group);
      co_await group.join();
    });
  }
  static Task<void> nothing(TaskGroup&) { co_return; }

  std::uint64_t source_fails_at = UINT64_MAX;
  std::optional<Counted> source;
  Work work;
  Sink sink;
  Result<void> outcome = fail(Errc::kInternal);
};

TEST_F(Batch, EveryItemBecomesAResult) {
  for (const unsigned parallel : {1U, 3U, 256U}) {
    sink.taken.clear();
    run(50, parallel, nothing);
    EXPECT_TRUE(outcome);
    std::ranges::sort(sink.taken);
    ASSERT_EQ(sink.taken.size(), 50U);
    for (std::size_t i = 0; i < 50; ++i) EXPECT_EQ(sink.taken[i], i);
  }
  run(0, 4, nothing);
  EXPECT_TRUE(outcome);
}

TEST_F(Batch, AsManyAtOnceAsAllowedAndInTheOrderOfTheirEnds) {
  work.held = true;
  run(6, 3, [&](TaskGroup&) -> Task<void> {
    co_await settle();
    EXPECT_EQ(work.running, 3U);
    for (const std::size_t i : {2, 1, 3, 5, 4, 0}) {
      work.may_end[i].set();
      co_await settle();
    }
  });
  EXPECT_TRUE(outcome);
  EXPECT_EQ(work.most, 3U);
  EXPECT_EQ(sink.taken, (std::vector<std::uint64_t>{2, 1, 3, 5, 4, 0}));
}

TEST_F(Batch, ASinkThatDoesNotTakeStopsTheSource) {
  sink.stuck = true;
  run(60, 4, [&](TaskGroup&) -> Task<void> {
    co_await settle();
    // One in the sink, four in the channel, four with workers, one on its way to them.
    EXPECT_EQ(source->given, 10U);
    sink.stuck = false;
    sink.unstuck.set();
  });
  EXPECT_TRUE(outcome);
  EXPECT_EQ(sink.taken.size(), 60U);
}

TEST_F(Batch, AnErrorOfTheSourceCancelsWhatRuns) {
  work.held = true;
  source_fails_at = 3;
  run(10, 8, nothing);
  EXPECT_EQ(outcome, fail(Errc::kBodyTruncated));
  EXPECT_EQ(work.running, 0U);
}

TEST_F(Batch, AnErrorOfTheSinkCancelsWhatRuns) {
  work.held = true;
  work.may_end[0].set();
  sink.fails_at = 1;
  run(10, 4, nothing);
  EXPECT_EQ(outcome, fail(Errc::kWriteStalled));
  EXPECT_EQ(work.running, 0U);
  EXPECT_EQ(sink.taken.size(), 1U);
}

TEST_F(Batch, CancellingCancelsWhatRuns) {
  work.held = true;
  run(10, 4, [&](TaskGroup& group) -> Task<void> {
    co_await settle();
    EXPECT_EQ(work.running, 4U);
    group.cancel(Errc::kClientGone);
  });
  EXPECT_EQ(outcome, fail(Errc::kClientGone));
  EXPECT_EQ(work.running, 0U);
}

}  // namespace
}  // namespace millrace::endpoints
