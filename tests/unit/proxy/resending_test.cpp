// Which requests the proxy sends again, where, and what it tells the upstream of its waits.
#include "proxy_fixture.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>

namespace millrace::test {
namespace {

using namespace std::chrono_literals;
using proxy::ReverseProxy;
using proxy::Upstream;
using Peer = RawOrigin::Peer;

class ResendingTest : public ProxyTest {
 protected:
  /// Reads a request with `bytes` of body and closes.
  static RawOrigin::Script closes(std::atomic<int>& asked, std::size_t bytes = 0) {
    return [&asked, bytes](Peer& peer, int) {
      peer.read_head();
      peer.read_bytes(bytes);
      ++asked;
    };
  }
  static RawOrigin::Script answers(std::string& seen, std::size_t bytes = 0) {
    return [&seen, bytes](Peer& peer, int) {
      seen = peer.read_head();
      seen += peer.read_bytes(bytes);
      peer.send(ok("x"));
    };
  }
  std::atomic<int> asked = 0;
  std::string seen;
};

TEST_F(ResendingTest, AnIdempotentRequestGoesToAnotherTarget) {
  RawOrigin bad(closes(asked));
  RawOrigin good(answers(seen));
  FakeExchange exchange;
  EXPECT_TRUE(pass(exchange, options({bad.port(), good.port()})));
  EXPECT_EQ(exchange.status(), 200);
  EXPECT_EQ(exchange.upstream.attempts, 2u);
  EXPECT_EQ(exchange.upstream.target, "127.0.0.1:" + std::to_string(good.port()));
}

TEST_F(ResendingTest, WithItsBodyWhileThatIsHeld) {
  pass_options.buffer.kind = proxy::Buffering::kMemory;
  RawOrigin bad(closes(asked, 5));
  RawOrigin good(answers(seen, 5));
  FakeExchange exchange;
  exchange.method("PUT");
  exchange.body("hello");
  EXPECT_TRUE(pass(exchange, options({bad.port(), good.port()})));
  EXPECT_TRUE(seen.ends_with("\r\n\r\nhello"));
}

TEST_F(ResendingTest, NotWithABodyThatWasNotHeld) {
  RawOrigin bad(closes(asked, 5));
  RawOrigin good(answers(seen, 5));
  FakeExchange exchange;
  exchange.method("PUT");
  exchange.body("hello");
  EXPECT_EQ(pass(exchange, options({bad.port(), good.port()})), fail(Errc::kUpstreamClosed));
  EXPECT_EQ(seen, "");
}

TEST_F(ResendingTest, APostThatWasSentIsSentOnce) {
  pass_options.buffer.kind = proxy::Buffering::kMemory;
  RawOrigin bad(closes(asked, 5));
  RawOrigin good(answers(seen, 5));
  FakeExchange exchange;
  exchange.method("POST");
  exchange.body("hello");
  EXPECT_EQ(pass(exchange, options({bad.port(), good.port()})), fail(Errc::kUpstreamClosed));
  EXPECT_EQ(seen, "");
}

TEST_F(ResendingTest, APostThatReachedNobodyGoesToAnotherTarget) {
  RawOrigin good(answers(seen, 5));
  FakeExchange exchange;
  exchange.method("POST");
  exchange.body("hello");
  EXPECT_TRUE(pass(exchange, options({unused_port(), good.port()})));
  EXPECT_TRUE(seen.ends_with("\r\n\r\nhello"));
}

TEST_F(ResendingTest, NotBehindTheFirstByteOfAnAnswer) {
  RawOrigin bad([&](Peer& peer, int) {
    peer.read_head();
    peer.send("HTTP/1.1 200 O");
  });
  RawOrigin good(answers(seen));
  FakeExchange exchange;
  EXPECT_EQ(pass(exchange, options({bad.port(), good.port()})), fail(Errc::kUpstreamClosed));
  EXPECT_EQ(seen, "");
}

TEST_F(ResendingTest, ASingleTargetIsTriedAgainOnANewConnection) {
  RawOrigin origin([&](Peer& peer, int index) {
    peer.read_head();
    if (index != 0) peer.send(ok("x"));
  });
  FakeExchange exchange;
  EXPECT_TRUE(pass(exchange, origin));
  EXPECT_EQ(origin.connections(), 2);
}

TEST_F(ResendingTest, AsOftenAsConfigured) {
  for (const unsigned retries : {0u, 1u, 2u}) {
    asked = 0;
    pass_options.retries = retries;
    RawOrigin bad(closes(asked));
    FakeExchange exchange;
    EXPECT_EQ(pass(exchange, bad), fail(Errc::kUpstreamClosed));
    EXPECT_EQ(asked, static_cast<int>(retries) + 1);
  }
}

TEST_F(ResendingTest, AsTheBudgetAllows) {
  proxy::UpstreamLimits none({.budget = {.ratio = 0, .min_per_second = 0}});
  RawOrigin bad(closes(asked));
  FakeExchange exchange;
  const auto group = upstream(options({bad.port()}));
  ReverseProxy proxy(*group, none, {});
  on_io(io, [&]() -> Task<void> {
    EXPECT_EQ(co_await proxy.handle(exchange), fail(Errc::kUpstreamClosed));
  });
  EXPECT_EQ(asked, 1);
}

TEST_F(ResendingTest, AnAnswerIsAnAnswerUnlessItsStatusIsNamed) {
  RawOrigin busy([&](Peer& peer, int) {
    while (!peer.read_head().empty()) {
      ++asked;
      peer.send("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
    }
  });
  FakeExchange first;
  EXPECT_TRUE(pass(first, busy));
  EXPECT_EQ(first.status(), 503);
  EXPECT_EQ(asked, 1);
  pass_options.statuses = {502, 503};
  RawOrigin good(answers(seen));
  FakeExchange second;
  EXPECT_TRUE(pass(second, options({busy.port(), good.port()})));
  EXPECT_EQ(second.status(), 200);
  FakeExchange post;
  post.method("POST");
  EXPECT_TRUE(pass(post, options({busy.port(), good.port()})));
  EXPECT_EQ(post.status(), 503);
}

TEST_F(ResendingTest, ATryThatTakesTooLongMakesRoomForTheNext) {
  RawOrigin silent([&](Peer& peer, int) {
    peer.read_head();
    ++asked;
    peer.read_to_end();
  });
  RawOrigin good(answers(seen));
  pass_options.per_try = 30ms;
  FakeExchange exchange;
  EXPECT_TRUE(pass(exchange, options({silent.port(), good.port()})));
  FakeExchange post;
  post.method("POST");
  EXPECT_EQ(pass(post, options({silent.port(), good.port()})), fail(Errc::kTryTimeout));
  EXPECT_EQ(asked, 2);
}

TEST_F(ResendingTest, TheDeadlineIsTold) {
  RawOrigin origin(answers(seen));
  const auto told = [&](FakeExchange& exchange) {
    EXPECT_TRUE(pass(exchange, origin));
    const std::size_t at = seen.find("X-Request-Deadline: ");
    return at == std::string::npos ? -1 : std::stol(seen.substr(at + 20));
  };
  FakeExchange none;
  none.field("X-Request-Deadline", "500");
  EXPECT_EQ(told(none), -1);  // anybody may say so
  pass_options.total = 60s;
  FakeExchange ours;
  ours.field("X-Request-Deadline", "500");
  EXPECT_GT(told(ours), 30'000);
  for (const char* text : {"500", "70000", "x", "-1", "99999999999999999999"}) {
    FakeExchange trusted;
    trusted.peer_info().trusted_proxy = true;
    trusted.field("X-Request-Deadline", text);
    const long left = told(trusted);
    if (std::string(text) == "500")
      EXPECT_LE(left, 500);
    else
      EXPECT_GT(left, 30'000) << text;
  }
}

TEST_F(ResendingTest, TheWaitForATurnIsTold) {
  proxy::UpstreamLimits one({.admission = {.limit = 1}});
  RawOrigin origin(answers(seen));
  FakeExchange exchange;
  exchange.field("X-Queue-Time", "99999");
  const auto group = upstream(options({origin.port()}));
  ReverseProxy proxy(*group, one, {});
  const auto told = [&] {
    const std::size_t at = seen.find("X-Queue-Time: ");
    return at == std::string::npos ? -1 : std::stol(seen.substr(at + 14));
  };
  on_io(io, [&]() -> Task<void> {
    EXPECT_TRUE(co_await proxy.handle(exchange));
    EXPECT_EQ(told(), -1);
    proxy::Admission::Permit permit = one.admission.try_enter();
    FakeExchange late;
    TaskGroup tasks;
    tasks.spawn([](ReverseProxy& p, FakeExchange& e) -> Task<void> {
      EXPECT_TRUE(co_await p.handle(e));
    }(proxy, late));
    while (one.admission.status().waiting == 0) co_await yield_now();
    (void)co_await sleep_for(3ms);
    permit = {};
    co_await tasks.join();
    client.close_idle();
  });
  EXPECT_GE(told(), 3);
  EXPECT_LT(told(), 99'999);
  EXPECT_EQ(one.admission.status().in_flight, 0u);
}

TEST_F(ResendingTest, WithoutATargetRequestsWaitForOne) {
  proxy::UpstreamLimits none({.admission = {.overload = {.patience = 5ms}}, .targets = 0});
  const auto group = upstream(options({}));
  RawOrigin origin(answers(seen));
  ReverseProxy proxy(*group, none, {});
  on_io(io, [&]() -> Task<void> {
    FakeExchange late;
    EXPECT_EQ(co_await proxy.handle(late), fail(Errc::kNoTarget));
    client.close_idle();
  });
  proxy::UpstreamLimits soon({.targets = 0});
  ReverseProxy other(*group, soon, {});
  on_io(io, [&]() -> Task<void> {
    FakeExchange exchange;
    TaskGroup tasks;
    tasks.spawn([](ReverseProxy& p, FakeExchange& e) -> Task<void> {
      EXPECT_TRUE(co_await p.handle(e));
    }(other, exchange));
    while (soon.admission.status().waiting == 0) co_await yield_now();
    bool watched = true;
    group->state().watch_count([&](std::size_t count) {
      if (watched) soon.set_targets(count);
      return watched;
    });
    group->set_targets({{.origin = {.host = "127.0.0.1", .port = origin.port()}}});
    co_await tasks.join();
    EXPECT_EQ(exchange.status(), 200);
    watched = false;
    client.close_idle();
  });
}

TEST_F(ResendingTest, ATargetsPlaceIsTakenUntilItsAnswerEnds) {
  proxy::UpstreamLimits narrow({.per_target = 1, .targets = 2});
  EXPECT_EQ(narrow.admission.status().limit, 2u);
  std::array<std::atomic<int>, 2> at_once{};
  std::atomic<int> most = 0;
  const auto script = [&](std::size_t which) {
    return [&, which](Peer& peer, int) {
      while (!peer.read_head().empty()) {
        const int now = ++at_once[which];
        if (now > most) most = now;
        std::this_thread::sleep_for(1ms);
        --at_once[which];
        peer.send(ok("x"));
      }
    };
  };
  RawOrigin first(script(0));
  RawOrigin second(script(1));
  const auto group = upstream(options({first.port(), second.port()}));
  ReverseProxy proxy(*group, narrow, {});
  on_io(io, [&]() -> Task<void> {
    std::array<FakeExchange, 12> exchanges;
    TaskGroup tasks;
    for (FakeExchange& exchange : exchanges) {
      tasks.spawn([](ReverseProxy& p, FakeExchange& e) -> Task<void> {
        EXPECT_TRUE(co_await p.handle(e));
      }(proxy, exchange));
    }
    co_await tasks.join();
    client.close_idle();
  });
  EXPECT_EQ(most, 1);
  EXPECT_EQ(narrow.of_target(group->state().targets()->front().state->name())->status().in_flight,
            0u);
}

TEST_F(ResendingTest, ASlowAnswerIsHedged) {
  std::atomic<int> slow_asked = 0;
  RawOrigin slow([&](Peer& peer, int) {
    while (!peer.read_head().empty()) {
      if (++slow_asked > 15) {
        peer.read_to_end();
        return;
      }
      peer.send(ok("slow"));
    }
  });
  RawOrigin fast([&](Peer& peer, int) {
    while (!peer.read_head().empty()) peer.send(ok("fast"));
  });
  pass_options.hedge = true;
  const auto group = upstream(options({slow.port(), fast.port()}));
  ReverseProxy proxy(*group, limits, pass_options);
  on_io(io, [&]() -> Task<void> {
    for (int i = 0; i < 30; ++i) {
      FakeExchange exchange;
      EXPECT_TRUE(co_await proxy.handle(exchange));
    }
    FakeExchange hedged;
    EXPECT_TRUE(co_await proxy.handle(hedged));
    EXPECT_EQ(hedged.answered_body(), "fast");
    client.close_idle();
  });
}

// --- clients that have gone ---

struct Gone : ResendingTest {
  std::atomic<bool> go_on = false;
  std::atomic<bool> closed = false;
  RawOrigin origin{[this](Peer& peer, int) {
    peer.read_head();
    while (!go_on && !closed) std::this_thread::yield();
    peer.send(ok("late"));
    closed = peer.read_to_end().empty();
  }};
  /// Handles an exchange whose scope is cancelled for `reasons`, one after the other.
  Result<void> handle(FakeExchange& exchange, std::initializer_list<Errc> reasons) {
    Result<void> outcome;
    const auto group = upstream(options({origin.port()}));
    ReverseProxy proxy(*group, limits, pass_options);
    on_io(io, [&]() -> Task<void> {
      Scope scope;
      TaskGroup tasks;
      tasks.spawn([](Scope& s, ReverseProxy& p, FakeExchange& e, Result<void>& out) -> Task<void> {
        out = co_await in_scope(s, p.handle(e));
      }(scope, proxy, exchange, outcome));
      while (client.stats().opened == 0) (void)co_await sleep_for(1ms);
      for (const Errc reason : reasons) scope.cancel(reason);
      go_on = true;
      co_await tasks.join();
      client.close_idle();
    });
    return outcome;
  }
};

TEST_F(Gone, ARequestMayBeFinishedWithoutItsClient) {
  pass_options.client_gone = proxy::ClientGone::kFinish;
  FakeExchange exchange;
  EXPECT_EQ(handle(exchange, {Errc::kClientGone}), fail(Errc::kClientGone));
  EXPECT_EQ(exchange.answered_body(), "late");
  EXPECT_GT(exchange.upstream.wasted, Duration::zero());
}

TEST_F(Gone, TheEndOfTheServerEndsThatToo) {
  pass_options.client_gone = proxy::ClientGone::kFinish;
  FakeExchange exchange;
  EXPECT_EQ(handle(exchange, {Errc::kClientGone, Errc::kShuttingDown}), fail(Errc::kShuttingDown));
  FakeExchange other;
  EXPECT_EQ(exchange.answered_body(), "");
}

TEST_F(Gone, CancellingIsTheDefault) {
  FakeExchange exchange;
  EXPECT_EQ(handle(exchange, {Errc::kClientGone}), fail(Errc::kClientGone));
  EXPECT_EQ(exchange.answered_body(), "");
}

}  // namespace
}  // namespace millrace::test
