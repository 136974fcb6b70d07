#include "run.hpp"
#include "runtime/channel.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace millrace {
namespace {

using test::settle;
using test::start;

Task<int> after(Event& e, int value, std::vector<int>& ended) {
  const Result<void> r = co_await e.wait();
  ended.push_back(r ? value : -value);
  co_return value;
}
Task<std::string> text_after(Event& e) {
  (void)co_await e.wait();
  co_return "text";
}

Task<void> select_two(Event& a, Event& b, std::vector<int>& ended, std::size_t& winner,
                      int& value) {
  const auto result = co_await select(after(a, 1, ended), after(b, 2, ended));
  winner = result.index();
  value = winner == 0 ? std::get<0>(result) : std::get<1>(result);
}

TEST(Select, GivesTheFirstAndCancelsAndAwaitsTheOthers) {
  TaskGroup group;
  Event a, b;
  std::vector<int> ended;
  std::size_t winner = 9;
  int value = 0;
  start(group, select_two(a, b, ended, winner, value));
  EXPECT_EQ(winner, 9U);
  b.set();
  EXPECT_TRUE(settle());
  EXPECT_EQ(winner, 1U);
  EXPECT_EQ(value, 2);
  EXPECT_EQ(ended, (std::vector{2, -1}));
}

TEST(Select, OfTwoInOneTurnTheFirstWokenWins) {
  TaskGroup group;
  Event a, b;
  std::vector<int> ended;
  std::size_t winner = 9;
  int value = 0;
  start(group, select_two(a, b, ended, winner, value));
  b.set();
  a.set();
  EXPECT_TRUE(settle());
  EXPECT_EQ(winner, 1U);
  EXPECT_EQ(ended, (std::vector{2, 1}));
}

TEST(Select, ACancelledCallerCancelsEveryArm) {
  TaskGroup group;
  Event a, b;
  std::vector<int> ended;
  std::size_t winner = 9;
  int value = 0;
  start(group, select_two(a, b, ended, winner, value));
  group.cancel();
  EXPECT_TRUE(settle());
  EXPECT_EQ(winner, 0U);
  EXPECT_EQ(ended, (std::vector{-1, -2}));
  EXPECT_EQ(group.size(), 0U);
}

Task<void> select_types(Event& a, Event& b, std::string& out) {
  std::vector<int> ended;
  auto result = co_await select(after(a, 1, ended), text_after(b));
  if (result.index() == 1) out = std::get<std::string>(result);
}

TEST(Select, ArmsMayDifferInType) {
  TaskGroup group;
  Event a, b;
  std::string out;
  start(group, select_types(a, b, out));
  b.set();
  EXPECT_TRUE(settle());
  EXPECT_EQ(out, "text");
}

Task<int> counted(int value, int& started) {
  ++started;
  co_return value;
}
Task<void> select_ready(int& started, std::size_t& winner) {
  const auto result = co_await select(counted(1, started), counted(2, started));
  winner = result.index();
}

TEST(Select, AnArmBehindAWinnerDoesNotStart) {
  TaskGroup group;
  int started = 0;
  std::size_t winner = 9;
  start(group, select_ready(started, winner));
  EXPECT_EQ(winner, 0U);
  EXPECT_EQ(started, 1);
}

Task<void> select_nested(Event& a, Event& b, std::vector<int>& ended,
                         std::vector<std::size_t>& path) {
  const auto result =
      co_await select(select(after(a, 1, ended), after(a, 2, ended)), after(b, 3, ended));
  path.push_back(result.index());
  if (result.index() == 0) path.push_back(std::get<0>(result).index());
}

TEST(Select, Nests) {
  for (const bool inner_wins : {true, false}) {
    TaskGroup group;
    Event a, b;
    std::vector<int> ended;
    std::vector<std::size_t> path;
    start(group, select_nested(a, b, ended, path));
    (inner_wins ? a : b).set();
    EXPECT_TRUE(settle());
    EXPECT_EQ(path, inner_wins ? (std::vector<std::size_t>{0, 0}) : std::vector<std::size_t>{1});
    EXPECT_EQ(ended.size(), 3U) << "every arm is over";
  }
}

using Numbers = Channel<int>;

Task<Result<std::optional<int>>> receive(Numbers& c) {
  co_return co_await c.receive();
}
Task<void> receive_either(Numbers& a, Numbers& b, std::vector<int>& got) {
  const auto result = co_await select(receive(a), receive(b));
  const auto& item = result.index() == 0 ? std::get<0>(result) : std::get<1>(result);
  if (item && *item) got.push_back(**item);
}
Task<void> send(Numbers& c, int value) {
  (void)co_await c.send(value);
}

TEST(Select, OverTwoChannelsLosesNothingWhenBothDeliverInOneTurn) {
  for (const std::size_t capacity : {0UL, 1UL}) {
    TaskGroup group;
    Numbers a(capacity), b(capacity);
    std::vector<int> got;
    start(group, receive_either(a, b, got));
    group.spawn(send(a, 1));
    group.spawn(send(b, 2));
    EXPECT_TRUE(settle());
    EXPECT_EQ(got, std::vector{1});
    start(group, receive_either(a, b, got));
    EXPECT_EQ(got, (std::vector{1, 2}));
  }
}

TEST(Select, OverTwoFilledChannelsTakesOne) {
  TaskGroup group;
  Numbers a(1), b(1);
  start(group, send(a, 1));
  start(group, send(b, 2));
  std::vector<int> got;
  start(group, receive_either(a, b, got));
  EXPECT_EQ(got, std::vector{1});
  EXPECT_EQ(a.size(), 0U);
  EXPECT_EQ(b.size(), 1U);
}

}  // namespace
}  // namespace millrace
