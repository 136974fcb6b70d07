#include "proxy_fixture.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>

namespace millrace::test {
namespace {

using namespace std::chrono_literals;
using proxy::HostPolicy;
using proxy::ReverseProxy;
using proxy::Upstream;
using Peer = RawOrigin::Peer;

using ReverseProxyTest = ProxyTest;

TEST_F(ReverseProxyTest, BuildsTheRequestAnew) {
  std::string seen;
  RawOrigin origin([&](Peer& peer, int) {
    seen = peer.read_head();
    peer.send(ok("x"));
  });
  FakeExchange exchange;
  exchange.method("GET");
  exchange.target("/a/b?c=d&e");
  exchange.request_id = "req-1";
  exchange.field("Host", "client.test");
  exchange.field("Connection", "close, X-Hop");
  exchange.field("X-Hop", "gone");
  exchange.field("X-Forwarded-For", "6.6.6.6");
  exchange.field("Accept", "*/*");
  ASSERT_TRUE(pass(exchange, origin));
  EXPECT_EQ(seen,
            "GET /a/b?c=d&e HTTP/1.1\r\nHost: client.test\r\nAccept: */*\r\n"
            "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\n"
            "X-Forwarded-Host: client.test\r\n"
            "Forwarded: for=192.0.2.7;host=client.test;proto=http\r\nVia: 1.1 millrace\r\n"
            "X-Request-Id: req-1\r\n\r\n");
}

TEST_F(ReverseProxyTest, BuildsTheResponseAnew) {
  RawOrigin origin([&](Peer& peer, int) {
    peer.read_head();
    peer.send(
        "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nConnection: X-Hop\r\nX-Hop: gone\r\n"
        "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n3\r\nabc\r\n0\r\nX-Trailer: gone\r\n\r\n");
  });
  FakeExchange exchange;
  ASSERT_TRUE(pass(exchange, origin));
  EXPECT_EQ(exchange.status(), 201);
  EXPECT_EQ(exchange.answered_body(), "abc");
  EXPECT_TRUE(exchange.finished());
  EXPECT_EQ(exchange.answered_length().kind, http::BodyLength::Kind::kUnknown);
  EXPECT_EQ(exchange.answered_field("Set-Cookie"), "a=1");
  EXPECT_EQ(exchange.answered_field("X-Hop"), "");
  EXPECT_EQ(exchange.answered_field("Transfer-Encoding"), "");
  EXPECT_EQ(exchange.upstream.upstream, "api");
  EXPECT_EQ(exchange.upstream.status, 201);
  EXPECT_EQ(exchange.upstream.attempts, 1u);
  EXPECT_EQ(exchange.upstream.target, "127.0.0.1:" + std::to_string(origin.port()));
}

TEST_F(ReverseProxyTest, HostPolicies) {
  std::string seen;
  RawOrigin origin([&](Peer& peer, int) {
    seen = peer.read_head();
    peer.send(ok("x"));
  });
  const auto host_line = [&](HostPolicy policy) {
    FakeExchange exchange;
    Upstream::Options o = options({origin.port()});
    o.host = policy;
    o.host_name = "named.test";
    EXPECT_TRUE(pass(exchange, std::move(o)));
    const std::size_t at = seen.find("Host: ");
    return seen.substr(at, seen.find("\r\n", at) - at);
  };
  EXPECT_EQ(host_line(HostPolicy::kPreserve), "Host: client.test");
  EXPECT_EQ(host_line(HostPolicy::kTarget), "Host: 127.0.0.1:" + std::to_string(origin.port()));
  EXPECT_EQ(host_line(HostPolicy::kName), "Host: named.test");
}

TEST_F(ReverseProxyTest, HeadAndNotModifiedKeepTheLengthAndHaveNoBody) {
  RawOrigin origin([&](Peer& peer, int) {
    const bool head = peer.read_head().starts_with("HEAD");
    peer.send(head ? "HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n"
                   : "HTTP/1.1 304 Not Modified\r\nContent-Length: 42\r\n\r\n");
  });
  for (const char* method : {"HEAD", "GET"}) {
    FakeExchange exchange;
    exchange.method(method);
    ASSERT_TRUE(pass(exchange, origin));
    EXPECT_EQ(exchange.answered_length().bytes, 42u);
    EXPECT_EQ(exchange.answered_body(), "");
    EXPECT_TRUE(exchange.finished());
  }
}

TEST_F(ReverseProxyTest, ABodyOfKnownLengthArrivesWhole) {
  std::string seen;
  RawOrigin origin([&](Peer& peer, int) {
    seen = peer.read_head();
    seen += peer.read_bytes(5);
    peer.send(ok("x"));
  });
  FakeExchange exchange;
  exchange.method("POST");
  exchange.body("hello");
  ASSERT_TRUE(pass(exchange, origin));
  EXPECT_NE(seen.find("Content-Length: 5\r\n"), std::string::npos);
  EXPECT_TRUE(seen.ends_with("\r\n\r\nhello"));
}

TEST_F(ReverseProxyTest, EachEventOfAStreamIsPassedOnBeforeTheNextOne) {
  std::atomic<bool> go_on = false;
  RawOrigin origin([&](Peer& peer, int) {
    peer.read_head();
    peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
    while (!go_on) std::this_thread::yield();
    peer.send("data: 2\n\n");
  });
  FakeExchange exchange;
  const auto group = upstream(options({origin.port()}));
  ReverseProxy proxy(*group, limits, pass_options);
  on_io(io, [&]() -> Task<void> {
    TaskGroup tasks;
    tasks.spawn([](ReverseProxy& p, FakeExchange& e) -> Task<void> {
      EXPECT_TRUE(co_await p.handle(e));
    }(proxy, exchange));
    (void)co_await exchange.wrote.wait();
    EXPECT_EQ(exchange.answered_body(), "data: 1\n\n");
    go_on = true;
    co_await tasks.join();
  });
  EXPECT_EQ(exchange.answered_body(), "data: 1\n\ndata: 2\n\n");
}

TEST_F(ReverseProxyTest, AStreamedRequestBodyArrivesPieceByPiece) {
  std::atomic<bool> first_seen = false;
  std::string rest;
  RawOrigin origin([&](Peer& peer, int) {
    peer.read_head();
    peer.read_until("one\r\n");
    first_seen = true;
    rest = peer.read_until("0\r\n\r\n");
    peer.send(ok("x"));
  });
  FakeExchange exchange;
  exchange.method("POST");
  exchange.streamed_body();
  exchange.push_body("one");
  const auto group = upstream(options({origin.port()}));
  ReverseProxy proxy(*group, limits, pass_options);
  on_io(io, [&]() -> Task<void> {
    TaskGroup tasks;
    tasks.spawn([](ReverseProxy& p, FakeExchange& e) -> Task<void> {
      EXPECT_TRUE(co_await p.handle(e));
    }(proxy, exchange));
    while (!first_seen) (void)co_await sleep_for(1ms);
    exchange.push_body("two");
    exchange.end_body();
    co_await tasks.join();
    client.close_idle();
  });
  EXPECT_EQ(rest, "3\r\ntwo\r\n0\r\n\r\n");
}

TEST_F(ReverseProxyTest, InterimAnswersArePassedOnButFor100) {
  RawOrigin origin([&](Peer& peer, int) {
    peer.read_head();
    peer.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" +
              ok("x"));
  });
  FakeExchange exchange;
  ASSERT_TRUE(pass(exchange, origin));
  EXPECT_EQ(exchange.interims, std::vector<int>{103});
}

TEST_F(ReverseProxyTest, ATruncatedBodyIsAnErrorAfterTheStart) {
  RawOrigin origin([&](Peer& peer, int) {
    peer.read_head();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort");
  });
  FakeExchange exchange;
  EXPECT_EQ(pass(exchange, origin), fail(Errc::kUpstreamTruncated));
  EXPECT_TRUE(exchange.started());
  EXPECT_FALSE(exchange.finished());
}

TEST_F(ReverseProxyTest, ARefusedTargetIsReplacedByAnotherOnce) {
  RawOrigin origin([&](Peer& peer, int) {
    peer.read_head();
    peer.send(ok("x"));
  });
  FakeExchange exchange;
  EXPECT_TRUE(pass(exchange, options({unused_port(), origin.port()})));
  EXPECT_EQ(exchange.status(), 200);
  FakeExchange all_down;
  EXPECT_EQ(pass(all_down, options({unused_port(), unused_port(), origin.port()})),
            fail(Errc::kConnectRefused));
  EXPECT_FALSE(all_down.started());
}

TEST_F(ReverseProxyTest, RoundRobinSpreadsTheRequests) {
  std::array<std::atomic<int>, 2> hits{};
  const auto script = [&](int which) {
    return [&hits, which](Peer& peer, int) {
      while (!peer.read_head().empty()) {
        ++hits[static_cast<std::size_t>(which)];
        peer.send(ok("x"));
      }
    };
  };
  RawOrigin first(script(0));
  RawOrigin second(script(1));
  const auto group = upstream(options({first.port(), second.port()}));
  ReverseProxy proxy(*group, limits, pass_options);
  on_io(io, [&]() -> Task<void> {
    for (int i = 0; i < 10; ++i) {
      FakeExchange exchange;
      EXPECT_TRUE(co_await proxy.handle(exchange));
    }
    client.close_idle();
  });
  EXPECT_EQ(hits[0], 5);
  EXPECT_EQ(hits[1], 5);
}

TEST_F(ReverseProxyTest, TheTotalLimitEndsAnEndlessAnswer) {
  RawOrigin origin([&](Peer& peer, int) {
    peer.read_head();
    peer.send("HTTP/1.1 200 OK\r\n\r\nforever");
    peer.read_to_end();
  });
  FakeExchange exchange;
  pass_options.total = 50ms;
  EXPECT_EQ(pass(exchange, origin), fail(Errc::kTotalTimeout));
}

TEST_F(ReverseProxyTest, AClientThatGoesAwayTakesTheUpstreamRequestWithIt) {
  std::atomic<bool> closed = false;
  RawOrigin origin([&](Peer& peer, int) {
    peer.read_head();
    peer.read_to_end();
    closed = true;
  });
  FakeExchange exchange;
  exchange.method("POST");
  exchange.streamed_body();
  const auto group = upstream(options({origin.port()}));
  ReverseProxy proxy(*group, limits, pass_options);
  on_io(io, [&]() -> Task<void> {
    Scope scope;
    TaskGroup tasks;
    tasks.spawn([](Scope& s, ReverseProxy& p, FakeExchange& e) -> Task<void> {
      EXPECT_EQ(co_await in_scope(s, p.handle(e)), fail(Errc::kClientGone));
    }(scope, proxy, exchange));
    while (client.stats().opened == 0) (void)co_await sleep_for(1ms);
    (void)co_await sleep_for(5ms);
    scope.cancel(Errc::kClientGone);
    co_await tasks.join();
    while (!closed) (void)co_await sleep_for(1ms);
  });
}

TEST_F(ReverseProxyTest, ConnectIsNotImplemented) {
  FakeExchange exchange;
  exchange.method("CONNECT");
  EXPECT_EQ(pass(exchange, options({1})), fail(Errc::kMethodUnknown));
}

TEST_F(ReverseProxyTest, AnUnknownBalancerIsAnErrorAtTheStart) {
  Upstream::Options o = options({1});
  o.balance = "by_guess";
  const auto made = Upstream::make(client, std::move(o), 0);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error(), "no such balancer: by_guess");
}

}  // namespace
}  // namespace millrace::test
