#include "runtime/task.hpp"

#include "run.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace millrace {
namespace {

using test::settle;
using test::start;

Task<int> add(int a, int b) {
  co_return a + b;
}

TEST(Task, IsLazyAndAnUnawaitedOneNeverRuns) {
  auto held = std::make_shared<int>(1);
  bool ran = false;
  auto body = [](std::shared_ptr<int>, bool& flag) -> Task<void> {
    flag = true;
    co_return;
  };
  {
    Task<void> t = body(held, ran);
    EXPECT_TRUE(t);
    EXPECT_EQ(held.use_count(), 2);
  }
  EXPECT_FALSE(ran);
  EXPECT_EQ(held.use_count(), 1) << "its arguments are gone with it";
}

Task<void> sum_into(int& out) {
  out = co_await add(1, 2) + co_await add(3, 4);
}

TEST(Task, GivesItsValueToItsAwaiter) {
  TaskGroup group;
  int sum = 0;
  start(group, sum_into(sum));
  EXPECT_EQ(sum, 10);
}

Task<void> await_nothing(Scope& scope, bool& passed) {
  co_await Task<void>();
  co_await in_scope(scope, Task<void>());
  co_await shielded(scope, Task<void>());
  passed = true;
}

TEST(Task, WithoutACoroutineThereIsNothingToWaitFor) {
  TaskGroup group;
  Scope scope;
  bool passed = false;
  start(group, Task<void>());
  EXPECT_EQ(group.size(), 0u);
  start(group, await_nothing(scope, passed));
  EXPECT_TRUE(passed);
}

Task<std::unique_ptr<std::string>> make_text() {
  co_return std::make_unique<std::string>("text");
}
Task<Result<int>> fails() {
  co_return fail(Errc::kBadHost);
}
struct Pair {
  int a = 0, b = 0;
};
Task<Pair> braced() {
  co_return {1, 2};
}
Task<void> collect(std::string& text, Errc& errc, Pair& pair) {
  text = *co_await make_text();
  errc = (co_await fails()).error().errc;
  pair = co_await braced();
}

TEST(Task, CarriesMoveOnlyValuesErrorsAndBracedValues) {
  TaskGroup group;
  std::string text;
  Errc errc{};
  Pair pair;
  start(group, collect(text, errc, pair));
  EXPECT_EQ(text, "text");
  EXPECT_EQ(errc, Errc::kBadHost);
  EXPECT_EQ(pair.b, 2);
}

Task<int> throws(bool after_wait) {
  if (after_wait) co_await yield_now();
  throw std::runtime_error("broken");
}
Task<void> catches(bool after_wait, std::string& what) {
  const auto held = std::make_unique<int>(1);
  try {
    co_await throws(after_wait);
  } catch (const std::runtime_error& e) {
    what = e.what();
  }
}

TEST(Task, AnExceptionReachesTheAwaiter) {
  for (const bool after_wait : {false, true}) {
    TaskGroup group;
    std::string what;
    start(group, catches(after_wait, what));
    EXPECT_EQ(what, "broken");
  }
}

Task<void> throws_uncaught() {
  co_await throws(true);
}

TEST(TaskDeathTest, AnExceptionOutOfAChildEndsTheProcess) {
  EXPECT_DEATH(
      {
        TaskGroup group;
        start(group, throws_uncaught());
      },
      "");
}

Task<int> depth(int n) {
  if (n == 0) co_await yield_now();
  co_return n == 0 ? 0 : 1 + co_await depth(n - 1);
}
Task<void> measure(int n, int& out) {
  out = co_await depth(n);
}

TEST(Task, AHundredThousandDeepDoesNotUseTheStack) {
  TaskGroup group;
  int result = 0;
  start(group, measure(100'000, result));
  EXPECT_EQ(result, 100'000);
}

Task<void> many(int n, long& sum) {
  for (int i = 0; i < n; ++i) sum += co_await add(i, 1);
}

TEST(Task, AMillionThatEndAtOnceDoNotUseTheStack) {
  TaskGroup group;
  long sum = 0;
  start(group, many(1'000'000, sum));
  EXPECT_EQ(sum, 500'000'500'000L);
}

struct Note {
  std::vector<int>& order;
  int n;
  ~Note() { order.push_back(n); }
};
Task<void> inner(std::vector<int>& order) {
  const Note note{order, 1};
  co_await yield_now();
}
Task<void> outer(std::vector<int>& order) {
  const Note note{order, 3};
  co_await inner(order);
  order.push_back(2);
}

TEST(Task, LocalsGoWhenTheirCoroutineEnds) {
  TaskGroup group;
  std::vector<int> order;
  start(group, outer(order));
  EXPECT_EQ(order, (std::vector{1, 2, 3}));
}

TEST(Task, MoveAssignmentDestroysWhatWasThere) {
  auto first = std::make_shared<int>(1);
  auto second = std::make_shared<int>(2);
  auto body = [](std::shared_ptr<int>) -> Task<void> { co_return; };
  Task<void> t = body(first);
  t = body(second);
  EXPECT_EQ(first.use_count(), 1);
  EXPECT_EQ(second.use_count(), 2);
  t = Task<void>();
  EXPECT_EQ(second.use_count(), 1);
}

}  // namespace
}  // namespace millrace
