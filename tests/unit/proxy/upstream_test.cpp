#include "proxy/upstream.hpp"

#include "proxy/eligible.hpp"
#include "proxy/target_board.hpp"
#include "support/count_allocations.hpp"

#include <algorithm>
#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::test {
namespace {

using proxy::Outcome;
using proxy::TargetBoard;
using proxy::TargetLease;
using proxy::TargetSpec;
using proxy::TargetState;
using proxy::Upstream;
using proxy::UpstreamState;

TargetSpec spec(std::string name, unsigned weight = 1, unsigned priority = 0) {
  return {.name = std::move(name),
          .origin = {.host = "127.0.0.1", .port = 1},
          .weight = weight,
          .priority = priority};
}

class UpstreamTest : public ::testing::Test {
 protected:
  std::unique_ptr<Upstream> make(std::vector<TargetSpec> targets,
                                 std::shared_ptr<UpstreamState> state = nullptr) {
    return Upstream::make(client, {.name = "api", .targets = std::move(targets), .state = state}, 0)
        .value();
  }
  /// The names that 50 requests go to.
  static std::set<std::string> used(Upstream& upstream) {
    std::set<std::string> out;
    for (int i = 0; i < 50; ++i)
      if (const auto lease = upstream.pick()) out.insert(lease->name());
    return out;
  }

