#include "base/metrics.hpp"
#include "client_fixture.hpp"

#include <thread>

namespace millrace::test {
namespace {

using client::Request;
using client::Response;
using Peer = RawOrigin::Peer;

TEST_F(ClientTest, SendsOneRequestAndReadsItsAnswer) {
  std::string seen;
  RawOrigin origin([&](Peer& peer, int) {
    seen = peer.read_head();
    peer.send(ok("hello", "X-Answer: yes\r\n"));
  });
  run([&]() -> Task<void> {
    Request request = get(origin, "/a?b=c");
    request.fields.add("X-Ask", "why");
    auto response = co_await client->fetch(request);
    EXPECT_TRUE(response);
    EXPECT_EQ(response->status(), 200);
    EXPECT_EQ(response->fields().find("x-answer")->value, "yes");
    EXPECT_EQ(co_await read_all(*response), "hello");
    EXPECT_EQ(request.trace.attempts, 1u);
    EXPECT_FALSE(request.trace.reused);
    EXPECT_EQ(request.trace.target, "127.0.0.1:" + std::to_string(origin.port()));
  });
  EXPECT_EQ(seen, "GET /a?b=c HTTP/1.1\r\nHost: origin.test\r\nX-Ask: why\r\n\r\n");
}

TEST_F(ClientTest, UsesAConnectionAgain) {
  RawOrigin origin([](Peer& peer, int) {
    while (!peer.read_head().empty()) peer.send(ok("x"));
  });
  run([&]() -> Task<void> {
    for (int i = 0; i < 3; ++i) {
      Request request = get(origin);
      EXPECT_EQ(co_await fetch_text(request), "x");
      EXPECT_EQ(request.trace.reused, i > 0);
    }
    client->close_idle();
  });
  EXPECT_EQ(origin.connections(), 1);
}

TEST_F(ClientTest, DoesNotReuseAnswersThatAskForClose) {
  for (const char* head : {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
                           "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
                           "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxsurplus"}) {
    RawOrigin origin([&](Peer& peer, int) {
      peer.read_head();
      peer.send(head);
      peer.read_to_end();
    });
    run([&]() -> Task<void> {
      for (int i = 0; i < 2; ++i) {
        Request request = get(origin);
        EXPECT_EQ(co_await fetch_text(request), "x") << head;
      }
    });
    EXPECT_EQ(origin.connections(), 2) << head;
    EXPECT_EQ(client->stats().pool.idle, 0u);
  }
}

TEST_F(ClientTest, DropsAParkedConnectionThatTheOriginCloses) {
  RawOrigin origin([](Peer& peer, int index) {
    peer.read_head();
    peer.send(ok(std::to_string(index)));
    if (index > 0) peer.read_to_end();
  });
  run([&]() -> Task<void> {
    Request first = get(origin);
    EXPECT_EQ(co_await fetch_text(first), "0");
    while (client->stats().pool.idle != 0) (void)co_await sleep_for(1ms);
    EXPECT_EQ(client->stats().pool.closed_by_peer, 1u);
    Request second = get(origin);
    EXPECT_EQ(co_await fetch_text(second), "1");
    EXPECT_FALSE(second.trace.reused);
    EXPECT_EQ(client->stats().resent, 0u);
    client->close_idle();
  });
}

TEST_F(ClientTest, SurplusBytesOnAnIdleConnectionEndIt) {
  RawOrigin origin([](Peer& peer, int index) {
    peer.read_head();
    peer.send(ok(std::to_string(index)));
    if (index > 0) return;
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    peer.read_to_end();
  });
  run([&]() -> Task<void> {
    Request first = get(origin);
    EXPECT_EQ(co_await fetch_text(first), "0");
    while (client->stats().pool.idle != 0) (void)co_await sleep_for(1ms);
    Request second = get(origin);
    EXPECT_EQ(co_await fetch_text(second), "1");
  });
}

// The race itself: the origin closes at the moment in which the request is on its way.
RawOrigin::Script closes_on_second_request() {
  return [](Peer& peer, int index) {
    peer.read_head();
    peer.send(ok(std::to_string(index)));
    if (index == 0) peer.read_head();
    if (index == 0) return;
    while (!peer.read_head().empty()) peer.send(ok(std::to_string(index)));
  };
}

TEST_F(ClientTest, SendsAnIdempotentRequestAgainAfterAKeepAliveRace) {
  RawOrigin origin(closes_on_second_request());
  const std::uint64_t sent_before = metrics::total(metrics::Metric::kUpstreamRequests);
  run([&]() -> Task<void> {
    Request first = get(origin);
    EXPECT_EQ(co_await fetch_text(first), "0");
    Request second = get(origin);
    EXPECT_EQ(co_await fetch_text(second), "1");
    EXPECT_EQ(metrics::total(metrics::Metric::kUpstreamRequests) - sent_before, 3u);
    EXPECT_EQ(second.trace.attempts, 2u);
    EXPECT_FALSE(second.trace.reused);
    EXPECT_EQ(client->stats().resent, 1u);
    client->close_idle();
  });
}

TEST_F(ClientTest, NeverSendsAPostTwice) {
  RawOrigin origin(closes_on_second_request());
  run([&]() -> Task<void> {
    Request first = get(origin);
    EXPECT_EQ(co_await fetch_text(first), "0");
    MemoryBody body(Bytes("data", 4));
    Request second = post(origin, body);
    EXPECT_EQ(co_await fetch_text(second), fail(Errc::kUpstreamClosed));
    EXPECT_EQ(second.trace.attempts, 1u);
  });
  EXPECT_EQ(origin.connections(), 1);
}

TEST_F(ClientTest, SendsAPutWithAHeldBodyAgain) {
  std::string body_seen;
  RawOrigin origin([&](Peer& peer, int index) {
    peer.read_head();
    if (index == 1) body_seen = peer.read_bytes(4);
    peer.send(ok(std::to_string(index)));
    if (index == 0) peer.read_head();
  });
  run([&]() -> Task<void> {
    Request first = get(origin);
    EXPECT_EQ(co_await fetch_text(first), "0");
    MemoryBody body(Bytes("data", 4));
    Request second = post(origin, body);
    second.method = http::Method::kPut;
    second.method_text = "PUT";
    EXPECT_EQ(co_await fetch_text(second), "1");
    EXPECT_EQ(second.trace.attempts, 2u);
    client->close_idle();
  });
  EXPECT_EQ(body_seen, "data");
}

TEST_F(ClientTest, DoesNotSendAgainOnceAnAnswerHasBegun) {
  RawOrigin origin([](Peer& peer, int index) {
    peer.read_head();
    peer.send(ok(std::to_string(index)));
    peer.read_head();
    peer.send("HTTP/1.1 2");
  });
  run([&]() -> Task<void> {
    Request first = get(origin);
    EXPECT_EQ(co_await fetch_text(first), "0");
    Request second = get(origin);
    EXPECT_EQ(co_await fetch_text(second), fail(Errc::kUpstreamClosed));
  });
  EXPECT_EQ(origin.connections(), 1);
}

TEST_F(ClientTest, AFreshConnectionThatClosesIsNotTriedAgain) {
  RawOrigin origin([](Peer& peer, int) { peer.read_head(); });
  run([&]() -> Task<void> {
    Request request = get(origin);
    EXPECT_EQ(co_await fetch_text(request), fail(Errc::kUpstreamClosed));
  });
  EXPECT_EQ(origin.connections(), 1);
}

TEST_F(ClientTest, IdleAgeLimitsDependOnWhetherARequestMayBeSentTwice) {
  client::Client::Options options;
  options.pool.idle_age = 60s;
  options.pool.idle_age_unsafe = 0s;
  make_client(options);
  RawOrigin origin([](Peer& peer, int index) {
    for (;;) {
      const std::string head = peer.read_head();
      if (head.empty()) return;
      if (head.starts_with("POST")) peer.read_bytes(4);
      peer.send(ok(std::to_string(index)));
    }
  });
  run([&]() -> Task<void> {
    Request first = get(origin);
    EXPECT_EQ(co_await fetch_text(first), "0");
    MemoryBody body(Bytes("data", 4));
    Request unsafe = post(origin, body);
    EXPECT_EQ(co_await fetch_text(unsafe), "1");
    EXPECT_FALSE(unsafe.trace.reused);
    Request safe = get(origin);
    EXPECT_EQ(co_await fetch_text(safe), "1");
    EXPECT_TRUE(safe.trace.reused);
    client->close_idle();
  });
}

TEST_F(ClientTest, KeepAliveTimeoutIsLearned) {
  client::Client::Options options;
  options.pool.idle_age_unsafe = 0s;  // unless the origin says more
  make_client(options);
  RawOrigin origin([](Peer& peer, int index) {
    for (;;) {
      const std::string head = peer.read_head();
      if (head.empty()) return;
      if (head.starts_with("POST")) peer.read_bytes(4);
      peer.send(ok(std::to_string(index), "Keep-Alive: timeout=5, max=100\r\n"));
    }
  });
  run([&]() -> Task<void> {
    Request first = get(origin);
    EXPECT_EQ(co_await fetch_text(first), "0");
    MemoryBody body(Bytes("data", 4));
    Request unsafe = post(origin, body);
    EXPECT_EQ(co_await fetch_text(unsafe), "0");
    EXPECT_TRUE(unsafe.trace.reused);
    client->close_idle();
  });
}

TEST_F(ClientTest, KeepAliveTimeoutZeroIsNotParked) {
  RawOrigin origin([](Peer& peer, int) {
    peer.read_head();
    peer.send(ok("x", "Keep-Alive: timeout=0\r\n"));
    peer.read_to_end();
  });
  run([&]() -> Task<void> {
    Request request = get(origin);
    EXPECT_EQ(co_await fetch_text(request), "x");
    EXPECT_EQ(client->stats().pool.idle, 0u);
  });
}

TEST_F(ClientTest, TheIdleLimitPerOriginEvictsTheOldest) {
  for (const std::size_t at_once : {2u, 3u}) {
    client::Client::Options options;
    options.pool.idle_per_origin_max = 2;
    make_client(options);
    RawOrigin origin([](Peer& peer, int) {
      peer.read_head();
      peer.send(ok("x"));
      peer.read_to_end();
    });
    run([&]() -> Task<void> {
      std::vector<Request> requests(at_once);
      std::vector<Response> responses;
      for (Request& request : requests) {
        request = get(origin);
        responses.push_back((co_await client->fetch(request)).value());
      }
      for (Response& response : responses) {
        (void)co_await read_all(response);
        co_await response.close();
      }
      EXPECT_EQ(client->stats().pool.idle, 2u);
      EXPECT_EQ(client->stats().pool.evicted, at_once - 2);
      client->close_idle();
    });
  }
}

TEST_F(ClientTest, OriginsThatNothingUsesAreForgotten) {
  RawOrigin origin([](Peer& peer, int) {
    peer.read_head();
    peer.send(ok("x"));
  });
  client::Origin* first = nullptr;
  run([&]() -> Task<void> {
    Request request = get(origin);
    first = request.origin.get();
    EXPECT_EQ(client->origin(spec(origin.port()))->get(), first);
    EXPECT_EQ(co_await fetch_text(request), "x");
    client->close_idle();
  });
  client.reset();  // asserts that none is left
}

TEST_F(ClientTest, ARefusedConnectionSaysSo) {
  std::uint16_t port = 0;
  {
    RawOrigin origin([](Peer&, int) {});
    port = origin.port();
  }
  run([&]() -> Task<void> {
    Request request;
    request.origin = client->origin(spec(port)).value();
    request.host = "x";
    const auto response = co_await client->fetch(request);
    EXPECT_EQ(response.error(), Error(Errc::kConnectRefused));
  });
}

TEST_F(ClientTest, PhasesSumToTheTotal) {
  RawOrigin origin([](Peer& peer, int) {
    peer.read_head();
    std::this_thread::sleep_for(20ms);
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na");
    std::this_thread::sleep_for(20ms);
    peer.send("b");
  });
  run([&]() -> Task<void> {
    Request request = get(origin);
    EXPECT_EQ(co_await fetch_text(request), "ab");
    const Timings& t = request.trace.timings;
    Duration sum{};
    for (int i = 0; i < static_cast<int>(Phase::kCount_); ++i) sum += t.of(static_cast<Phase>(i));
    EXPECT_EQ(sum, t.total());
    EXPECT_GT(t.of(Phase::kWait), 0ms);
    EXPECT_GT(t.of(Phase::kReceive), 0ms);
    EXPECT_EQ(t.of(Phase::kTls), 0ms);
    client->close_idle();
  });
}

}  // namespace
}  // namespace millrace::test
