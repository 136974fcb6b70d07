// What becomes of requests and checks: who is left alone, who comes back, who is told.
#include "fake_exchange.hpp"
#include "proxy/health_checker.hpp"
#include "proxy/target_follower.hpp"
#include "proxy/upstream.hpp"
#include "support/dns_server.hpp"
#include "support/on_io.hpp"
#include "support/raw_origin.hpp"

#include <atomic>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::test {
namespace {

using namespace std::chrono_literals;
using proxy::HealthChecker;
using proxy::key_of;
using proxy::NamedTargets;
using proxy::TargetFollower;
using proxy::TargetLease;
using proxy::TargetSpec;
using proxy::Upstream;
using proxy::UpstreamState;
using Names = std::set<std::string>;

TargetSpec spec(std::string name, unsigned weight = 1) {
  return {.name = std::move(name), .origin = {.host = "127.0.0.1", .port = 1}, .weight = weight};
}

class UpstreamHealth : public ::testing::Test {
 protected:
  void publish(std::vector<std::string> names) {
    std::vector<TargetSpec> specs;
    for (std::string& name : names) specs.push_back(spec(std::move(name)));
    state->publish(std::move(specs));
    if (upstream == nullptr)
      upstream =
          Upstream::make(client, {.name = "api", .state = state, .balance = "round_robin"}, 0)
              .value();
  }
  Names used() {
    Names out;
    for (int i = 0; i < 20; ++i)
      if (const auto lease = upstream->pick()) out.insert(lease->name());
    return out;
  }
  /// Requests to `name` that fail.
  void break_down(std::string_view name, int times) {
    while (times > 0) {
      Result<TargetLease> lease = upstream->pick();
      ASSERT_TRUE(lease);
      if (lease->name() == name && times-- > 0) lease->failed(Errc::kConnectRefused);
    }
  }
  void succeed(std::string_view name) {
    for (;;) {
      Result<TargetLease> lease = upstream->pick();
      if (lease->name() != name) continue;
      lease->answered(200);
      return lease->finished({});
    }
  }
  std::string_view state_of(std::string_view name) {
    for (const auto& report : state->report())
      if (report.entry.spec.name == name) return report.standing.state;
    return {};
  }

