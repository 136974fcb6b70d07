#include "net/resolver.hpp"

#include "support/dns_server.hpp"
#include "support/io_test.hpp"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>

#include <gtest/gtest.h>

namespace millrace::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::DnsReply;
using test::DnsServer;
using test::run_on_io_thread;

const IpAddress kV4 = *IpAddress::parse("192.0.2.1");
const IpAddress kV6 = *IpAddress::parse("2001:db8::1");

DnsReply both_families(const std::string&, Family family) {
  return {.records = {{.data = family == Family::kV4 ? kV4 : kV6}}};
}
DnsReply only_v4(const std::string&, Family family) {
  if (family == Family::kV6) return {};
  return {.records = {{.data = kV4}}};
}
DnsReply nothing(const std::string&, Family) {
  return {.silent = true};
}

Resolver::Options options_for(const DnsServer& server) {
  Resolver::Options options;
  options.servers = server.address();
  options.hosts_file = "/nonexistent";
  return options;
}

/// Options of a resolver that must not need DNS: nobody listens there.
Resolver::Options no_dns() {
  Resolver::Options options;
  options.servers = "127.0.0.1:1";
  options.hosts_file = "/nonexistent";
  options.deadline = milliseconds(300);
  return options;
}

std::vector<IpAddress> list_of(const Result<Addresses>& r) {
  return r ? r->list : std::vector<IpAddress>{};
}

Errc errc_of(const Result<Addresses>& r) {
  return r ? Errc::kCount_ : r.error().errc;
}

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
    EXPECT_LT(Clock::now() - before, seconds(1)) << "refused, not timed out";
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
    options.deadline = milliseconds(150);
    Resolver resolver(options);
    EXPECT_TRUE(co_await resolver.resolve("www.example", Family::kV4));
    silent = true;
    EXPECT_EQ((co_await resolver.resolve("www.example", Family::kV4))->source, DnsSource::kStale);
    const TimePoint before = Clock::now();
    EXPECT_EQ((co_await resolver.resolve("www.example", Family::kV4))->source, DnsSource::kStale);
    EXPECT_LT(Clock::now() - before, milliseconds(100)) << "nobody waits a second time";
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

TEST(Resolver, ShortNamesAreCompletedBySearchDomains) {
  DnsServer server([](const std::string& name, Family family) {
    if (name == "db.two.example" || name == "a.b" || name == "x.y.one.example")
      return both_families(name, family);
    // Exists, with an address of the other family alone: no reason to look further.
    if (name == "half.one.example") return only_v4(name, family);
    if (name == "broken.one.example") return DnsReply{.rcode = DnsReply::kServFail};
    if (name == "half.two.example" || name == "broken.two.example")
      return both_families(name, family);
    return DnsReply{.rcode = DnsReply::kNxDomain};
  });
  run_on_io_thread([&]() -> Task<void> {
    Resolver::Options options = options_for(server);
    options.search = SearchList{.domains = {"one.example", "two.example"}};
    Resolver resolver(options);
    EXPECT_TRUE(co_await resolver.resolve("db"));
    EXPECT_EQ(server.asked("db.one.example", Family::kV4), 1);
    EXPECT_EQ(server.asked("db", Family::kV4), 0);
    EXPECT_TRUE(co_await resolver.resolve("a.b"));
    EXPECT_EQ(server.asked("a.b.one.example", Family::kV4), 0) << "a dot: as it is first";
    EXPECT_TRUE(co_await resolver.resolve("x.y"));
    EXPECT_EQ(server.asked("x.y", Family::kV4), 1);
    EXPECT_EQ(list_of(co_await resolver.resolve("half")), std::vector{kV4})
        << "addresses of two hosts are never mixed";
    EXPECT_EQ(errc_of(co_await resolver.resolve("broken")), Errc::kDnsFailed)
        << "a failure is no reason to try another host";
    EXPECT_EQ(errc_of(co_await resolver.resolve("db.")), Errc::kDnsNotFound);
    EXPECT_EQ(server.asked("db", Family::kV4), 1);
    EXPECT_EQ(errc_of(co_await resolver.resolve("nowhere")), Errc::kDnsNotFound);
    EXPECT_EQ(server.asked("nowhere", Family::kV6), 1) << "at last as it is";
    const auto queries = resolver.stats().queries;
    EXPECT_TRUE(co_await resolver.resolve("db"));
    EXPECT_EQ(resolver.stats().queries, queries) << "what is not there is remembered, too";
  });
}

TEST(Resolver, ReadsTheSearchListOfResolvConf) {
  const std::string path = testing::TempDir() + "search_conf_" + std::to_string(::getpid());
  std::ofstream(path) << "nameserver 127.0.0.1\nsearch millrace.invalid\noptions ndots:2\n";
  run_on_io_thread([&]() -> Task<void> {
    Resolver::Options options;
    options.resolv_conf = path;
    options.hosts_file = "/nonexistent";
    options.deadline = milliseconds(100);
    Resolver resolver(options);
    EXPECT_FALSE(co_await resolver.resolve("a.b", Family::kV4));
    EXPECT_EQ(resolver.cache().entries().back().name, "a.b.millrace.invalid");
  });
  std::filesystem::remove(path);
}

TEST(Resolver, FindsTheServersOfAService) {
  const SrvRecord first{.priority = 1, .weight = 5, .port = 8080, .target = "a.example"};
  const SrvRecord second{.priority = 2, .weight = 0, .port = 8081, .target = "b.example"};
  DnsServer server(both_families, [&](const std::string& name) {
    if (name == "_none._tcp.web.example") return DnsReply{.records = {{.data = SrvRecord{}}}};
    if (name != "_http._tcp.web.example") return DnsReply{.rcode = DnsReply::kNxDomain};
    return DnsReply{.records = {{.data = first, .ttl = 30}, {.data = second, .ttl = 20}}};
  });
  run_on_io_thread([&]() -> Task<void> {
    Resolver resolver(options_for(server));
    for (int i = 0; i < 3; ++i) {
      const TimePoint now = Clock::now();
      const Result<SrvRecords> found = co_await resolver.resolve_srv("_HTTP._tcp.web.example");
      if (!found) {
        ADD_FAILURE();
        co_return;
      }
      EXPECT_EQ(found->list, (std::vector{first, second}));
      EXPECT_LT(found->expiry - now, seconds(25));
      EXPECT_EQ(found->source, i == 0 ? DnsSource::kDns : DnsSource::kCache);
    }
    for (const char* service : {"_none._tcp.web.example", "_other._tcp.web.example", "not a name"})
      EXPECT_EQ((co_await resolver.resolve_srv(service)).error(), Error(Errc::kDnsNotFound))
          << service;
  });
  EXPECT_EQ(server.asked_for_service("_http._tcp.web.example"), 1);
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
