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
  return {DnsType::kA, name};
}
DnsAnswer one(std::uint8_t last = 1) {
  return DnsRecords{.addresses = {IpAddress::v4({192, 0, 2, last})}};
}
const DnsOutcome kNotFound{.answer = fail(Errc::kDnsNotFound)};
const DnsOutcome kFailed{.answer = fail(Errc::kDnsFailed)};

/// No answer outlives its expiry.
DnsCache::Limits never_stale() {
  return {.stale_max = seconds(0), .stale_failure_max = seconds(0)};
}

/// Known until exactly `lifetime` has passed.
void expect_lifetime(DnsAnswer answer, std::optional<seconds> ttl, Duration lifetime) {
  DnsCache cache{never_stale()};
  cache.store(v4("a"), {std::move(answer), ttl}, kStart);
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
TEST(DnsCache, NoTtlIsBelievedBeyondAnHour) {
  expect_lifetime(one(), seconds(3600), hours(1));
  expect_lifetime(one(), seconds(3601), hours(1));
  expect_lifetime(one(), seconds(INT32_MAX), hours(1));
}
TEST(DnsCache, RemembersThatThereIsNothingForAsLongAsItWasSaid) {
  const DnsAnswer nothing = fail(Errc::kDnsNotFound);
  expect_lifetime(nothing, std::nullopt, seconds(5));
  expect_lifetime(nothing, seconds(0), seconds(1));
  expect_lifetime(nothing, seconds(20), seconds(20));
  expect_lifetime(nothing, seconds(60), seconds(60));
  expect_lifetime(nothing, seconds(61), seconds(60));
}
TEST(DnsCache, RemembersFailuresForAMoment) {
  expect_lifetime(fail(Errc::kDnsFailed), seconds(300), seconds(1));
  expect_lifetime(fail(Errc::kDnsTimeout), seconds(300), seconds(1));
}

TEST(DnsCache, KeepsTheFamiliesApart) {
  DnsCache cache{{}};
  cache.store(v4("a"), {one(), seconds(60)}, kStart);
  EXPECT_EQ(cache.find({DnsType::kAaaa, "a"}, kStart), nullptr);
  cache.store({DnsType::kAaaa, "a"}, kNotFound, kStart);
  EXPECT_TRUE(cache.find(v4("a"), kStart)->answer);
  EXPECT_FALSE(cache.find({DnsType::kAaaa, "a"}, kStart)->answer);
}

TEST(DnsCache, ANewAnswerReplacesTheOld) {
  DnsCache cache{{}};
  cache.store(v4("a"), {one(1), seconds(60)}, kStart);
  cache.store(v4("a"), {one(2), seconds(60)}, kStart);
  EXPECT_EQ(cache.size(), 1U);
  EXPECT_EQ(cache.find(v4("a"), kStart)->answer, one(2));
}

TEST(DnsCache, TheLeastRecentlyUsedMakesRoom) {
  DnsCache cache{{.entries_max = 2}};
  cache.store(v4("a"), {one(), seconds(60)}, kStart);
  cache.store(v4("b"), {one(), seconds(60)}, kStart);
  EXPECT_EQ(cache.size(), 2U);
  EXPECT_NE(cache.find(v4("a"), kStart), nullptr);
  cache.store(v4("c"), {one(), seconds(60)}, kStart);
  EXPECT_EQ(cache.size(), 2U);
  EXPECT_EQ(cache.find(v4("b"), kStart), nullptr);
  EXPECT_NE(cache.find(v4("a"), kStart), nullptr);
  EXPECT_NE(cache.find(v4("c"), kStart), nullptr);
}

TEST(DnsCache, BoundsTheAddressesOfAnAnswer) {
  DnsCache cache{{.addresses_max = 3}};
  const auto stored = [&](std::size_t addresses, std::size_t services) {
    DnsRecords records{std::vector<IpAddress>(addresses), std::vector<SrvRecord>(services)};
    return cache.store(v4("a"), {std::move(records), seconds(60)}, kStart).answer->size();
  };
  EXPECT_EQ(stored(3, 0), 3U);
  EXPECT_EQ(stored(4, 0), 3U);
  EXPECT_EQ(stored(0, 3), 3U);
  EXPECT_EQ(stored(0, 4), 3U);
}

/// What is served at `now`: fresh, stale or nothing.
const char* served(DnsCache& cache, TimePoint now) {
  const DnsCache::Entry* entry = cache.find(v4("a"), now);
  return entry == nullptr ? "nothing" : entry->stale(now) ? "stale" : "fresh";
}

TEST(DnsCache, AnExpiredAnswerIsServedForAMoment) {
  DnsCache cache{{}};
  cache.store(v4("a"), {one(), seconds(60)}, kStart);
  EXPECT_STREQ(served(cache, kStart + seconds(60) - nanoseconds(1)), "fresh");
  EXPECT_STREQ(served(cache, kStart + seconds(60)), "stale");
  EXPECT_STREQ(served(cache, kStart + seconds(90) - nanoseconds(1)), "stale");
  EXPECT_STREQ(served(cache, kStart + seconds(90)), "nothing");
}

TEST(DnsCache, AnAnswerIsNotStaleForLongerThanItWasFresh) {
  DnsCache cache{{}};
  cache.store(v4("a"), {one(), seconds(5)}, kStart);
  EXPECT_STREQ(served(cache, kStart + seconds(10) - nanoseconds(1)), "stale");
  EXPECT_STREQ(served(cache, kStart + seconds(10)), "nothing");
}

TEST(DnsCache, NothingIsNeverStale) {
  DnsCache cache{{}};
  cache.store(v4("a"), kNotFound, kStart);
  EXPECT_STREQ(served(cache, kStart + seconds(5)), "nothing");
  EXPECT_EQ(cache.last_resort(v4("a"), kStart), nullptr);
  EXPECT_FALSE(cache.take_refresh(v4("a"), kStart));
}

TEST(DnsCache, NothingReplacesAnAnswer) {
  DnsCache cache{{}};
  cache.store(v4("a"), {one(), seconds(60)}, kStart);
  EXPECT_FALSE(cache.store(v4("a"), kNotFound, kStart + seconds(70)).answer);
  EXPECT_EQ(cache.last_resort(v4("a"), kStart + seconds(71)), nullptr);
}

TEST(DnsCache, FailuresLeaveTheLastAnswerForAnHour) {
  DnsCache cache{{}};
  const TimePoint expiry = kStart + seconds(60);
  cache.store(v4("a"), {one(), seconds(60)}, kStart);
  EXPECT_EQ(cache.store(v4("a"), kFailed, expiry + hours(1) - seconds(20)).answer, one());
  EXPECT_STREQ(served(cache, expiry + hours(1) - nanoseconds(1)), "stale");
  EXPECT_STREQ(served(cache, expiry + hours(1)), "nothing");
  EXPECT_FALSE(cache.store(v4("a"), kFailed, expiry + hours(1)).answer);
}

TEST(DnsCache, AFailureIsRememberedForAMoment) {
  DnsCache cache{{}};
  cache.store(v4("a"), {one(), seconds(60)}, kStart);
  cache.store(v4("a"), kFailed, kStart + seconds(100));
  EXPECT_STREQ(served(cache, kStart + seconds(130) - nanoseconds(1)), "stale");
  EXPECT_STREQ(served(cache, kStart + seconds(130)), "nothing") << "the servers have their chance";
  EXPECT_NE(cache.last_resort(v4("a"), kStart + seconds(135)), nullptr);
  EXPECT_STREQ(served(cache, kStart + seconds(135)), "stale");
}

TEST(DnsCache, ANameInUseIsAskedForInTheLastTenthOfItsLife) {
  DnsCache cache{{}};
  cache.store(v4("a"), {one(), seconds(100)}, kStart);
  EXPECT_FALSE(cache.take_refresh(v4("a"), kStart + seconds(90) - nanoseconds(1)));
  EXPECT_TRUE(cache.take_refresh(v4("a"), kStart + seconds(90)));
  EXPECT_FALSE(cache.take_refresh(v4("a"), kStart + seconds(95))) << "once";
  EXPECT_TRUE(cache.entries().front().refreshing);
  cache.store(v4("a"), {one(), seconds(100)}, kStart + seconds(96));
  EXPECT_FALSE(cache.entries().front().refreshing);
  EXPECT_FALSE(cache.take_refresh(v4("a"), kStart + seconds(185)));
  EXPECT_TRUE(cache.take_refresh(v4("a"), kStart + seconds(186)));
}

TEST(DnsCache, ShortAnswersAreAskedForWhenTheyHaveExpired) {
  DnsCache cache{{}};
  cache.store(v4("a"), {one(), seconds(9)}, kStart);
  EXPECT_FALSE(cache.take_refresh(v4("a"), kStart + seconds(9) - nanoseconds(1)));
  EXPECT_TRUE(cache.take_refresh(v4("a"), kStart + seconds(9)));
  cache.store(v4("b"), {one(), seconds(10)}, kStart);
  EXPECT_TRUE(cache.take_refresh(v4("b"), kStart + seconds(9)));
}

TEST(DnsCache, WhileServersFailTheyAreAskedEveryFewSeconds) {
  DnsCache cache{{}};
  cache.store(v4("a"), {one(), seconds(60)}, kStart);
  EXPECT_TRUE(cache.take_refresh(v4("a"), kStart + seconds(60)));
  cache.store(v4("a"), kFailed, kStart + seconds(61));
  EXPECT_FALSE(cache.take_refresh(v4("a"), kStart + seconds(66) - nanoseconds(1)));
  EXPECT_TRUE(cache.take_refresh(v4("a"), kStart + seconds(66)));
}

TEST(DnsCache, CountsHits) {
  DnsCache cache{{}};
  cache.store(v4("a"), {one(), seconds(60)}, kStart);
  for (int i = 0; i < 3; ++i) (void)cache.find(v4("a"), kStart);
  cache.store(v4("a"), {one(), seconds(60)}, kStart);
  EXPECT_EQ(cache.find(v4("a"), kStart)->hits, 4U);
}

TEST(DnsCache, ForgetsEverythingOnDemand) {
  DnsCache cache{{}};
  cache.store(v4("a"), {one(), seconds(60)}, kStart);
  cache.clear();
  EXPECT_EQ(cache.find(v4("a"), kStart), nullptr);
  EXPECT_EQ(cache.size(), 0U);
}

}  // namespace
}  // namespace millrace::net
