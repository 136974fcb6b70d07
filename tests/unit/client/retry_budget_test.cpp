#include "client/retry_budget.hpp"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::test {
namespace {

using namespace std::chrono_literals;
using client::RetryBudget;

constexpr TimePoint at(Duration since_start) {
  return TimePoint(1000s) + since_start;
}

unsigned take_all(RetryBudget& budget, TimePoint now) {
  unsigned taken = 0;
  while (taken < 1'000'000 && budget.take(now)) ++taken;
  return taken;
}

TEST(RetryBudget, AllowsAShareOfTheRequests) {
  RetryBudget budget({.ratio = 0.2, .min_per_second = 0});
  EXPECT_FALSE(budget.take(at(0s)));
  for (int i = 0; i < 4; ++i) budget.request(at(0s));
  EXPECT_FALSE(budget.take(at(0s)));
  budget.request(at(0s));
  EXPECT_TRUE(budget.take(at(0s)));
  EXPECT_FALSE(budget.take(at(0s)));
  for (int i = 0; i < 95; ++i) budget.request(at(0s));
  EXPECT_EQ(take_all(budget, at(0s)), 19u);
}

TEST(RetryBudget, AlwaysAllowsSomePerSecond) {
  RetryBudget budget({.ratio = 0.2, .min_per_second = 10});
  EXPECT_EQ(take_all(budget, at(0s)), 10u);
  EXPECT_EQ(take_all(budget, at(999ms)), 0u);
  EXPECT_EQ(take_all(budget, at(1s)), 10u);
  EXPECT_EQ(take_all(budget, at(20s)), 10u);
}

// The larger of the two, not their sum.
TEST(RetryBudget, TheMinimumIsPartOfTheShare) {
  RetryBudget budget({.ratio = 0.2, .min_per_second = 10});
  for (int i = 0; i < 100; ++i) budget.request(at(0s));
  EXPECT_EQ(take_all(budget, at(0s)), 20u);
}

TEST(RetryBudget, ForgetsAfterTheWindow) {
  RetryBudget budget({.ratio = 0.2, .min_per_second = 0});
  for (int i = 0; i < 100; ++i) budget.request(at(0s));
  EXPECT_EQ(take_all(budget, at(9999ms)), 20u);
  for (int i = 0; i < 10; ++i) budget.request(at(10s));
  // The requests of the first second are out of the window, their retries at its end are not.
  EXPECT_EQ(take_all(budget, at(10s)), 0u);
  for (int i = 0; i < 100; ++i) budget.request(at(30s));
  EXPECT_EQ(take_all(budget, at(39s)), 20u);
  for (int i = 0; i < 100; ++i) budget.request(at(60s));
  EXPECT_EQ(take_all(budget, at(70s)), 0u);
}

TEST(RetryBudget, ASlotOfAnEarlierRoundCountsForNothing) {
  RetryBudget budget({.ratio = 1.0, .min_per_second = 0});
  for (int i = 0; i < 100; ++i) budget.request(at(0s));
  EXPECT_FALSE(budget.take(at(16s)));
  EXPECT_FALSE(budget.take(at(160s)));
}

TEST(RetryBudget, NothingIsNothing) {
  RetryBudget budget({.ratio = 0.0, .min_per_second = 0});
  for (int i = 0; i < 1000; ++i) budget.request(at(0s));
  EXPECT_FALSE(budget.take(at(0s)));
}

TEST(RetryBudget, WorksAtTheBeginningOfTime) {
  RetryBudget budget({.ratio = 0.5, .min_per_second = 0});
  for (int i = 0; i < 10; ++i) budget.request(TimePoint{});
  EXPECT_EQ(take_all(budget, TimePoint{}), 5u);
}

TEST(RetryBudget, ManyThreadsTogetherGetNoMore) {
  RetryBudget budget({.ratio = 0.2, .min_per_second = 0});
  std::atomic<unsigned> taken = 0;
  const auto work = [&] {
    for (int i = 0; i < 1000; ++i) budget.request(at(0s));
  };
  const auto spend = [&] {
    for (int i = 0; i < 1000; ++i) taken += budget.take(at(1s)) ? 1 : 0;
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(work);
  for (std::thread& t : threads) t.join();
  threads.clear();
  for (int i = 0; i < 4; ++i) threads.emplace_back(spend);
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(taken, 800u);
}

}  // namespace
}  // namespace millrace::test