  IoThread io{0};
  net::Resolver resolver;
  client::Client client{resolver, {}};
};

using Names = std::set<std::string>;

TEST_F(UpstreamTest, WithoutTargetsThereIsNone) {
  EXPECT_FALSE(make({})->pick());
}

TEST_F(UpstreamTest, TargetsComeAndGo) {
  const auto upstream = make({spec("a"), spec("b")});
  EXPECT_EQ(used(*upstream), (Names{"a", "b"}));
  upstream->set_targets({spec("b"), spec("c")});
  EXPECT_EQ(used(*upstream), (Names{"b", "c"}));
  upstream->set_targets({});
  EXPECT_FALSE(upstream->pick());
}

TEST_F(UpstreamTest, AllThreadsSeeWhatIsPublished) {
  TargetBoard board;
  const auto one = make({spec("a")}, board.upstream("api"));
  const auto other = make({}, board.upstream("api"));
  EXPECT_EQ(used(*other), Names{"a"});
  board.find("api")->publish({spec("b")});
  EXPECT_EQ(used(*one), Names{"b"});
  EXPECT_EQ(used(*other), Names{"b"});
}

TEST_F(UpstreamTest, ARequestInFlightKeepsItsTarget) {
  const auto upstream = make({spec("a")});
  UpstreamState& state = upstream->state();
  {
    const TargetLease lease = std::move(*upstream->pick());
    upstream->set_targets({spec("b")});
    EXPECT_EQ(lease.name(), "a");
    EXPECT_NE(lease.origin(), nullptr);
    EXPECT_EQ(state.in_flight("a"), 1u);
    EXPECT_EQ(state.in_flight("b"), 0u);
    // Back again while it is in use: the same one.
    upstream->set_targets({spec("a"), spec("b")});
    EXPECT_EQ(state.in_flight("a"), 1u);
    upstream->set_targets({spec("b")});
  }
  EXPECT_EQ(state.in_flight("a"), 0u);
  EXPECT_EQ(state.in_flight("never"), 0u);
}

TEST_F(UpstreamTest, ALeaseIsMovedNotCountedTwice) {
  const auto upstream = make({spec("a")});
  TargetLease first = std::move(*upstream->pick());
  TargetLease second = std::move(first);
  first = std::move(*upstream->pick());
  EXPECT_EQ(upstream->state().in_flight("a"), 2u);
  first = std::move(second);
  EXPECT_EQ(upstream->state().in_flight("a"), 1u);
  first = TargetLease();
  EXPECT_EQ(upstream->state().in_flight("a"), 0u);
}

TEST_F(UpstreamTest, WeightsOfOneNameAreAdded) {
  const auto upstream = make({spec("a"), spec("b"), spec("a")});
  const auto targets = upstream->state().targets();
  ASSERT_EQ(targets->size(), 2u);
  EXPECT_EQ((*targets)[0].spec.weight, 2u);
}

TEST_F(UpstreamTest, NamesComeFromTheOrigin) {
  EXPECT_EQ(proxy::name_of({.host = "::1", .port = 8}), "[::1]:8");
  EXPECT_EQ(proxy::name_of({.host = "a.test", .port = 80}), "a.test:80");
  EXPECT_EQ(proxy::name_of({.unix_path = "/s"}), "unix:/s");
}

TEST_F(UpstreamTest, TheOperatorDrainsAndEnables) {
  const auto upstream = make({spec("a"), spec("b")});
  EXPECT_TRUE(upstream->state().set_drained("a", true, Clock::now()));
  EXPECT_EQ(used(*upstream), Names{"b"});
  EXPECT_TRUE(upstream->state().set_drained("b", true, Clock::now()));
  EXPECT_FALSE(upstream->pick());
  EXPECT_TRUE(upstream->state().set_drained("a", false, Clock::now()));
  EXPECT_EQ(used(*upstream), Names{"a"});
  EXPECT_FALSE(upstream->state().set_drained("c", true, Clock::now()));
}

TEST_F(UpstreamTest, WhereTheOnlyOneFailedAGroupThatStandsByIsAsked) {
  const auto upstream = make({spec("a"), spec("b", 1, 2), spec("c", 1, 1)});
  EXPECT_EQ(used(*upstream), Names{"a"});
  const auto first = upstream->pick();
  std::vector<std::uint64_t> avoid{first->id()};
  const auto second = upstream->pick({.avoid = avoid});
  EXPECT_EQ(second->name(), "c");
  avoid.push_back(second->id());
  const auto third = upstream->pick({.avoid = avoid});
  EXPECT_EQ(third->name(), "b");
  avoid.push_back(third->id());
  EXPECT_EQ(upstream->pick({.avoid = avoid})->name(), "a");
}

TEST_F(UpstreamTest, OutcomesAreCounted) {
  const auto upstream = make({spec("a")});
  const auto state = upstream->state().targets()->front().state;
  const auto answer = [&](int status) {
    TargetLease lease = std::move(*upstream->pick());
    lease.answered(status);
    lease.finished({});
  };
  for (const int status : {200, 404, 500, 501, 505}) answer(status);
  EXPECT_EQ(state->failures(), 0u);
  for (const int status : {502, 503, 504}) answer(status);
  EXPECT_EQ(state->failures(), 3u);
  EXPECT_EQ(state->failures_in_a_row(), 3u);
  answer(200);
  EXPECT_EQ(state->failures_in_a_row(), 0u);
  upstream->pick()->failed(Errc::kConnectRefused);
  EXPECT_EQ(state->last_error(), Errc::kConnectRefused);
  EXPECT_EQ(state->failures_in_a_row(), 1u);
  EXPECT_EQ(state->judged(), 10u);
  upstream->pick()->failed(Errc::kClientGone);
  (void)upstream->pick();
  EXPECT_EQ(state->judged(), 10u);
  EXPECT_EQ(state->failures_in_a_row(), 1u);
  EXPECT_EQ(state->requests(), 12u);
  EXPECT_GT(state->latency_us(), 0u);
}

TEST_F(UpstreamTest, ABodyThatBreaksOffIsAFailure) {
  const auto upstream = make({spec("a")});
  const auto state = upstream->state().targets()->front().state;
  const auto broken = [&](Errc cause) {
    TargetLease lease = std::move(*upstream->pick());
    lease.answered(200);
    lease.finished(fail(cause));
  };
  broken(Errc::kUpstreamTruncated);
  broken(Errc::kUpstreamReset);
  EXPECT_EQ(state->failures_in_a_row(), 2u);
  broken(Errc::kClientGone);
  broken(Errc::kTotalTimeout);
  EXPECT_EQ(state->failures(), 2u);
}

TEST_F(UpstreamTest, PickingAllocatesNothing) {
  if (!kCountsAllocations) GTEST_SKIP();
  const auto upstream = make({spec("a"), spec("b"), spec("c")});
  (void)upstream->pick();
  const std::size_t before = allocations();
  for (int i = 0; i < 100; ++i) {
    TargetLease lease = std::move(*upstream->pick());
    lease.answered(200);
    lease.finished({});
  }
  EXPECT_EQ(allocations(), before);
}

TEST_F(UpstreamTest, WhoeverSeesNobodyInFlightHasTheTargetForItself) {
  // One thread publishes without "a" and sees its count; others never use it after a 0.
  TargetBoard board;
  const auto state = board.upstream("api");
  state->publish({spec("a"), spec("b")});
  const auto a = state->targets()->front().state;
  std::atomic<bool> stopped = false, done = false;
  std::atomic<int> trespasses = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      while (!done) {
        if (!a->begin()) continue;
        if (stopped) ++trespasses;
        (void)a->end(Outcome::kGood, Errc::kCount_, 0);
      }
    });
  }
  for (int round = 0; round < 50; ++round) {
    state->publish({spec("b")});
    while (state->in_flight("a") != 0) std::this_thread::yield();
    stopped = true;
    std::this_thread::yield();
    stopped = false;
    state->publish({spec("a"), spec("b")});
  }
  done = true;
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(trespasses, 0);
}