  IoThread io{0};
  net::Resolver resolver;
  client::Client client{resolver, {}};
  std::shared_ptr<UpstreamState> state = std::make_shared<UpstreamState>("api");
  std::unique_ptr<Upstream> upstream;
};

TEST_F(UpstreamHealth, FailuresInARowEjectAndTimeBringsBack) {
  publish({"a", "b", "c"});
  break_down("a", 4);
  EXPECT_EQ(used(), (Names{"a", "b", "c"}));
  break_down("a", 1);
  EXPECT_EQ(used(), (Names{"b", "c"}));
  EXPECT_EQ(state_of("a"), "ejected");
  (void)state->tick(Clock::now() + 9s);
  EXPECT_EQ(state_of("a"), "ejected");
  (void)state->tick(Clock::now() + 11s);
  EXPECT_EQ(used(), (Names{"a", "b", "c"}));
}

TEST_F(UpstreamHealth, WhoComesBackIsOnProbation) {
  publish({"a", "b"});
  break_down("a", 5);
  (void)state->tick(Clock::now() + 11s);
  break_down("a", 1);
  EXPECT_EQ(used(), Names{"b"});
  (void)state->tick(Clock::now() + 40s);
  succeed("a");
  break_down("a", 4);
  EXPECT_EQ(used(), (Names{"a", "b"}));
}

TEST_F(UpstreamHealth, TheOnlyTargetIsUsedWhateverItDoes) {
  publish({"a"});
  break_down("a", 100);
  EXPECT_EQ(used(), Names{"a"});
  EXPECT_EQ(state_of("a"), "healthy");
}

TEST_F(UpstreamHealth, OffMeansOff) {
  state->set_policy({.outlier = {.failures = 0}});
  publish({"a", "b"});
  break_down("a", 100);
  EXPECT_EQ(used(), (Names{"a", "b"}));
}

TEST_F(UpstreamHealth, ATargetThatIsPublishedAgainIsStillEjected) {
  publish({"a", "b", "c"});
  break_down("a", 5);
  publish({"a", "b", "c", "d"});
  EXPECT_EQ(used(), (Names{"b", "c", "d"}));
}

TEST_F(UpstreamHealth, EjectionsEndAlsoForWhoIsDrainedOrGoneMeanwhile) {
  publish({"a", "b", "c"});
  break_down("a", 5);
  state->set_drained("a", true, Clock::now());
  (void)state->tick(Clock::now() + 11s);
  state->set_drained("a", false, Clock::now());
  EXPECT_EQ(state_of("a"), "healthy");

  break_down("a", 1);  // on probation
  EXPECT_EQ(state_of("a"), "ejected");
  const auto kept = state->targets()->front().state;
  publish({"b", "c"});
  publish({"a", "b", "c"});
  EXPECT_EQ(state_of("a"), "ejected");
  publish({"b", "c"});
  (void)state->tick(Clock::now());
  publish({"a", "b", "c"});
  EXPECT_EQ(state->targets()->front().state, kept);
  EXPECT_EQ(state_of("a"), "healthy");
}

TEST_F(UpstreamHealth, FlappingCostsFewRequests) {
  // Down every other second, for a minute, with a request each 10 ms. Without ejection a quarter of
  // all requests would fail at first.
  publish({"a", "b"});
  int requests = 0, failures = 0;
  const TimePoint began = Clock::now();
  for (int ms = 0; ms < 60'000; ms += 10) {
    if (ms % 250 == 0) (void)state->tick(began + std::chrono::milliseconds(ms));
    Result<TargetLease> lease = upstream->pick();
    ++requests;
    if (lease->name() == "a" && ms / 1000 % 2 == 0) {
      lease->failed(Errc::kConnectRefused);
      ++failures;
    } else {
      lease->answered(200);
      lease->finished({});
    }
  }
  EXPECT_LE(failures * 5, requests) << "1.2 times";
}

TEST_F(UpstreamHealth, TheBreakerRefusesAndTriesAgain) {
  state->set_policy({.breaker = {.failures = 3, .open = 50ms}});
  publish({"a"});
  break_down("a", 3);
  const auto refused = upstream->pick();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), Error(Errc::kCircuitOpen));
  while (!upstream->pick()) std::this_thread::yield();  // a probe that says nothing
  {
    Result<TargetLease> probe = upstream->pick();
    ASSERT_TRUE(probe);
    EXPECT_FALSE(upstream->pick()) << "one at a time";
    probe->answered(200);
    probe->finished({});
  }
  EXPECT_EQ(used(), Names{"a"});
}

