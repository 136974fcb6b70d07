// What every balancer must do, whatever its policy.
#include "proxy/balancer.hpp"

#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::proxy {
namespace {

class EveryBalancer : public ::testing::TestWithParam<std::string_view> {
 protected:
  std::unique_ptr<Balancer> balancer = make_balancer(GetParam(), 0);

  /// How often each target is picked.
  std::map<std::size_t, int> picks(const std::vector<TargetState>& targets, int times,
                                   std::optional<std::size_t> avoid = std::nullopt) {
    std::map<std::size_t, int> counts;
    for (int i = 0; i < times; ++i)
      if (const auto picked = balancer->pick(targets, avoid)) ++counts[*picked];
    return counts;
  }
};

TEST_P(EveryBalancer, NoTargetsGiveNone) {
  EXPECT_FALSE(balancer->pick({}, std::nullopt));
}

TEST_P(EveryBalancer, AllDownGivesNone) {
  const std::vector<TargetState> down(3, {.available = false});
  EXPECT_FALSE(balancer->pick(down, std::nullopt));
}

TEST_P(EveryBalancer, OneUpGetsEverything) {
  std::vector<TargetState> targets(3, {.available = false});
  targets[1].available = true;
  EXPECT_EQ(picks(targets, 30), (std::map<std::size_t, int>{{1, 30}}));
}

TEST_P(EveryBalancer, WeightZeroGetsNothing) {
  const std::vector<TargetState> targets{{.weight = 0}, {.weight = 1}};
  EXPECT_EQ(picks(targets, 30), (std::map<std::size_t, int>{{1, 30}}));
  const std::vector<TargetState> none{{.weight = 0}, {.weight = 0}};
  EXPECT_FALSE(balancer->pick(none, std::nullopt));
}

TEST_P(EveryBalancer, EverybodyGetsSomething) {
  EXPECT_EQ(picks(std::vector<TargetState>(5), 500).size(), 5u);
}

TEST_P(EveryBalancer, TheOneThatFailedIsTakenOnlyWhenThereIsNoOther) {
  EXPECT_EQ(picks(std::vector<TargetState>(3), 60, 1).count(1), 0u);
  EXPECT_EQ(picks(std::vector<TargetState>(1), 5, 0), (std::map<std::size_t, int>{{0, 5}}));
}

INSTANTIATE_TEST_SUITE_P(All, EveryBalancer, ::testing::ValuesIn(balancer_names()),
                         [](const auto& p) { return std::string(p.param); });

TEST(RoundRobin, GoesByWeight) {
  const auto balancer = make_balancer("round_robin", 0);
  const std::vector<TargetState> targets{{.weight = 3}, {.weight = 1}};
  std::string order;
  for (int i = 0; i < 8; ++i) order += std::to_string(*balancer->pick(targets, std::nullopt));
  EXPECT_EQ(order, "00010001");
}

TEST(RoundRobin, TheSeedSaysWhoIsFirst) {
  const std::vector<TargetState> targets(3);
  for (unsigned seed = 0; seed < 3; ++seed)
    EXPECT_EQ(make_balancer("round_robin", seed)->pick(targets, std::nullopt), seed);
}

TEST(Balancers, UnknownNamesGiveNone) {
  EXPECT_EQ(make_balancer("best", 0), nullptr);
}

}  // namespace
}  // namespace millrace::proxy
