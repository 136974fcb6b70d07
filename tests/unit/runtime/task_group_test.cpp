#include "runtime/task_group.hpp"

#include "run.hpp"

#include <memory>
#include <string>
#include <vector>

namespace millrace {
namespace {

using test::settle;
using test::start;

Task<void> note(std::string& log, char c) {
  log += c;
  co_return;
}
Task<void> note_after(Event& e, std::string& log, char c) {
  const Result<void> r = co_await e.wait();
  log += r ? c : 'x';
}

TEST(TaskGroup, AChildStartsInItsTurnNotInsideSpawn) {
  TaskGroup group;
  std::string log;
  group.spawn(note(log, 'a'));
  group.spawn(note(log, 'b'));
  EXPECT_EQ(log, "");
  EXPECT_EQ(group.size(), 2U);
  EXPECT_TRUE(settle());
  EXPECT_EQ(log, "ab");
  EXPECT_EQ(group.size(), 0U);
}

Task<void> join_children(Event& e, int n, std::string& log) {
  TaskGroup children;
  for (int i = 0; i < n; ++i) children.spawn(note_after(e, log, 'c'));
  co_await children.join();
  log += 'j';
}

TEST(TaskGroup, JoinWaitsForAll) {
  TaskGroup group;
  Event event;
  std::string log;
  start(group, join_children(event, 3, log));
  EXPECT_EQ(log, "");
  event.set();
  EXPECT_TRUE(settle());
  EXPECT_EQ(log, "cccj");
}

TEST(TaskGroup, JoinOfNobodyReturnsAtOnce) {
  TaskGroup group;
  Event event;
  std::string log;
  start(group, join_children(event, 0, log));
  EXPECT_EQ(log, "j");
}

TEST(TaskGroup, CancellingTheJoinerCancelsTheChildrenAndStillAwaitsThem) {
  TaskGroup group;
  Event never;
  std::string log;
  start(group, join_children(never, 2, log));
  group.cancel();
  EXPECT_TRUE(settle());
  EXPECT_EQ(log, "xxj");
}

TEST(TaskGroup, AJoinerCancelledBeforeItJoinsCancelsItsChildren) {
  TaskGroup group;
  Event never;
  std::string log;
  group.spawn(join_children(never, 2, log));
  group.cancel();
  EXPECT_TRUE(settle());
  EXPECT_EQ(log, "xxj");
}

Task<void> stubborn(Event& first, Scope& shield, Event& second, std::string& log) {
  log += co_await first.wait() ? 'a' : 'x';
  auto wait = [](Event& e) -> Task<Result<void>> { co_return co_await e.wait(); };
  log += co_await shielded(shield, wait(second)) ? 'b' : 'y';
}
Task<void> join_one(Task<void> child, std::string& log) {
  TaskGroup children;
  children.spawn(std::move(child));
  co_await children.join();
  log += 'j';
}

TEST(TaskGroup, ACancelledJoinWaitsForAChildThatCleansUp) {
  TaskGroup group;
  Event never, done;
  Scope shield;
  std::string log;
  start(group, join_one(stubborn(never, shield, done, log), log));
  group.cancel();
  EXPECT_TRUE(settle());
  EXPECT_EQ(log, "x");
  done.set();
  EXPECT_TRUE(settle());
  EXPECT_EQ(log, "xbj");
}

TEST(TaskGroup, ACancelledGroupCancelsLaterChildrenToo) {
  TaskGroup group;
  Event never;
  std::string log;
  group.cancel();
  start(group, note_after(never, log, 'c'));
  EXPECT_EQ(log, "x");
}

Task<void> count_ends(Event& a, Event& b, std::string& log) {
  TaskGroup children;
  children.spawn(note_after(a, log, 'a'));
  children.spawn(note_after(b, log, 'b'));
  co_await children.next();
  log += '1';
  co_await children.next();
  log += '2';
  co_await children.next();  // nobody left: at once
  log += '3';
}

TEST(TaskGroup, NextReturnsAsEachChildEnds) {
  TaskGroup group;
  Event a, b;
  std::string log;
  start(group, count_ends(a, b, log));
  b.set();
  EXPECT_TRUE(settle());
  EXPECT_EQ(log, "b1");
  a.set();
  EXPECT_TRUE(settle());
  EXPECT_EQ(log, "b1a23");
}

Task<void> spawn_more(TaskGroup& group, Event& e, std::string& log) {
  (void)co_await e.wait();
  group.spawn(note(log, 'n'));
}
Task<void> join_both(TaskGroup& group, std::string& log) {
  co_await group.join();
  log += static_cast<char>('0' + group.size());
}

TEST(TaskGroup, NobodyCanSpawnBetweenTheLastEndAndTheJoin) {
  TaskGroup group, outside;
  Event event;
  std::string log;
  start(group, note_after(event, log, 'a'));
  start(outside, join_both(group, log));
  start(outside, spawn_more(group, event, log));
  event.set();  // in one turn the last child ends, and somebody spawns another
  EXPECT_TRUE(settle());
  EXPECT_EQ(log, "a0n");
}

Task<void> spawn_sibling(TaskGroup& group, int n, int& ran) {
  ++ran;
  if (n > 0) group.spawn(spawn_sibling(group, n - 1, ran));
  co_return;
}
Task<void> join_family(int& ran) {
  TaskGroup children;
  children.spawn(spawn_sibling(children, 1000, ran));
  co_await children.join();
  EXPECT_EQ(ran, 1001);
}

TEST(TaskGroup, JoinWaitsForChildrenOfChildren) {
  TaskGroup group;
  int ran = 0;
  start(group, join_family(ran));
  EXPECT_EQ(ran, 1001);
}

Task<void> hold(std::shared_ptr<int>) {
  co_await yield_now();
}

TEST(TaskGroup, WhatAChildHeldIsGoneBeforeTheJoinReturns) {
  TaskGroup group;
  auto held = std::make_shared<int>(1);
  long count = 0;
  auto body = [](std::shared_ptr<int>& h, long& n) -> Task<void> {
    TaskGroup children;
    children.spawn(hold(h));
    co_await children.join();
    n = h.use_count();
  };
  start(group, body(held, count));
  EXPECT_EQ(count, 1);
}

TEST(TaskGroup, HoldsAHundredThousandChildrenAndCancelsThem) {
  TaskGroup group;
  Event never;
  std::string log;
  for (int i = 0; i < 100'000; ++i) group.spawn(note_after(never, log, 'c'));
  EXPECT_TRUE(settle());
  EXPECT_EQ(group.size(), 100'000U);
  group.cancel();
  EXPECT_TRUE(settle());
  EXPECT_EQ(group.size(), 0U);
  EXPECT_EQ(log, std::string(100'000, 'x'));
}

Task<void> count_turns(int n, std::vector<int>& order, int name) {
  for (int i = 0; i < n; ++i) {
    order.push_back(name);
    co_await yield_now();
  }
}

TEST(ReadyQueue, YieldTakesTurns) {
  TaskGroup group;
  std::vector<int> order;
  group.spawn(count_turns(3, order, 1));
  group.spawn(count_turns(3, order, 2));
  EXPECT_TRUE(settle());
  EXPECT_EQ(order, (std::vector{1, 2, 1, 2, 1, 2}));
}

TEST(ReadyQueue, DrainStopsAtItsBudget) {
  TaskGroup group;
  std::vector<int> order;
  group.spawn(count_turns(10, order, 1));
  EXPECT_FALSE(ReadyQueue::current().drain(10));
  EXPECT_EQ(order.size(), 10U);
  EXPECT_TRUE(ReadyQueue::current().drain(1)) << "the last resume, just within";
  EXPECT_EQ(group.size(), 0U);
}

}  // namespace
}  // namespace millrace