TEST_F(UpstreamHealth, SlowStartGivesMoreAndMore) {
  state->set_policy({.slow_start = 10s});
  publish({"a"});
  const auto& a = *state->targets()->front().state;
  EXPECT_EQ(a.share(), 100u) << "there is nobody to spare it";
  publish({"a", "b"});
  const TimePoint began = Clock::now();
  const auto b = state->targets()->back().state;
  EXPECT_EQ(b->share(), 1u);
  EXPECT_EQ(state->tick(began + 500ms), Duration(UpstreamState::kTick));
  EXPECT_EQ(b->share(), 10u);
  (void)state->tick(began + 5s);
  EXPECT_NEAR(b->share(), 50u, 1u);
  EXPECT_EQ(state->tick(began + 10'100ms), Duration(UpstreamState::kIdleTick));
  EXPECT_EQ(b->share(), 100u);
  EXPECT_EQ(a.share(), 100u);
}

TEST_F(UpstreamHealth, StickyClientsKeepTheirTargetWhileItIsThere) {
  upstream =
      Upstream::make(client,
                     {.name = "api",
                      .targets = {spec("a"), spec("b"), spec("c")},
                      .state = state,
                      .balance = "round_robin",
                      .sticky = proxy::StickyOptions{.cookie = "srv", .ttl = 60s, .secret = "s"}},
                     0)
          .value();
  FakeExchange first;
  const std::string set =
      upstream->cookie_for(*upstream->pick(upstream->context_for(first)), first);
  ASSERT_TRUE(set.starts_with("srv="));
  EXPECT_NE(set.find("; Path=/; HttpOnly; SameSite=Lax; Max-Age=60"), std::string::npos);
  EXPECT_EQ(set.find("Secure"), std::string::npos);
  EXPECT_EQ(set.find("127.0.0.1"), std::string::npos);

  FakeExchange again;
  const std::string cookies = "x=1; " + set.substr(0, set.find(';'));
  again.field("Cookie", cookies);
  const auto context = upstream->context_for(again);
  const std::string name = upstream->pick(context)->name();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(upstream->pick(context)->name(), name);
  EXPECT_EQ(upstream->cookie_for(*upstream->pick(context), again), "");

  state->set_drained(name, true, Clock::now());
  const auto other = upstream->pick(context);
  EXPECT_NE(other->name(), name);
  EXPECT_NE(upstream->cookie_for(*other, again), "");
}

TEST_F(UpstreamHealth, StickyClientsComeBackToTheSeatWhoeverIsInIt) {
  const auto seated = [](std::string name, std::string seat) {
    TargetSpec made = spec(std::move(name));
    made.seat = std::move(seat);
    return made;
  };
  const auto old_one = seated("p/0#1", "p/0"), new_one = seated("p/0#3", "p/0");
  const auto other = seated("p/1#2", "p/1");
  upstream = Upstream::make(client,
                            {.name = "api",
                             .targets = {old_one},
                             .state = state,
                             .balance = "round_robin",
                             .sticky = proxy::StickyOptions{.cookie = "srv", .secret = "s"}},
                            0)
                 .value();
  FakeExchange first;
  const std::string set = upstream->cookie_for(*upstream->pick(), first);
  FakeExchange again;
  const std::string cookies = set.substr(0, set.find(';'));
  again.field("Cookie", cookies);
  const auto context = upstream->context_for(again);
  state->publish({old_one, other, new_one});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(upstream->pick(context)->name(), "p/0#3");
  auto retried = context;
  const std::vector<std::uint64_t> failed{upstream->pick(context)->id()};
  retried.avoid = failed;
  EXPECT_EQ(upstream->pick(retried)->name(), "p/0#1");
  state->publish({other, new_one});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(upstream->pick(context)->name(), "p/0#3");
  EXPECT_EQ(upstream->cookie_for(*upstream->pick(context), again), "");
}

TEST(Keys, OfARequest) {
  using From = proxy::RequestKey::From;
  FakeExchange exchange;
  exchange.target("/a?b");
  exchange.field("X-User", "me");
  exchange.field("Cookie", "a=1;b=2; c = 3");
  exchange.field("Cookie", "d=4");
  FakeExchange other;
  other.target("/a?c");
  EXPECT_EQ(key_of({From::kPath, {}}, exchange), key_of({From::kPath, {}}, other));
  EXPECT_TRUE(key_of({From::kHeader, "x-user"}, exchange));
  EXPECT_FALSE(key_of({From::kHeader, "x-user"}, other));
  EXPECT_FALSE(key_of({From::kCookie, "e"}, exchange));
  EXPECT_TRUE(key_of({From::kAddress, {}}, exchange));
  const auto cookie = [&](std::string_view name) {
    return proxy::cookie_of(exchange.request.fields, name);
  };
  EXPECT_EQ(cookie("a"), "1");
  EXPECT_EQ(cookie("b"), "2");
  EXPECT_EQ(cookie("d"), "4");
  EXPECT_EQ(cookie("c"), "") << "its name is \"c \"";
}

// --- active checks ---

class ActiveHealth : public UpstreamHealth {
 protected:
  /// Checks until `done()`.
  template <class Done>
  void check(HealthChecker::Options options, std::uint16_t port, Done done) {
    state->publish({{.name = "a", .origin = {.host = "127.0.0.1", .port = port}}});
    options.interval = 5ms;
    HealthChecker checker(*state, client, resolver, options);
    on_io(io, [&]() -> Task<void> {
      TaskGroup group;
      group.spawn(checker.run());
      while (!done()) (void)co_await sleep_for(1ms);
      group.cancel();
      co_await group.join();
      client.close_idle();
    });
  }
  std::string reason() { return state->report().front().standing.reason; }
  bool healthy() { return state->targets()->front().state->healthy(); }
};

TEST_F(ActiveHealth, StatusesDecide) {
  std::atomic<int> status = 404;
  std::string head;
  RawOrigin origin([&](RawOrigin::Peer& peer, int) {
    for (std::string seen = peer.read_head(); !seen.empty(); seen = peer.read_head()) {
      head = seen;
      peer.send("HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Length: 2\r\n\r\nok");
    }
  });
  const HealthChecker::Options options{.path = "/healthz", .host = "h.test", .status_max = 299};
  check(options, origin.port(), [&] { return !healthy(); });
  EXPECT_EQ(reason(), "health check: status 404");
  EXPECT_TRUE(head.starts_with("GET /healthz HTTP/1.1\r\nHost: h.test\r\n"));
  status = 200;
  check(options, origin.port(), [&] { return healthy(); });
  EXPECT_EQ(reason(), "");
}

TEST_F(ActiveHealth, AnswersThatDoNotCome) {
  RawOrigin origin([&](RawOrigin::Peer& peer, int) {
    peer.read_head();
    peer.read_to_end();
  });
  check({.path = "/", .timeout = 20ms}, origin.port(), [&] { return !healthy(); });
  EXPECT_EQ(reason(), "health check: no answer in time");
}

TEST_F(ActiveHealth, AConnectionIsEnoughForTcp) {
  std::atomic<int> connections = 0;
  RawOrigin origin([&](RawOrigin::Peer& peer, int) {
    ++connections;
    peer.read_to_end();
  });
  check({}, origin.port(), [&] { return connections >= 3; });
  EXPECT_TRUE(healthy());
}

TEST_F(ActiveHealth, NobodyThere) {
  const std::uint16_t port = RawOrigin([](RawOrigin::Peer&, int) {}).port();
  check({}, port, [&] { return !healthy(); });
  EXPECT_EQ(reason(), "health check: the upstream refused the connection");
}

// --- names that are followed ---

NamedTargets host(std::string name) {
  return {.origin = {.host = std::move(name), .port = 8080}};
}

net::IpAddress ip(std::string_view text) {
  return net::IpAddress::parse(text).value();
}

TEST(TargetsOf, AddressesOfOneFamily) {
  const auto both =
      targets_of(host("a.test"), {.list = {ip("::2"), ip("10.0.0.2"), ip("10.0.0.1")}});
  ASSERT_EQ(both.size(), 2u);
  EXPECT_EQ(both[0].name, "10.0.0.1:8080");
  EXPECT_EQ(both[0].authority, "a.test:8080");
  const auto v6 = targets_of(host("a.test"), {.list = {ip("::2")}});
  ASSERT_EQ(v6.size(), 1u);
  EXPECT_EQ(v6[0].name, "[::2]:8080");
}

TEST(TargetsOf, CertificatesAreForTheName) {
  NamedTargets source = host("a.test");
  source.origin.tls = true;
  EXPECT_EQ(targets_of(source, {.list = {ip("10.0.0.1")}})[0].origin.tls_name, "a.test");
}

TEST(TargetsOf, Services) {
  NamedTargets source{.origin = {.host = "_http._tcp.a.test", .port = 0},
                      .service = true,
                      .weight = 2,
                      .priority = 1};
  const auto targets =
      targets_of(source, {.list = {{10, 5, 81, "y.a.test"}, {0, 0, 82, "x.a.test."}}});
  ASSERT_EQ(targets.size(), 2u);
  EXPECT_EQ(targets[0].name, "x.a.test:82");
  EXPECT_EQ(targets[0].weight, 2u);
  EXPECT_EQ(targets[0].priority, 1u);
  EXPECT_EQ(targets[1].weight, 10u);
  EXPECT_EQ(targets[1].priority, 11u);
}

class Following : public ::testing::Test {
 protected:
  Names names() {
    Names out;
    for (const auto& entry : *state.targets()) out.insert(entry.spec.name);
    return out;
  }
  /// Follows `source`, asking `server`, while `body` runs.
  template <class Body>
  void follow(const DnsServer& server, NamedTargets source, Body body) {
    proxy::TargetSources sources{.fixed = {spec("fixed")}, .named = {std::move(source)}};
    publish_known(state, sources);
    IoThread io(0);
    on_io(io, [&]() -> Task<void> {
      net::Resolver resolver({.servers = server.address(),
                              .hosts_file = "",
                              .search = net::SearchList{},
                              .cache = {.ttl_min = 0s, .failure_ttl = 1ms, .refresh_retry = 0s}});
      TargetFollower follower(state, resolver, sources,
                              {.min = 1ms, .max = 5ms, .after_failure = 1ms});
      TaskGroup group;
      group.spawn(follower.run());
      co_await body();
      group.cancel();
      co_await group.join();
    });
  }
  Task<void> until(Names wanted) {
    while (names() != wanted) (void)co_await sleep_for(1ms);
  }

  UpstreamState state{"api"};
};

TEST_F(Following, AllAddressesAndTheirChanges) {
  std::atomic<int> round = 0;
  DnsServer server([&](const std::string&, net::Family family) -> DnsReply {
    if (family == net::Family::kV6) return {};
    if (round == 2) return {.rcode = DnsReply::kServFail};
    DnsReply reply{.records = {{.data = ip("10.0.0.1"), .ttl = 0}}};
    if (round == 0) reply.records.push_back({.data = ip("10.0.0.2"), .ttl = 0});
    return reply;
  });
  follow(server, host("a.test"), [&]() -> Task<void> {
    EXPECT_EQ(names(), (Names{"fixed", "a.test:8080"}));
    co_await until({"fixed", "10.0.0.1:8080", "10.0.0.2:8080"});
    round = 1;
    co_await until({"fixed", "10.0.0.1:8080"});
    round = 2;
    // Nobody knows any more, and it goes on as it was.
    const int before = server.asked("a.test", net::Family::kV4);
    while (server.asked("a.test", net::Family::kV4) == before) (void)co_await sleep_for(5ms);
    EXPECT_EQ(names(), (Names{"fixed", "10.0.0.1:8080"}));
  });
  // And is known to the next one who follows.
  publish_known(state, {.fixed = {}, .named = {host("a.test")}});
  EXPECT_EQ(names(), Names{"10.0.0.1:8080"});
}

TEST_F(Following, ServersOfAService) {
  DnsServer server([](const std::string&, net::Family) { return DnsReply{}; },
                   [](const std::string&) {
                     return DnsReply{.records = {{.data = net::SrvRecord{0, 1, 81, "x.a.test"}},
                                                 {.data = net::SrvRecord{1, 1, 82, "y.a.test"}}}};
                   });
  NamedTargets source{.origin = {.host = "_http._tcp.a.test", .port = 0}, .service = true};
  follow(server, source, [&]() -> Task<void> {
    EXPECT_EQ(names(), Names{"fixed"});
    co_await until({"fixed", "x.a.test:81", "y.a.test:82"});
  });
}

}  // namespace
}  // namespace millrace::test
