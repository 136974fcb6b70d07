#include "runtime/channel.hpp"

#include "run.hpp"

#include <memory>
#include <random>
#include <string>
#include <vector>

namespace millrace {
namespace {

using test::settle;
using test::start;
using Numbers = Channel<int>;

/// Writes "1 2 closed" and the like: what came out of the channel, in order.
Task<void> receive_into(Numbers& c, std::string& log, int count = 1) {
  for (int i = 0; i < count; ++i) {
    const auto item = co_await c.receive();
    if (!item)
      log += "!" + std::string(item.error().info().code) + " ";
    else
      log += *item ? std::to_string(**item) + " " : "closed ";
  }
}
Task<void> send_all(Numbers& c, std::vector<int> values, std::string& log) {
  for (const int v : values) {
    const Result<void> r = co_await c.send(v);
    log += (r ? "sent" : "!" + std::string(r.error().info().code)) + std::to_string(v) + " ";
  }
}

TEST(Channel, BuffersUpToItsCapacityAndNoMore) {
  TaskGroup group;
  Numbers c(2);
  std::string sent, got;
  start(group, send_all(c, {1, 2}, sent));
  EXPECT_EQ(sent, "sent1 sent2 ");
  start(group, send_all(c, {3, 4}, sent));
  EXPECT_EQ(sent, "sent1 sent2 ") << "one over the capacity waits";
  EXPECT_EQ(c.size(), 2U);
  start(group, receive_into(c, got));
  EXPECT_EQ(got, "1 ");
  EXPECT_EQ(sent, "sent1 sent2 sent3 ");
  start(group, receive_into(c, got, 3));
  EXPECT_EQ(got, "1 2 3 4 ");
}

TEST(Channel, CapacityZeroIsARendezvous) {
  TaskGroup group;
  Numbers c(0);
  std::string sent, got;
  start(group, send_all(c, {1}, sent));
  EXPECT_EQ(sent, "");
  start(group, receive_into(c, got));
  EXPECT_EQ(got, "1 ");
  EXPECT_EQ(sent, "sent1 ");
  start(group, receive_into(c, got));
  EXPECT_EQ(got, "1 ") << "a receiver waits for its sender";
  start(group, send_all(c, {2}, sent));
  EXPECT_EQ(got, "1 2 ");
}

TEST(Channel, ServesWaitersInOrder) {
  TaskGroup group;
  Numbers c(0);
  std::string a, b, sent;
  start(group, receive_into(c, a));
  start(group, receive_into(c, b));
  start(group, send_all(c, {1, 2}, sent));
  EXPECT_EQ(a, "1 ");
  EXPECT_EQ(b, "2 ");
}

TEST(Channel, CloseLetsReceiversHaveWhatIsLeft) {
  TaskGroup group;
  Numbers c(4);
  std::string sent, got;
  start(group, send_all(c, {1, 2}, sent));
  c.close();
  EXPECT_TRUE(c.closed());
  start(group, receive_into(c, got, 4));
  EXPECT_EQ(got, "1 2 closed closed ");
}

TEST(Channel, CloseWakesReceiversAndFailsSenders) {
  TaskGroup group;
  Numbers empty(0), full(0);
  std::string sent, got;
  start(group, receive_into(empty, got));
  start(group, send_all(full, {1}, sent));
  empty.close();
  full.close();
  EXPECT_TRUE(settle());
  EXPECT_EQ(got, "closed ");
  EXPECT_EQ(sent, "!cancelled1 ");
  start(group, send_all(full, {2}, sent));
  EXPECT_EQ(sent, "!cancelled1 !cancelled2 ");
}

TEST(Channel, ACancelledSenderHasNotDelivered) {
  TaskGroup keep, drop;
  Numbers c(0);
  std::string sent, got;
  start(drop, send_all(c, {1}, sent));
  start(keep, send_all(c, {2}, sent));
  drop.cancel(Errc::kClientGone);
  EXPECT_TRUE(settle());
  EXPECT_EQ(sent, "!client_gone1 ");
  start(keep, receive_into(c, got));
  EXPECT_EQ(got, "2 ");
}

TEST(Channel, ASenderCancelledAfterItDeliveredHasSent) {
  TaskGroup senders, receivers;
  Numbers c(0);
  std::string sent, got;
  start(senders, send_all(c, {1, 2}, sent));
  receivers.spawn(receive_into(c, got));
  ASSERT_FALSE(ReadyQueue::current().drain(1)) << "the receiver ran, the sender is woken";
  senders.cancel();
  EXPECT_TRUE(settle());
  EXPECT_EQ(got, "1 ");
  EXPECT_EQ(sent, "sent1 !cancelled2 ");
}

TEST(Channel, ACancelledReceiverLeavesItsPlaceToTheNext) {
  TaskGroup keep, drop;
  Numbers c(0);
  std::string dropped, got, sent;
  start(drop, receive_into(c, dropped));
  start(keep, receive_into(c, got));
  drop.cancel();
  EXPECT_TRUE(settle());
  EXPECT_EQ(dropped, "!cancelled ");
  start(keep, send_all(c, {1}, sent));
  EXPECT_EQ(got, "1 ");
}

TEST(Channel, WhatACancelledReceiverWasHandedGoesBackToTheFront) {
  for (const std::size_t capacity : {0UL, 1UL, 4UL}) {
    TaskGroup keep, drop;
    Numbers c(capacity);
    std::string dropped, got, sent;
    start(drop, receive_into(c, dropped));
    keep.spawn(send_all(c, {1, 2, 3}, sent));
    ASSERT_FALSE(ReadyQueue::current().drain(1)) << "handed over, and not yet looked at";
    drop.cancel();
    EXPECT_TRUE(settle());
    EXPECT_EQ(dropped, "!cancelled ");
    start(keep, receive_into(c, got));
    EXPECT_LE(c.size(), capacity) << "no sender slips in behind what was put back";
    start(keep, receive_into(c, got, 2));
    EXPECT_EQ(got, "1 2 3 ") << "capacity " << capacity;
    EXPECT_EQ(sent, "sent1 sent2 sent3 ");
    EXPECT_EQ(c.size(), 0U);
  }
}

TEST(Channel, WhatACancelledReceiverWasHandedGoesToTheNextThatWaits) {
  TaskGroup keep, drop;
  Numbers c(0);
  std::string dropped, got, sent;
  start(drop, receive_into(c, dropped));
  start(keep, receive_into(c, got));
  keep.spawn(send_all(c, {1}, sent));
  ASSERT_FALSE(ReadyQueue::current().drain(1));
  drop.cancel();
  EXPECT_TRUE(settle());
  EXPECT_EQ(got, "1 ");
}

TEST(Channel, AnItemPutBackSurvivesClose) {
  TaskGroup keep, drop;
  Numbers c(0);
  std::string dropped, got, sent;
  start(drop, receive_into(c, dropped));
  keep.spawn(send_all(c, {1}, sent));
  ASSERT_FALSE(ReadyQueue::current().drain(1));
  c.close();
  drop.cancel();
  EXPECT_TRUE(settle());
  start(keep, receive_into(c, got, 2));
  EXPECT_EQ(got, "1 closed ");
}

TEST(Channel, InACancelledScopeNothingIsSentOrTaken) {
  TaskGroup keep, cancelled;
  Numbers c(4);
  std::string sent, got;
  start(keep, send_all(c, {1}, sent));
  cancelled.cancel(Errc::kDeadline);
  start(cancelled, receive_into(c, got));
  start(cancelled, send_all(c, {2}, sent));
  EXPECT_EQ(got, "!deadline ");
  EXPECT_EQ(sent, "sent1 !deadline2 ");
  EXPECT_EQ(c.size(), 1U);
}

Task<void> pass(Channel<std::unique_ptr<int>>& from, Channel<std::unique_ptr<int>>& to) {
  while (auto item = co_await from.receive()) {
    if (!*item) break;
    if (!co_await to.send(std::move(**item))) break;
  }
  to.close();
}
Task<void> feed(Channel<std::unique_ptr<int>>& to, int n) {
  for (int i = 0; i < n; ++i) (void)co_await to.send(std::make_unique<int>(i));
  to.close();
}
Task<void> add_up(Channel<std::unique_ptr<int>>& from, int& items, long& sum) {
  for (;;) {
    auto item = co_await from.receive();
    if (!item || !*item) co_return;
    sum += ***item;
    ++items;
  }
}

TEST(Channel, MoveOnlyItemsGoThroughAPipeline) {
  for (const std::size_t capacity : {0UL, 1UL, 7UL}) {
    TaskGroup group;
    Channel<std::unique_ptr<int>> a(capacity), b(capacity);
    int items = 0;
    long sum = 0;
    group.spawn(add_up(b, items, sum));
    group.spawn(pass(a, b));
    group.spawn(feed(a, 1000));
    EXPECT_TRUE(settle());
    EXPECT_EQ(items, 1000);
    EXPECT_EQ(sum, 499'500);
  }
}

Task<void> send_counted(Numbers& c, int value, int& sent) {
  if (co_await c.send(value)) ++sent;
}
Task<void> receive_counted(Numbers& c, int& received) {
  const auto item = co_await c.receive();
  if (item && *item) ++received;
}

TEST(Channel, UnderRandomCancelsEveryItemSentIsReceivedOnce) {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    Numbers c(round % 4);
    int sent = 0, received = 0;
    std::vector<std::unique_ptr<TaskGroup>> groups;
    for (int i = 0; i < 60; ++i) {
      groups.push_back(std::make_unique<TaskGroup>());
      if (random() % 2 == 0)
        groups.back()->spawn(send_counted(c, i, sent));
      else
        groups.back()->spawn(receive_counted(c, received));
      if (random() % 3 == 0) groups[random() % groups.size()]->cancel();
      (void)ReadyQueue::current().drain(static_cast<int>(random() % 4));
    }
    for (const auto& g : groups) {
      g->cancel();
      (void)ReadyQueue::current().drain(static_cast<int>(random() % 4));
    }
    EXPECT_TRUE(settle());
    EXPECT_EQ(sent, received + static_cast<int>(c.size()));
  }
}

}  // namespace
}  // namespace millrace
