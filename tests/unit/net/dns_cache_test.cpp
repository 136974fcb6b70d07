#include "net/dns_cache.hpp"

#include <gtest/gtest.h>

namespace millrace::net {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr TimePoint kStart{hours(1000)};

DnsKey v4(std::string_view name) {
  return {Family::kV4, name};
}
DnsAnswer one(std::uint8_t last = 1) {
  return std::vector{IpAddress::v4({192, 0, 2, last})};
}

/// Known until exactly `lifetime` has passed.
void expect_lifetime(DnsAnswer answer, seconds ttl, Duration lifetime) {
  DnsCache cache{{}};
  cache.store(v4("a"), std::move(answer), ttl, kStart);
  EXPECT_NE(cache.find(v4("a"), kStart), nullptr);
  EXPECT_NE(cache.find(v4("a"), kStart + lifetime - nanoseconds(1)), nullptr);
  EXPECT_EQ(cache.find(v4("a"), kStart + lifetime), nullptr);
  EXPECT_EQ(cache.size(), 0U) << "an expired entry leaves";
}

TEST(DnsCache, KeepsAnAnswerForItsTtl) {
  expect_lifetime(one(), seconds(30), seconds(30));
}
TEST(DnsCache, ATtlOfZeroLastsASecond) {
  expect_lifetime(one(), seconds(0), seconds(1));
}
TEST(DnsCache, ANegativeTtlCountsAsZero) {
  expect_lifetime(one(), seconds(std::int32_t{INT32_MIN}), seconds(1));
}
TEST(DnsCache, NoTtlIsBelievedBeyondAnHour) {
  expect_lifetime(one(), seconds(3600), hours(1));
  expect_lifetime(one(), seconds(3601), hours(1));
  expect_lifetime(one(), seconds(INT32_MAX), hours(1));
}
TEST(DnsCache, RemembersThatThereIsNothing) {
  expect_lifetime(fail(Errc::kDnsNotFound), seconds(300), seconds(5));
}
TEST(DnsCache, RemembersFailuresForAMoment) {
  expect_lifetime(fail(Errc::kDnsFailed), seconds(300), seconds(1));
  expect_lifetime(fail(Errc::kDnsTimeout), seconds(300), seconds(1));
}

TEST(DnsCache, KeepsTheFamiliesApart) {
  DnsCache cache{{}};
  cache.store(v4("a"), one(), seconds(60), kStart);
  EXPECT_EQ(cache.find({Family::kV6, "a"}, kStart), nullptr);
  cache.store({Family::kV6, "a"}, fail(Errc::kDnsNotFound), seconds(60), kStart);
  EXPECT_TRUE(cache.find(v4("a"), kStart)->answer);
  EXPECT_FALSE(cache.find({Family::kV6, "a"}, kStart)->answer);
}

TEST(DnsCache, ANewAnswerReplacesTheOld) {
  DnsCache cache{{}};
  cache.store(v4("a"), one(1), seconds(60), kStart);
  cache.store(v4("a"), one(2), seconds(60), kStart);
  EXPECT_EQ(cache.size(), 1U);
  EXPECT_EQ(cache.find(v4("a"), kStart)->answer, one(2));
}

TEST(DnsCache, TheLeastRecentlyUsedMakesRoom) {
  DnsCache cache{{.entries_max = 2}};
  cache.store(v4("a"), one(), seconds(60), kStart);
  cache.store(v4("b"), one(), seconds(60), kStart);
  EXPECT_EQ(cache.size(), 2U);
  EXPECT_NE(cache.find(v4("a"), kStart), nullptr);
  cache.store(v4("c"), one(), seconds(60), kStart);
  EXPECT_EQ(cache.size(), 2U);
  EXPECT_EQ(cache.find(v4("b"), kStart), nullptr);
  EXPECT_NE(cache.find(v4("a"), kStart), nullptr);
  EXPECT_NE(cache.find(v4("c"), kStart), nullptr);
}

TEST(DnsCache, BoundsTheAddressesOfAnAnswer) {
  DnsCache cache{{.addresses_max = 3}};
  const std::vector<IpAddress> three(3), four(4);
  EXPECT_EQ(cache.store(v4("a"), three, seconds(60), kStart).answer->size(), 3U);
  EXPECT_EQ(cache.store(v4("b"), four, seconds(60), kStart).answer->size(), 3U);
}

TEST(DnsCache, ForgetsEverythingOnDemand) {
  DnsCache cache{{}};
  cache.store(v4("a"), one(), seconds(60), kStart);
  cache.clear();
  EXPECT_EQ(cache.find(v4("a"), kStart), nullptr);
  EXPECT_EQ(cache.size(), 0U);
}

}  // namespace
}  // namespace millrace::net
