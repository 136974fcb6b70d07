#include "resolver_fixture.hpp"

#include <atomic>
#include <mutex>

#include <gtest/gtest.h>

namespace millrace::net {
namespace {

// How long answers are believed, and what is served when they have expired.

TEST(Resolver, TellsWhereAnAnswerCameFrom) {
  DnsServer server(both_families);
  const auto source_of = [](const Result<Addresses>& r) { return r ? name_of(r->source) : "none"; };
  run_on_io_thread([&]() -> Task<void> {
    Resolver resolver(options_for(server));
    EXPECT_EQ(source_of(co_await resolver.resolve("192.0.2.1")), "literal");
    EXPECT_EQ(source_of(co_await resolver.resolve("localhost")), "hosts");
    EXPECT_EQ(source_of(co_await resolver.resolve("www.example", Family::kV4)), "dns");
    EXPECT_EQ(source_of(co_await resolver.resolve("www.example", Family::kV4)), "cache");
    EXPECT_EQ(source_of(co_await resolver.resolve("www.example")), "dns") << "one family is new";
    EXPECT_EQ(source_of(co_await resolver.resolve("www.example")), "cache");
  });
}

/// Expires at once: a TTL of 0 lasts for that long.
Resolver::Options short_lived(const DnsServer& server) {
  Resolver::Options options = options_for(server);
  options.cache.ttl_min = seconds(0);
  options.cache.ttl_max = seconds(0);
  return options;
}

TEST(Resolver, AStaleAnswerIsServedWhileItIsAskedForAnewOnce) {
  std::mutex gate;
  std::unique_lock closed(gate, std::defer_lock);
  std::atomic<bool> moved = false;
  DnsServer server([&](const std::string&, Family) {
    const std::lock_guard wait(gate);
    return DnsReply{.records = {{.data = moved ? *IpAddress::parse("192.0.2.2") : kV4, .ttl = 1}}};
  });
  run_on_io_thread([&]() -> Task<void> {
    Resolver resolver(options_for(server));
    EXPECT_EQ(list_of(co_await resolver.resolve("www.example", Family::kV4)), std::vector{kV4});
    (void)co_await sleep_for(milliseconds(1010));
    closed.lock();  // the server says nothing for now
    moved = true;
    for (int i = 0; i < 100; ++i) {
      const auto stale = co_await resolver.resolve("www.example", Family::kV4);
      EXPECT_EQ(list_of(stale), std::vector{kV4});
      EXPECT_EQ(stale->source, DnsSource::kStale);
      EXPECT_GT(stale->expiry, Clock::now());
    }
    EXPECT_EQ(resolver.stats().refreshes, 1U);
    EXPECT_EQ(resolver.stats().stale, 100U);
    closed.unlock();
    while (resolver.stats().in_flight > 0) (void)co_await sleep_for(milliseconds(1));
    const auto fresh = co_await resolver.resolve("www.example", Family::kV4);
    EXPECT_EQ(list_of(fresh), std::vector{*IpAddress::parse("192.0.2.2")});
    EXPECT_EQ(fresh->source, DnsSource::kCache);
  });
  EXPECT_EQ(server.asked("www.example", Family::kV4), 2);
}

TEST(Resolver, AnExpiredAnswerIsTheLastResortWhenServersFail) {
  std::atomic<int> rcode = DnsReply::kNoError;
  DnsServer server([&](const std::string&, Family) {
    if (rcode != DnsReply::kNoError) return DnsReply{.rcode = rcode};
    return DnsReply{.records = {{.data = kV4, .ttl = 0}}};
  });
  run_on_io_thread([&]() -> Task<void> {
    Resolver resolver(short_lived(server));  // no life, so no stale life while nothing has failed
    EXPECT_EQ((co_await resolver.resolve("www.example", Family::kV4))->source, DnsSource::kDns);
    rcode = DnsReply::kServFail;
    const auto waited = co_await resolver.resolve("www.example", Family::kV4);
    EXPECT_EQ(list_of(waited), std::vector{kV4});
    EXPECT_EQ(waited->source, DnsSource::kStale);
    const int asked = server.asked("www.example", Family::kV4);
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(co_await resolver.resolve("www.example", Family::kV4));
    EXPECT_EQ(server.asked("www.example", Family::kV4), asked) << "not for some seconds";
    resolver.flush();
    EXPECT_EQ(errc_of(co_await resolver.resolve("www.example", Family::kV4)), Errc::kDnsFailed);
  });
}

TEST(Resolver, ASilentServerLeavesTheExpiredAnswerAtTheDeadline) {
  std::atomic<bool> silent = false;
  DnsServer server([&](const std::string& name, Family family) {
    return silent ? nothing(name, family) : only_v4(name, family);
  });
  run_on_io_thread([&]() -> Task<void> {
    Resolver::Options options = short_lived(server);
    options.deadline = seconds(1);
    Resolver resolver(options);
    EXPECT_TRUE(co_await resolver.resolve("www.example", Family::kV4));
    silent = true;
    EXPECT_EQ((co_await resolver.resolve("www.example", Family::kV4))->source, DnsSource::kStale);
    const TimePoint before = Clock::now();
    EXPECT_EQ((co_await resolver.resolve("www.example", Family::kV4))->source, DnsSource::kStale);
    EXPECT_LT(Clock::now() - before, milliseconds(700)) << "nobody waits a second time";
  });
}

TEST(Resolver, AnAuthoritativeNoReplacesAnExpiredAnswer) {
  std::atomic<bool> gone = false;
  DnsServer server([&](const std::string& name, Family family) {
    return gone ? DnsReply{.rcode = DnsReply::kNxDomain} : only_v4(name, family);
  });
  run_on_io_thread([&]() -> Task<void> {
    Resolver resolver(short_lived(server));
    EXPECT_TRUE(co_await resolver.resolve("www.example", Family::kV4));
    gone = true;
    for (int i = 0; i < 2; ++i)
      EXPECT_EQ(errc_of(co_await resolver.resolve("www.example", Family::kV4)), Errc::kDnsNotFound);
  });
}

TEST(Resolver, ANameInUseIsAskedForBeforeItExpires) {
  DnsServer server(only_v4);
  run_on_io_thread([&]() -> Task<void> {
    Resolver::Options options = options_for(server);
    options.cache.refresh_ttl_min = seconds(1);
    options.cache.ttl_max = seconds(1);
    Resolver resolver(options);
    EXPECT_TRUE(co_await resolver.resolve("www.example", Family::kV4));
    (void)co_await sleep_for(milliseconds(910));
    for (int i = 0; i < 10; ++i) {
      const auto found = co_await resolver.resolve("www.example", Family::kV4);
      EXPECT_TRUE(found);
    }
    EXPECT_EQ(resolver.stats().refreshes, 1U);
    EXPECT_EQ(resolver.stats().misses, 1U) << "nobody waited";
    while (resolver.stats().in_flight > 0) (void)co_await sleep_for(milliseconds(1));
  });
  EXPECT_EQ(server.asked("www.example", Family::kV4), 2);
}

}  // namespace
}  // namespace millrace::net