// --- who may be used ---

class Eligible : public ::testing::Test {
 protected:
  /// Of the targets of `state`, the names that may be used.
  Names names(double panic_share) {
    Names out;
    const auto targets = state.targets();
    for (const std::size_t i : proxy::eligible(*targets, panic_share))
      out.insert((*targets)[i].spec.name);
    return out;
  }
  void down(std::initializer_list<std::string_view> who) {
    for (const auto& entry : *state.targets())
      state.set_unhealthy(*entry.state, std::ranges::find(who, entry.spec.name) != who.end(),
                          Clock::now());
  }

  UpstreamState state{"api"};
};

TEST_F(Eligible, TheHealthyOfTheFirstGroup) {
  state.publish({spec("a"), spec("b"), spec("c", 1, 1)});
  EXPECT_EQ(names(0.5), (Names{"a", "b"}));
  down({"a"});
  EXPECT_EQ(names(0.5), Names{"b"});  // just enough
}

TEST_F(Eligible, TheNextGroupTakesOverWhenTooFewAreHealthy) {
  state.publish({spec("a"), spec("b"), spec("c", 1, 1), spec("d", 1, 1)});
  down({"a"});
  EXPECT_EQ(names(0.51), (Names{"c", "d"}));
  down({"a", "b"});
  EXPECT_EQ(names(0), (Names{"c", "d"}));
  down({"a", "b", "c"});
  EXPECT_EQ(names(0.5), Names{"d"});
}

TEST_F(Eligible, WhenTooFewAreHealthyAnywhereAllAreUsed) {
  state.publish({spec("a"), spec("b"), spec("c"), spec("d")});
  down({"a", "b", "c"});
  EXPECT_EQ(names(0.25), Names{"d"});
  EXPECT_EQ(names(0.26), (Names{"a", "b", "c", "d"}));
  down({"a", "b", "c", "d"});
  EXPECT_EQ(names(0), (Names{"a", "b", "c", "d"}));
}

TEST_F(Eligible, WhoIsDrainedOrWeighsNothingIsNeverUsed) {
  state.publish({spec("a", 0), spec("b"), spec("c", 1, 1)});
  state.set_drained("b", true, Clock::now());
  EXPECT_EQ(names(0.5), Names{"c"});
  state.set_drained("c", true, Clock::now());
  EXPECT_EQ(names(0.5), Names{});
}

}  // namespace
}  // namespace millrace::test
