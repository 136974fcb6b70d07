#include "runtime/scope.hpp"

#include "run.hpp"

#include <vector>

namespace millrace {
namespace {

using test::settle;
using test::start;

Task<Result<void>> wait_for(Event& e) {
  co_return co_await e.wait();
}

Task<void> wait_twice(Event& first, Event& second, std::vector<Result<void>>& results) {
  results.push_back(co_await first.wait());
  results.push_back(co_await second.wait());
}

TEST(Scope, CancelWakesTheLeafWithItsReason) {
  TaskGroup group;
  Event never;
  std::vector<Result<void>> results;
  start(group, wait_twice(never, never, results));
  EXPECT_TRUE(results.empty());
  group.cancel(Errc::kClientGone);
  EXPECT_TRUE(results.empty()) << "nobody runs inside cancel";
  EXPECT_TRUE(settle());
  ASSERT_EQ(results.size(), 2U) << "the flag stays: the second wait fails too";
  EXPECT_TRUE(results[0].error().is(Errc::kClientGone));
  EXPECT_TRUE(results[1].error().is(Errc::kClientGone));
}

TEST(Scope, AWaitThatWasOverBeforeTheCancelKeepsItsResultAndTheNextFails) {
  TaskGroup group;
  Event first, second;
  std::vector<Result<void>> results;
  start(group, wait_twice(first, second, results));
  first.set();
  group.cancel(Errc::kDeadline);
  EXPECT_TRUE(settle());
  ASSERT_EQ(results.size(), 2U);
  EXPECT_TRUE(results[0]);
  EXPECT_TRUE(results[1].error().is(Errc::kDeadline));
}

TEST(Scope, ACancelledWaitIsNotWokenAgainByItsEvent) {
  TaskGroup group;
  Event first, second;
  std::vector<Result<void>> results;
  start(group, wait_twice(first, second, results));
  group.cancel();
  first.set();
  EXPECT_TRUE(settle());
  ASSERT_EQ(results.size(), 2U);
  EXPECT_FALSE(results[0]);
}

TEST(Scope, CancelBeforeTheStartIsSeenByTheFirstWait) {
  TaskGroup group;
  Event never;
  std::vector<Result<void>> results;
  group.spawn(wait_twice(never, never, results));
  group.cancel();
  EXPECT_TRUE(settle());
  EXPECT_EQ(results.size(), 2U);
  EXPECT_EQ(group.size(), 0U);
}

TEST(Scope, TheFirstReasonWins) {
  Scope scope;
  scope.cancel(Errc::kDeadline);
  scope.cancel(Errc::kClientGone);
  EXPECT_TRUE(scope.cancelled());
  EXPECT_EQ(scope.reason(), Errc::kDeadline);
}

Task<void> in_inner(Scope& inner, Event& inner_event, Event& after,
                    std::vector<Result<void>>& out) {
  out.push_back(co_await in_scope(inner, wait_for(inner_event)));
  out.push_back(co_await after.wait());
}

TEST(InScope, CancellingTheInnerScopeLeavesTheOuterAlone) {
  TaskGroup group;
  Scope inner;
  Event never, after;
  std::vector<Result<void>> out;
  start(group, in_inner(inner, never, after, out));
  inner.cancel(Errc::kFirstByteTimeout);
  EXPECT_TRUE(settle());
  ASSERT_EQ(out.size(), 1U);
  EXPECT_TRUE(out[0].error().is(Errc::kFirstByteTimeout));
  after.set();
  EXPECT_TRUE(settle());
  ASSERT_EQ(out.size(), 2U);
  EXPECT_TRUE(out[1]);
}

TEST(InScope, CancellingTheOuterScopeReachesTheInner) {
  TaskGroup group;
  Scope inner;
  Event never, after;
  std::vector<Result<void>> out;
  start(group, in_inner(inner, never, after, out));
  group.cancel(Errc::kClientGone);
  EXPECT_TRUE(settle());
  ASSERT_EQ(out.size(), 2U);
  EXPECT_TRUE(out[0].error().is(Errc::kClientGone));
  EXPECT_EQ(inner.reason(), Errc::kClientGone);
  EXPECT_TRUE(out[1].error().is(Errc::kClientGone));
}

TEST(InScope, ACancelledOuterScopeCancelsTheInnerAtItsStart) {
  TaskGroup group;
  Scope inner;
  Event never, after;
  std::vector<Result<void>> out;
  group.spawn(in_inner(inner, never, after, out));
  group.cancel(Errc::kClientGone);
  EXPECT_TRUE(settle());
  ASSERT_EQ(out.size(), 2U);
  EXPECT_TRUE(out[0].error().is(Errc::kClientGone));
}

TEST(InScope, TheOuterScopeIsFreeOfTheInnerAfterwards) {
  TaskGroup group;
  Event event, never;
  std::vector<Result<void>> out;
  {
    Scope inner;
    start(group, in_inner(inner, event, never, out));
    event.set();
    EXPECT_TRUE(settle());
    ASSERT_EQ(out.size(), 1U);
    EXPECT_TRUE(out[0]);
  }
  group.cancel();
  EXPECT_TRUE(settle());
  ASSERT_EQ(out.size(), 2U);
  EXPECT_FALSE(out[1]);
}

Task<Result<void>> nested(int levels, Event& e) {
  if (levels == 0) co_return co_await e.wait();
  Scope scope;
  co_return co_await in_scope(scope, nested(levels - 1, e));
}
Task<void> run_nested(Event& e, Result<void>& out) {
  out = co_await nested(100, e);
}

TEST(InScope, ACancelGoesThroughAHundredLevels) {
  TaskGroup group;
  Event never;
  Result<void> out;
  start(group, run_nested(never, out));
  group.cancel(Errc::kShuttingDown);
  EXPECT_TRUE(settle());
  EXPECT_TRUE(out.error().is(Errc::kShuttingDown));
}

Task<void> clean_up(Event& work, Event& goodbye, std::vector<Result<void>>& out) {
  out.push_back(co_await work.wait());
  Scope limit;
  out.push_back(co_await shielded(limit, wait_for(goodbye)));
  out.push_back(co_await goodbye.wait());
}

TEST(Shielded, CleanUpOutlivesACancel) {
  TaskGroup group;
  Event never, goodbye;
  std::vector<Result<void>> out;
  start(group, clean_up(never, goodbye, out));
  group.cancel();
  EXPECT_TRUE(settle());
  ASSERT_EQ(out.size(), 1U);
  EXPECT_FALSE(out[0]);
  goodbye.set();
  EXPECT_TRUE(settle());
  ASSERT_EQ(out.size(), 3U);
  EXPECT_TRUE(out[1]);
  EXPECT_EQ(group.size(), 0U);
}

/// A leaf that goes on for the first reason.
struct Stubborn final : Cancellable {
  Scope& scope;
  std::vector<Errc> told;
  explicit Stubborn(Scope& s) noexcept : scope(s) { scope.enter(*this); }
  void cancel() noexcept override {
    told.push_back(scope.reason());
    if (told.size() == 1) scope.enter(*this);
  }
};

TEST(Scope, ALeafThatEntersAgainIsToldAgain) {
  Scope scope;
  Stubborn leaf(scope);
  scope.cancel(Errc::kClientGone);
  scope.cancel(Errc::kShuttingDown);
  scope.cancel(Errc::kDeadline);  // it has left
  EXPECT_EQ(leaf.told, (std::vector{Errc::kClientGone, Errc::kShuttingDown}));
  EXPECT_EQ(scope.reason(), Errc::kShuttingDown);
}

Task<void> look_at_scope(Scope*& out) {
  out = co_await this_scope();
}

TEST(Scope, ACoroutineCanAskForItsScope) {
  TaskGroup group;
  Scope* scope = nullptr;
  start(group, look_at_scope(scope));
  EXPECT_NE(scope, nullptr);
}

}  // namespace
}  // namespace millrace
