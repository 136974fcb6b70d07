// What every balancer must do, whatever its policy, and then each its own.
#include "proxy/balancer.hpp"

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::proxy {
namespace {

/// Targets "0", "1"... and a balancer over some of them.
class Group {
 public:
  Group(std::string_view policy, std::size_t size, unsigned seed = 0)
      : balancer_(make_balancer(policy, seed)) {
    for (std::size_t i = 0; i < size; ++i) states_.emplace_back(std::to_string(i));
    for (std::size_t i = 0; i < size; ++i) all_.push_back(i);
    use(all_);
  }

  TargetState& operator[](std::size_t i) { return states_[i]; }
  void use(const std::vector<std::size_t>& indices, std::vector<std::uint64_t> weights = {}) {
    used_ = indices;
    candidates_.clear();
    for (std::size_t i = 0; i < indices.size(); ++i)
      candidates_.push_back({&states_[indices[i]], weights.empty() ? 100 : weights[i]});
    balancer_->set(candidates_);
  }
  void weights(const std::vector<std::uint64_t>& weights) { use(all_, weights); }
  /// The target's number, not the place among those in use.
  std::size_t pick(const PickContext& context = {}) { return used_[balancer_->pick(context)]; }
  /// How often each is picked.
  std::map<std::size_t, int> picks(int times, const PickContext& context = {}) {
    std::map<std::size_t, int> counts;
    for (int i = 0; i < times; ++i) ++counts[pick(context)];
    return counts;
  }

 private:
  std::unique_ptr<Balancer> balancer_;
  std::deque<TargetState> states_;
  std::vector<std::size_t> all_, used_;
  std::vector<Candidate> candidates_;
};

class EveryBalancer : public ::testing::TestWithParam<std::string_view> {};

TEST_P(EveryBalancer, MayHaveNobody) {
  Group group(GetParam(), 2);
  group.use({});
  group.use({1});
  EXPECT_EQ(group.pick(), 1u);
}

TEST_P(EveryBalancer, OneGetsEverything) {
  Group group(GetParam(), 3);
  group.use({1});
  EXPECT_EQ(group.picks(30), (std::map<std::size_t, int>{{1, 30}}));
}

TEST_P(EveryBalancer, EverybodyGetsSomething) {
  Group group(GetParam(), 5);
  EXPECT_EQ(group.picks(500).size(), 5u);
}

TEST_P(EveryBalancer, TheHeaviestGetsMost) {
  Group group(GetParam(), 3);
  group.weights({100, 1000, 100});
  auto counts = group.picks(600);
  EXPECT_GT(counts[1], 400);
  EXPECT_GT(counts[0] + counts[2], 0);
}

TEST_P(EveryBalancer, TheOneThatFailedIsTakenOnlyWhenThereIsNoOther) {
  Group group(GetParam(), 3);
  const std::vector<std::uint64_t> one{group[1].id()};
  const std::vector<std::uint64_t> two{group[1].id(), group[2].id()};
  for (const std::uint64_t key : {1ULL, 2ULL, 3ULL, 4ULL, 5ULL}) {
    EXPECT_EQ(group.picks(20, {.avoid = one, .key = key}).count(1), 0u);
    EXPECT_EQ(group.picks(20, {.avoid = two, .key = key}), (std::map<std::size_t, int>{{0, 20}}));
  }
  group.use({1});
  EXPECT_EQ(group.picks(5, {.avoid = one}), (std::map<std::size_t, int>{{1, 5}}));
}

TEST_P(EveryBalancer, FollowsASetThatChanges) {
  Group group(GetParam(), 6);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::size_t> some;
    for (std::size_t i = 0; i < 6; ++i)
      if (((round + 1) >> (i % 5) & 1) != 0 || i == static_cast<std::size_t>(round) % 6)
        some.push_back(i);
    group.use(some);
    for (const auto& [target, count] : group.picks(20))
      EXPECT_NE(std::ranges::find(some, target), some.end()) << round;
  }
}

INSTANTIATE_TEST_SUITE_P(All, EveryBalancer, ::testing::ValuesIn(balancer_names()),
                         [](const auto& p) { return std::string(p.param); });

std::string order(Group& group, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += std::to_string(group.pick());
  return out;
}

TEST(RoundRobin, RotatesWhereWeightsAreEqual) {
  Group group("round_robin", 3);
  EXPECT_EQ(order(group, 7), "0120120");
}

TEST(RoundRobin, SpreadsHeavyOnesEvenly) {
  Group group("round_robin", 3);
  group.weights({500, 100, 100});
  const std::string turns = order(group, 70);
  EXPECT_EQ(std::ranges::count(turns, '0'), 50);
  EXPECT_EQ(std::ranges::count(turns, '1'), 10);
  EXPECT_EQ(turns.find("000000"), std::string::npos);  // five in a row at most, across two rounds
}

TEST(RoundRobin, TheSeedSaysWhoIsFirst) {
  for (unsigned seed = 0; seed < 3; ++seed) EXPECT_EQ(Group("round_robin", 3, seed).pick(), seed);
}

TEST(RoundRobin, AFailureDoesNotDisturbTheTurns) {
  Group group("round_robin", 4);
  const std::vector<std::uint64_t> avoid{group[0].id()};
  EXPECT_EQ(group.pick({.avoid = avoid}), 1u);
  EXPECT_EQ(order(group, 4), "2301");
}

TEST(LeastRequests, TakesTheIdleOne) {
  Group group("least_requests", 3);
  ASSERT_TRUE(group[0].begin());
  ASSERT_TRUE(group[2].begin());
  EXPECT_EQ(group.picks(10), (std::map<std::size_t, int>{{1, 10}}));
  (void)group[2].end(Outcome::kGood, Errc::kCount_, 0);
  EXPECT_EQ(group.picks(10), (std::map<std::size_t, int>{{1, 5}, {2, 5}}));
}

TEST(LeastRequests, CountsPerWeight) {
  Group group("least_requests", 2);
  group.weights({300, 100});
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(group[0].begin());
  EXPECT_EQ(group.picks(5), (std::map<std::size_t, int>{{1, 5}}));
  ASSERT_TRUE(group[1].begin());  // 3 of 3, 1 of 1: in turn, by weight
  EXPECT_EQ(group.picks(8), (std::map<std::size_t, int>{{0, 6}, {1, 2}}));
}

TEST(RandomTwo, NeverTakesTheBusiest) {
  Group group("random_two", 4);
  ASSERT_TRUE(group[2].begin());
  EXPECT_EQ(group.picks(400).count(2), 0u);
}

TEST(RandomTwo, AnIdleGroupGetsItsShares) {
  Group group("random_two", 2);
  group.weights({300, 100});
  const int heavy = group.picks(4000)[0];
  EXPECT_NEAR(heavy, 3000, 200);
}

TEST(RandomTwo, TheSlowOneGetsLess) {
  Group group("random_two", 4);
  std::map<std::size_t, int> counts;
  // Each request ends when the next four have begun; those of target 0 after forty.
  std::deque<std::size_t> fast, slow;
  for (int i = 0; i < 4000; ++i) {
    const std::size_t target = group.pick();
    ++counts[target];
    ASSERT_TRUE(group[target].begin());
    std::deque<std::size_t>& queue = target == 0 ? slow : fast;
    queue.push_back(target);
    if (queue.size() <= (target == 0 ? 40u : 4u)) continue;
    (void)group[queue.front()].end(Outcome::kGood, Errc::kCount_, 0);
    queue.pop_front();
  }
  EXPECT_LT(counts[0], 400);
}

TEST(RingHash, OneKeyGoesToOneTarget) {
  Group group("ring_hash", 5);
  for (std::uint64_t key = 0; key < 50; ++key)
    EXPECT_EQ(group.picks(5, {.key = key}).size(), 1u) << key;
}

TEST(RingHash, EverybodyAgrees) {
  Group one("ring_hash", 5, 0), other("ring_hash", 5, 1);
  for (std::uint64_t key = 0; key < 100; ++key)
    EXPECT_EQ(one.pick({.key = key}), other.pick({.key = key}));
}

TEST(RingHash, TheKeysOfTheOneThatGoesMoveAlone) {
  Group group("ring_hash", 10);
  std::vector<std::size_t> before;
  for (std::uint64_t key = 0; key < 10'000; ++key) before.push_back(group.pick({.key = key}));
  group.use({0, 1, 2, 3, 5, 6, 7, 8, 9});
  int moved = 0;
  for (std::uint64_t key = 0; key < 10'000; ++key) {
    const bool same = group.pick({.key = key}) == before[key];
    EXPECT_TRUE(same || before[key] == 4u);
    moved += same ? 0 : 1;
  }
  EXPECT_NEAR(moved, 1000, 300);
  group.use({0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  for (std::uint64_t key = 0; key < 10'000; ++key) ASSERT_EQ(group.pick({.key = key}), before[key]);
}

TEST(RingHash, SharesFollowTheWeights) {
  Group group("ring_hash", 2);
  group.weights({300, 100});
  int heavy = 0;
  for (std::uint64_t key = 0; key < 8000; ++key) heavy += group.pick({.key = key}) == 0 ? 1 : 0;
  EXPECT_NEAR(heavy, 6000, 800);
}

TEST(RingHash, WhereOneFailsTheNextOnTheRingIsAlwaysTheSame) {
  Group group("ring_hash", 5);
  for (std::uint64_t key = 0; key < 50; ++key) {
    const std::vector<std::uint64_t> avoid{group[group.pick({.key = key})].id()};
    EXPECT_EQ(group.picks(5, {.avoid = avoid, .key = key}).size(), 1u);
  }
}

/// Targets "p/0#1"..., each in a seat, and the seat of whom a key comes to.
struct Seats {
  explicit Seats(std::vector<std::string> of) : seats(std::move(of)) {
    for (std::size_t i = 0; i < seats.size(); ++i)
      states.emplace_back(seats[i] + "#" + std::to_string(i));
  }
  void use(const std::vector<std::size_t>& indices) {
    used = indices;
    candidates.clear();
    for (const std::size_t i : indices) candidates.push_back({&states[i], 1, seats[i]});
    balancer->set(candidates);
  }
  std::size_t pick(const PickContext& context) { return used[balancer->pick(context)]; }
  std::map<std::size_t, int> picks(const std::vector<std::uint64_t>& avoid = {}) {
    std::map<std::size_t, int> counts;
    for (std::uint64_t key = 0; key < 1000; ++key) ++counts[pick({.avoid = avoid, .key = key})];
    return counts;
  }

  std::vector<std::string> seats;
  std::deque<TargetState> states;
  std::vector<std::size_t> used;
  std::vector<Candidate> candidates;
  std::unique_ptr<Balancer> balancer = make_balancer("ring_hash", 0);
};

TEST(RingHash, WhoTakesASeatHasItsKeys) {
  Seats seats({"p/0", "p/1", "p/2", "p/1"});
  seats.use({0, 1, 2});
  std::vector<std::size_t> before;
  for (std::uint64_t key = 0; key < 1000; ++key) before.push_back(seats.pick({.key = key}));
  seats.use({0, 2, 3});
  for (std::uint64_t key = 0; key < 1000; ++key)
    EXPECT_EQ(seats.pick({.key = key}), before[key] == 1 ? 3 : before[key]) << key;
}

TEST(RingHash, OfTwoInOneSeatTheNewerOneHasTheKeysInWhateverOrder) {
  Seats seats({"p/0", "p/1", "p/1"});
  seats.use({0, 1, 2});
  const auto counts = seats.picks();
  EXPECT_EQ(counts.count(1), 0u);
  EXPECT_GT(counts.at(2), 0);
  seats.use({2, 1, 0});
  EXPECT_EQ(seats.picks(), counts);
}

TEST(RingHash, WhereTheNewerOneFailsTheOlderOneInItsSeatIsNext) {
  Seats seats({"p/0", "p/1", "p/1"});
  seats.use({0, 1, 2});
  const auto before = seats.picks();
  const auto after = seats.picks({seats.states[2].id()});
  EXPECT_EQ(after, (std::map<std::size_t, int>{{0, before.at(0)}, {1, before.at(2)}}));
}

TEST(RingHash, RequestsWithoutAKeyGoAnywhere) {
  EXPECT_EQ(Group("ring_hash", 4).picks(400).size(), 4u);
}

TEST(Balancers, UnknownNamesGiveNone) {
  EXPECT_EQ(make_balancer("best", 0), nullptr);
}

}  // namespace
}  // namespace millrace::proxy
