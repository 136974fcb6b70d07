#include "run.hpp"
#include "runtime/wait_queue.hpp"

#include <vector>

namespace millrace {
namespace {

using test::settle;
using test::start;

Task<void> wait_as(Event& e, int name, std::vector<int>& order) {
  const Result<void> r = co_await e.wait();
  order.push_back(r ? name : -name);
}

TEST(Event, WakesEveryWaiterInOrder) {
  TaskGroup group;
  Event event;
  std::vector<int> order;
  for (int i = 1; i <= 3; ++i) start(group, wait_as(event, i, order));
  EXPECT_TRUE(order.empty());
  event.set();
  EXPECT_TRUE(settle());
  EXPECT_EQ(order, (std::vector{1, 2, 3}));
}

TEST(Event, StaysSetUntilReset) {
  TaskGroup group;
  Event event;
  std::vector<int> order;
  event.set();
  start(group, wait_as(event, 1, order));
  EXPECT_EQ(order, std::vector{1});
  event.reset();
  EXPECT_FALSE(event.is_set());
  start(group, wait_as(event, 2, order));
  EXPECT_EQ(order, std::vector{1});
  event.set();
  EXPECT_TRUE(settle());
  EXPECT_EQ(order, (std::vector{1, 2}));
}

TEST(Event, AResetRightAfterSetStillWakesWhoWaited) {
  TaskGroup group;
  Event event;
  std::vector<int> order;
  start(group, wait_as(event, 1, order));
  event.set();
  event.reset();
  EXPECT_TRUE(settle());
  EXPECT_EQ(order, std::vector{1});
}

TEST(Event, ACancelledWaiterLeavesTheOthersInTheQueue) {
  TaskGroup keep, drop;
  Event event;
  std::vector<int> order;
  start(keep, wait_as(event, 1, order));
  start(drop, wait_as(event, 2, order));
  start(keep, wait_as(event, 3, order));
  drop.cancel();
  EXPECT_TRUE(settle());
  EXPECT_EQ(order, std::vector{-2});
  event.set();
  EXPECT_TRUE(settle());
  EXPECT_EQ(order, (std::vector{-2, 1, 3}));
}

}  // namespace
}  // namespace millrace
