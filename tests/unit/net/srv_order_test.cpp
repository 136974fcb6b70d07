#include "net/srv_order.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <string>

#include <gtest/gtest.h>

namespace millrace::net {
namespace {

SrvRecord server(std::uint16_t priority, std::uint16_t weight, std::string target) {
  return {.priority = priority, .weight = weight, .port = 80, .target = std::move(target)};
}

std::string targets_of(const std::vector<SrvRecord>& records) {
  std::string out;
  for (const SrvRecord& r : records) out += r.target;
  return out;
}

/// What the throws of this sequence make of `records`; each must be within its bound.
std::string order(std::vector<SrvRecord> records, std::deque<std::uint32_t> throws,
                  std::vector<std::uint32_t> bounds) {
  std::vector<std::uint32_t> seen;
  order_srv(records, [&](std::uint32_t bound) {
    seen.push_back(bound);
    const std::uint32_t value = throws.front();
    throws.pop_front();
    return value;
  });
  EXPECT_EQ(seen, bounds);
  return targets_of(records);
}

TEST(OrderSrv, GoesByPriority) {
  EXPECT_EQ(order({server(3, 0, "c"), server(1, 9, "a"), server(2, 5, "b")}, {}, {}), "abc");
  EXPECT_EQ(order({}, {}, {}), "");
}

TEST(OrderSrv, GoesByWeightWithinAPriority) {
  const std::vector<SrvRecord> three{server(1, 10, "a"), server(1, 20, "b"), server(1, 30, "c")};
  EXPECT_EQ(order(three, {0, 0}, {60, 50}), "abc");
  EXPECT_EQ(order(three, {10, 0}, {60, 50}), "abc");
  EXPECT_EQ(order(three, {11, 10}, {60, 40}), "bac");
  EXPECT_EQ(order(three, {31, 11}, {60, 30}), "cba");
  EXPECT_EQ(order(three, {60, 30}, {60, 30}), "cba");
}

TEST(OrderSrv, WeightZeroComesFirstOnlyByAThrowOfZero) {
  const std::vector<SrvRecord> two{server(1, 5, "a"), server(1, 0, "z")};
  EXPECT_EQ(order(two, {0}, {5}), "za");
  EXPECT_EQ(order(two, {1}, {5}), "az");
  EXPECT_EQ(order({server(1, 0, "a"), server(1, 0, "b")}, {0}, {0}), "ab");
}

TEST(OrderSrv, SharesComeOutAsTheWeightsSay) {
  std::mt19937 random(1);
  std::map<std::string, int> first;
  for (int i = 0; i < 10'000; ++i) {
    std::vector<SrvRecord> records{server(1, 1, "a"), server(1, 3, "b"), server(2, 9, "c")};
    order_srv(records, [&](std::uint32_t bound) {
      return std::uniform_int_distribution<std::uint32_t>(0, bound)(random);
    });
    ++first[records.front().target];
    EXPECT_EQ(records.back().target, "c");
  }
  // The throw of 0 counts for the first: 2 of 5.
  EXPECT_NEAR(first["b"] / 10'000.0, 0.6, 0.02);
}

}  // namespace
}  // namespace millrace::net
