#include "resolver_fixture.hpp"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>

#include <gtest/gtest.h>

namespace millrace::net {
namespace {

/// One lookup on a fresh resolver.
Result<Addresses> resolve_once(Resolver::Options options, const std::string& host,
                               std::optional<Family> family = std::nullopt) {
  Result<Addresses> result = fail(Errc::kInternal);
  run_on_io_thread([&]() -> Task<void> {
    Resolver resolver(options);
    result = co_await resolver.resolve(host, family);
  });
  return result;
}

TEST(Resolver, AnswersLiteralsWithoutAsking) {
  EXPECT_EQ(list_of(resolve_once(no_dns(), "192.0.2.1")), std::vector{kV4});
  const auto v6 = resolve_once(no_dns(), "2001:db8::1", Family::kV6);
  EXPECT_EQ(list_of(v6), std::vector{kV6});
  EXPECT_EQ(v6->expiry, TimePoint::max());
  EXPECT_EQ(errc_of(resolve_once(no_dns(), "2001:db8::1", Family::kV4)), Errc::kDnsNotFound);
}

TEST(Resolver, RefusesWhatIsNoNameWithoutAsking) {
  DnsServer server(both_families);
  const std::string label(63, 'a');
  const std::string longest =
      label + '.' + label + '.' + label + '.' + std::string(61, 'b');  // 253 bytes
  run_on_io_thread([&]() -> Task<void> {
    Resolver resolver(options_for(server));
    for (const std::string& host :
         {std::string(), std::string("."), std::string("a..b"), std::string(".a"),
          std::string("a b"), std::string("a\0b", 3), std::string("127.1"),
          std::string("2130706433"), std::string("0x7f.1"), std::string("1.2.3.0x4"),
          std::string("1.2.3.4."), std::string("fe80::1%eth0"), std::string("[::1]"),
          std::string("a/b"), std::string("\xc3\xa4.example"), label + "a.example", longest + "b"})
      EXPECT_EQ(errc_of(co_await resolver.resolve(host)), Errc::kDnsNotFound) << host;
    EXPECT_EQ(resolver.stats().queries, 0U);
    EXPECT_TRUE(co_await resolver.resolve(longest));
    EXPECT_TRUE(co_await resolver.resolve(label + ".example"));
    EXPECT_TRUE(co_await resolver.resolve("under_score.4you.example"));
  });
}

TEST(Resolver, LocalhostNeverLeavesTheMachine) {
  const auto both = std::vector{IpAddress::loopback(Family::kV4), IpAddress::loopback(Family::kV6)};
  for (const char* host : {"localhost", "LocalHost.", "a.b.localhost", "a.LOCALHOST."})
    EXPECT_EQ(list_of(resolve_once(no_dns(), host)), both) << host;
  EXPECT_EQ(list_of(resolve_once(no_dns(), "localhost", Family::kV6)),
            std::vector{IpAddress::loopback(Family::kV6)});
}

TEST(Resolver, TheHostsFileGoesFirst) {
  DnsServer server(both_families);
  const std::string path = testing::TempDir() + "resolver_hosts_" + std::to_string(::getpid());
  std::ofstream(path) << "10.0.0.1 db.internal\n";
  run_on_io_thread([&]() -> Task<void> {
    Resolver::Options options = options_for(server);
    options.hosts_file = path;
    Resolver resolver(options);
    EXPECT_EQ(list_of(co_await resolver.resolve("DB.internal.")),
              std::vector{*IpAddress::parse("10.0.0.1")});
    EXPECT_EQ(resolver.stats().queries, 0U);
    EXPECT_EQ(list_of(co_await resolver.resolve("db.internal", Family::kV6)), std::vector{kV6})
        << "what the file does not have is asked";
  });
  std::filesystem::remove(path);
}

TEST(Resolver, AlternatesTheFamiliesIpv6First) {
  DnsServer server([](const std::string&, Family family) {
    DnsReply reply;
    for (const char* text : {"192.0.2.1", "192.0.2.2", "192.0.2.3"})
      if (family == Family::kV4) reply.records.push_back({.data = *IpAddress::parse(text)});
    if (family == Family::kV6) reply.records.push_back({.data = kV6});
    return reply;
  });
  const auto result = resolve_once(options_for(server), "www.example");
  ASSERT_EQ(list_of(result).size(), 4U);
  EXPECT_EQ(result->list[0], kV6);
  for (std::size_t i = 1; i < 4; ++i) EXPECT_TRUE(result->list[i].is_v4());
}

TEST(Resolver, AsksForOneFamilyOnlyWhenTold) {
  DnsServer server(both_families);
  EXPECT_EQ(list_of(resolve_once(options_for(server), "www.example", Family::kV4)),
            std::vector{kV4});
  EXPECT_EQ(server.asked("www.example", Family::kV4), 1);
  EXPECT_EQ(server.asked("www.example", Family::kV6), 0);
}

/// How long an answer with these TTLs is believed.
Duration lifetime_of(std::vector<test::DnsRecord> records) {
  DnsServer server([&](const std::string&, Family) { return DnsReply{.records = records}; });
  const TimePoint before = Clock::now();
  const auto result = resolve_once(options_for(server), "www.example", Family::kV4);
  EXPECT_EQ(list_of(result), std::vector{kV4});
  return result ? result->expiry - before : Duration::zero();
}

void expect_about(Duration got, seconds wanted) {
  EXPECT_GE(got, wanted);
  EXPECT_LT(got, wanted + seconds(5)) << "the lookup itself takes well under 5 s";
}

TEST(Resolver, BelievesTtlsWithinLimits) {
  expect_about(lifetime_of({{.data = kV4, .ttl = 0}}), seconds(1));
  expect_about(lifetime_of({{.data = kV4, .ttl = 1}}), seconds(1));
  expect_about(lifetime_of({{.data = kV4, .ttl = 300}}), seconds(300));
  expect_about(lifetime_of({{.data = kV4, .ttl = 0x7fffffff}}), seconds(3600));
  expect_about(lifetime_of({{.data = kV4, .ttl = 0x80000000}}), seconds(1));
}

TEST(Resolver, TheShortestTtlOfTheChainCounts) {
  expect_about(lifetime_of({{.data = "cdn.example", .ttl = 20},
                            {.data = kV4, .ttl = 600, .owner = "cdn.example"}}),
               seconds(20));
  expect_about(lifetime_of({{.data = "cdn.example", .ttl = 600},
                            {.data = kV4, .ttl = 30, .owner = "cdn.example"}}),
               seconds(30));
}

/// For how long it is believed that there is no address.
Duration negative_lifetime_of(DnsReply reply) {
  DnsServer server([&](const std::string&, Family) { return reply; });
  Duration lifetime{};
  run_on_io_thread([&]() -> Task<void> {
    Resolver resolver(options_for(server));
    const TimePoint before = Clock::now();
    EXPECT_EQ(errc_of(co_await resolver.resolve("www.example", Family::kV4)), Errc::kDnsNotFound);
    lifetime = resolver.cache().entries().front().expiry - before;
    EXPECT_EQ(resolver.cache().entries().front().nxdomain, reply.rcode == DnsReply::kNxDomain);
  });
  return lifetime;
}

TEST(Resolver, BelievesTheSoaRecordThatThereIsNothing) {
  for (const int rcode : {DnsReply::kNxDomain, DnsReply::kNoError}) {
    expect_about(negative_lifetime_of({.rcode = rcode, .soa = {{.ttl = 30, .minimum = 50}}}),
                 seconds(30));
    expect_about(negative_lifetime_of({.rcode = rcode, .soa = {{.ttl = 50, .minimum = 20}}}),
                 seconds(20));
    expect_about(negative_lifetime_of({.rcode = rcode, .soa = {{.ttl = 0, .minimum = 50}}}),
                 seconds(1));
    expect_about(negative_lifetime_of({.rcode = rcode, .soa = {{.ttl = 3600, .minimum = 3600}}}),
                 seconds(60));
    expect_about(negative_lifetime_of({.rcode = rcode}), seconds(5));
  }
  expect_about(negative_lifetime_of(
                   {.records = {{.data = "gone.example", .ttl = 15}}, .soa = {{.ttl = 30}}}),
               seconds(15));
}

TEST(Resolver, TellsWhyThereIsNoAddress) {
  const auto with_rcode = [](int rcode) {
    DnsServer server([rcode](const std::string&, Family) { return DnsReply{.rcode = rcode}; });
    return errc_of(resolve_once(options_for(server), "www.example"));
  };
  EXPECT_EQ(with_rcode(DnsReply::kNxDomain), Errc::kDnsNotFound);
  EXPECT_EQ(with_rcode(DnsReply::kNoError), Errc::kDnsNotFound) << "no data";
  EXPECT_EQ(with_rcode(DnsReply::kServFail), Errc::kDnsFailed);
  EXPECT_EQ(with_rcode(DnsReply::kRefused), Errc::kDnsFailed);
}

TEST(Resolver, ACnameThatLeadsNowhereIsNotFound) {
  DnsServer server(
      [](const std::string&, Family) { return DnsReply{.records = {{.data = "gone.example"}}}; });
  EXPECT_EQ(errc_of(resolve_once(options_for(server), "www.example")), Errc::kDnsNotFound);
}

TEST(Resolver, OneFamilysFailureDoesNotHideTheOthersAddresses) {
  DnsServer server([](const std::string&, Family family) {
    if (family == Family::kV6) return DnsReply{.rcode = DnsReply::kServFail};
    return DnsReply{.records = {{.data = kV4}}};
  });
  EXPECT_EQ(list_of(resolve_once(options_for(server), "www.example")), std::vector{kV4});
}

TEST(Resolver, OneFamilysFailureIsNotNotFound) {
  DnsServer server([](const std::string&, Family family) {
    return DnsReply{.rcode = family == Family::kV6 ? DnsReply::kServFail : DnsReply::kNxDomain};
  });
  EXPECT_EQ(errc_of(resolve_once(options_for(server), "www.example")), Errc::kDnsFailed);
}

TEST(Resolver, ASilentServerTimesOutAtTheDeadline) {
  DnsServer server(nothing);
  Resolver::Options options = options_for(server);
  options.deadline = milliseconds(210);
  const TimePoint before = Clock::now();
  EXPECT_EQ(errc_of(resolve_once(options, "www.example")), Errc::kDnsTimeout);
  EXPECT_GE(Clock::now() - before, milliseconds(200));
}

TEST(Resolver, ALostDatagramIsSentAgain) {
  std::map<Family, int> seen;
  DnsServer server([&](const std::string& name, Family family) {
    if (seen[family]++ == 0) return DnsReply{.silent = true};
    return both_families(name, family);
  });
  Resolver::Options options = options_for(server);
  options.deadline = seconds(1);
  EXPECT_EQ(list_of(resolve_once(options, "www.example")).size(), 2U);
}

TEST(Resolver, NobodyListeningIsAFailureAtOnceAndTheChannelIsMadeAnew) {
  run_on_io_thread([&]() -> Task<void> {
    Resolver::Options options = no_dns();
    options.deadline = seconds(10);
    Resolver resolver(options);
    const TimePoint before = Clock::now();
    // One family: two queries share a socket, and its error may then reach only one of them.
    for (const char* host : {"a.example", "b.example", "c.example"})
      EXPECT_EQ(errc_of(co_await resolver.resolve(host, Family::kV4)), Errc::kDnsFailed);
    EXPECT_LT(Clock::now() - before, seconds(5)) << "refused, not timed out";
    EXPECT_EQ(resolver.stats().failures, 3U);
    EXPECT_GE(resolver.stats().channels, 2U);
  });
}

TEST(Resolver, TheSlowFamilyIsWaitedForOnlyAMoment) {
  DnsServer server([](const std::string& name, Family family) {
    return family == Family::kV6 ? nothing(name, family) : both_families(name, family);
  });
  const TimePoint before = Clock::now();
  EXPECT_EQ(list_of(resolve_once(options_for(server), "www.example")), std::vector{kV4});
  const Duration taken = Clock::now() - before;
  EXPECT_GE(taken, milliseconds(50));
  EXPECT_LT(taken, seconds(3)) << "well before the deadline of 5 s";
}

TEST(Resolver, ACachedFamilyIsNotHeldUpByTheOther) {
  DnsServer server([](const std::string& name, Family family) {
    return family == Family::kV6 ? nothing(name, family) : both_families(name, family);
  });
  run_on_io_thread([&]() -> Task<void> {
    Resolver resolver(options_for(server));
    EXPECT_TRUE(co_await resolver.resolve("www.example", Family::kV4));
    const TimePoint before = Clock::now();
    EXPECT_EQ(list_of(co_await resolver.resolve("www.example")), std::vector{kV4});
    EXPECT_LT(Clock::now() - before, seconds(3));
  });
}

TEST(Resolver, TakesLongAnswersOverTcp) {
  DnsServer server([](const std::string& name, Family family) {
    DnsReply reply = only_v4(name, family);
    reply.truncated_over_udp = true;
    return reply;
  });
  EXPECT_EQ(list_of(resolve_once(options_for(server), "www.example")), std::vector{kV4});
  EXPECT_EQ(server.asked_over_tcp(), 2);
}

TEST(Resolver, BoundsHugeAnswers) {
  DnsServer server([](const std::string&, Family) {
    DnsReply reply;
    for (int i = 0; i < 512; ++i)
      reply.records.push_back({.data = IpAddress::v4({198, 51, static_cast<std::uint8_t>(i / 256),
                                                      static_cast<std::uint8_t>(i % 256)})});
    return reply;
  });
  EXPECT_EQ(list_of(resolve_once(options_for(server), "www.example", Family::kV4)).size(), 64U);
}

TEST(Resolver, CachesAnswersAndFailures) {
  DnsServer server([](const std::string& name, Family family) {
    if (name == "gone.example") return DnsReply{.rcode = DnsReply::kNxDomain};
    return both_families(name, family);
  });
  run_on_io_thread([&]() -> Task<void> {
    Resolver resolver(options_for(server));
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(list_of(co_await resolver.resolve("WWW.example")).size(), 2U);
      EXPECT_EQ(errc_of(co_await resolver.resolve("gone.example")), Errc::kDnsNotFound);
    }
    const Resolver::Stats stats = resolver.stats();
    EXPECT_EQ(stats.queries, 4U);
    EXPECT_EQ(stats.misses, 4U);
    EXPECT_EQ(stats.hits, 8U);
    EXPECT_EQ(stats.entries, 4U);
    EXPECT_EQ(stats.in_flight, 0U);
    resolver.flush();
    EXPECT_TRUE(co_await resolver.resolve("www.example"));
    EXPECT_EQ(resolver.stats().queries, 6U);
  });
  EXPECT_EQ(server.asked("www.example", Family::kV4), 2);
}

Task<void> resolve_into(Resolver& resolver, std::string host, Result<Addresses>& result) {
  result = co_await resolver.resolve(host);
}

TEST(Resolver, AThousandLookupsAtOnceAreOneQueryPerFamily) {
  DnsServer server(both_families);
  run_on_io_thread([&]() -> Task<void> {
    Resolver resolver(options_for(server));
    std::vector<Result<Addresses>> results(1000, fail(Errc::kInternal));
    TaskGroup group;
    for (auto& r : results) group.spawn(resolve_into(resolver, "www.example", r));
    co_await group.join();
    for (const auto& r : results) EXPECT_EQ(list_of(r), (std::vector{kV6, kV4}));
    EXPECT_EQ(resolver.stats().queries, 2U);
  });
  EXPECT_EQ(server.asked("www.example", Family::kV4), 1);
  EXPECT_EQ(server.asked("www.example", Family::kV6), 1);
}

TEST(Resolver, CancellingOneLookupLeavesTheQueryToTheOthers) {
  // The server says nothing until one of the two is gone.
  std::mutex gate;
  std::unique_lock closed(gate);
  DnsServer server([&](const std::string& name, Family family) {
    const std::lock_guard wait(gate);
    return both_families(name, family);
  });
  run_on_io_thread([&]() -> Task<void> {
    Resolver resolver(options_for(server));
    Result<Addresses> kept = fail(Errc::kInternal), cancelled = fail(Errc::kInternal);
    TaskGroup stays, goes;
    stays.spawn(resolve_into(resolver, "www.example", kept));
    goes.spawn(resolve_into(resolver, "www.example", cancelled));
    co_await yield_now();
    EXPECT_EQ(resolver.stats().in_flight, 2U);
    goes.cancel(Errc::kClientGone);
    co_await goes.join();
    EXPECT_EQ(errc_of(cancelled), Errc::kClientGone);
    closed.unlock();
    co_await stays.join();
    EXPECT_EQ(list_of(kept).size(), 2U);
    EXPECT_EQ(resolver.stats().queries, 2U);
  });
}

TEST(Resolver, QueriesInFlightAndQueuedAreBounded) {
  DnsServer server(nothing);
  run_on_io_thread([&]() -> Task<void> {
    Resolver::Options options = options_for(server);
    options.in_flight_max = 4;
    options.queue_max = 6;
    Resolver resolver(options);
    // Two queries each: five fit, the sixth does not.
    std::vector<Result<Addresses>> results(6, fail(Errc::kInternal));
    TaskGroup group;
    for (std::size_t i = 0; i < results.size(); ++i)
      group.spawn(resolve_into(resolver, "host" + std::to_string(i) + ".example", results[i]));
    co_await yield_now();
    EXPECT_EQ(resolver.stats().in_flight, 4U);
    EXPECT_EQ(resolver.stats().queued, 6U);
    EXPECT_EQ(errc_of(results[5]), Errc::kQueueFull);
    EXPECT_EQ(errc_of(results[4]), Errc::kInternal) << "still waiting";
    group.cancel();
    co_await group.join();
    EXPECT_EQ(resolver.stats().queued, 0U) << "nobody wants them any more";
    EXPECT_EQ(resolver.stats().in_flight, 4U);
  });
}

TEST(Resolver, TheQueueMovesOn) {
  DnsServer server(both_families);
  run_on_io_thread([&]() -> Task<void> {
    Resolver::Options options = options_for(server);
    options.in_flight_max = 3;
    Resolver resolver(options);
    std::vector<Result<Addresses>> results(200, fail(Errc::kInternal));
    TaskGroup group;
    for (std::size_t i = 0; i < results.size(); ++i)
      group.spawn(resolve_into(resolver, "host" + std::to_string(i) + ".example", results[i]));
    co_await group.join();
    for (const auto& r : results) EXPECT_EQ(list_of(r).size(), 2U);
    EXPECT_EQ(resolver.stats().queries, 400U);
  });
}

TEST(Resolver, FindsAServerThatComesBack) {
  // Dead, then alive: each attempt is a new name, as failures are remembered.
  std::atomic<bool> alive = false;
  DnsServer server([&](const std::string& name, Family family) {
    return alive ? both_families(name, family) : nothing(name, family);
  });
  run_on_io_thread([&]() -> Task<void> {
    Resolver::Options options = options_for(server);
    options.deadline = milliseconds(140);
    Resolver resolver(options);
    for (int i = 0; i < 4; ++i)
      EXPECT_EQ(errc_of(co_await resolver.resolve("dead" + std::to_string(i) + ".example")),
                Errc::kDnsTimeout);
    alive = true;
    EXPECT_TRUE(co_await resolver.resolve("alive.example"));
  });
}

TEST(Resolver, ReadsResolvConfAgainWhenItChanges) {
  const std::string path = testing::TempDir() + "resolv_conf_" + std::to_string(::getpid());
  const auto write = [&](const std::string& text) {
    std::ofstream(path + ".new") << text;
    std::filesystem::rename(path + ".new", path);
  };
  write("nameserver 127.0.0.1\n");
  run_on_io_thread([&]() -> Task<void> {
    Resolver::Options options;
    options.resolv_conf = path;
    options.hosts_file = "/nonexistent";
    options.deadline = milliseconds(100);
    Resolver resolver(options);
    EXPECT_FALSE(co_await resolver.resolve("a.example"));
    EXPECT_EQ(resolver.stats().entries, 2U);
    write("nameserver 127.0.0.2\n");
    (void)co_await sleep_for(FileStamp::kCheckInterval + milliseconds(50));
    EXPECT_FALSE(co_await resolver.resolve("b.example"));
    EXPECT_EQ(resolver.stats().channels, 2U);
    EXPECT_EQ(resolver.stats().entries, 2U) << "what the old servers said is forgotten";
  });
  std::filesystem::remove(path);
}

TEST(Resolver, MayGoWithQueriesInFlight) {
  DnsServer server(nothing);
  run_on_io_thread([&]() -> Task<void> {
    Resolver resolver(options_for(server));
    Result<Addresses> result = fail(Errc::kInternal);
    TaskGroup group;
    group.spawn(resolve_into(resolver, "www.example", result));
    co_await yield_now();
    group.cancel();
    co_await group.join();
    EXPECT_EQ(resolver.stats().in_flight, 2U);
  });
}

TEST(Resolver, ADeadlineOfTheCallerEndsTheLookup) {
  DnsServer server(nothing);
  run_on_io_thread([&]() -> Task<void> {
    Resolver resolver(options_for(server));
    DeadlineScope limit(Errc::kTotalTimeout, milliseconds(20));
    EXPECT_EQ(errc_of(co_await in_scope(limit.scope(), resolver.resolve("www.example"))),
              Errc::kTotalTimeout);
  });
}

}  // namespace
}  // namespace millrace::net
