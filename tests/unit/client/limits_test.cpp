// Limits of HTTP/1.1 connections, who waits for them, and what is learned of servers that close.

#include "client_fixture.hpp"

#include <atomic>
#include <thread>

namespace millrace::test {
namespace {

using client::Request;
using Peer = RawOrigin::Peer;

class ClientLimitsTest : public ClientTest {
 protected:
  static Task<void> fetch_into(ClientLimitsTest* self, Request* request,
                               Result<std::string>* text) {
    *text = co_await self->fetch_text(*request);
  }
  /// Answers every request; the last answered connection is counted while it works.
  static RawOrigin::Script serve(std::atomic<int>& at_once, std::atomic<int>& most) {
    return [&](Peer& peer, int) {
      while (!peer.read_head().empty()) {
        most = std::max(most.load(), ++at_once);
        std::this_thread::sleep_for(1ms);
        --at_once;
        peer.send(ok("x"));
      }
    };
  }
};

TEST_F(ClientLimitsTest, MoreThanTheLimitWaitTheirTurnInOrder) {
  client::Client::Options options;
  options.exchanges_per_origin_max = 2;
  make_client(options);
  std::atomic<int> at_once = 0, most = 0;
  RawOrigin origin(serve(at_once, most));
  run([&]() -> Task<void> {
    std::vector<Request> requests(12);
    std::vector<Result<std::string>> texts(12);
    TaskGroup group;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      requests[i] = get(origin);
      group.spawn(fetch_into(this, &requests[i], &texts[i]));
    }
    co_await group.join();
    for (const auto& text : texts) EXPECT_EQ(text, "x");
    EXPECT_EQ(requests[1].trace.timings.of(Phase::kQueue), 0ms);
    EXPECT_GT(requests[11].trace.timings.of(Phase::kQueue),
              requests[3].trace.timings.of(Phase::kQueue));
    client->close_idle();
  });
  EXPECT_LE(most, 2);
  EXPECT_EQ(origin.connections(), 2);
}

TEST_F(ClientLimitsTest, WaitingHasADeadlineAndALimit) {
  client::Client::Options options;
  options.exchanges_per_origin_max = 1;
  options.waiting_per_origin_max = 1;
  make_client(options);
  std::atomic<bool> asked = false;
  RawOrigin origin([&](Peer& peer, int) {
    peer.read_head();
    asked = true;
    peer.read_to_end();
  });
  run([&]() -> Task<void> {
    Request busy = get(origin), waits = get(origin), one_too_many = get(origin);
    waits.timeouts.queue = 20ms;
    Result<std::string> first, second;
    TaskGroup group;
    group.spawn(fetch_into(this, &busy, &first));
    while (!asked) (void)co_await sleep_for(1ms);
    group.spawn(fetch_into(this, &waits, &second));
    co_await yield_now();
    EXPECT_EQ(co_await fetch_text(one_too_many), fail(Errc::kQueueFull));
    while (second != fail(Errc::kQueueTimeout)) (void)co_await sleep_for(1ms);
    group.cancel();
    co_await group.join();
  });
}

TEST_F(ClientLimitsTest, WhoIsCancelledGivesHisTurnToTheNext) {
  client::Client::Options options;
  options.exchanges_per_origin_max = 1;
  make_client(options);
  std::atomic<bool> asked = false;
  RawOrigin origin([&](Peer& peer, int index) {
    peer.read_head();
    asked = true;
    if (index > 0) peer.send(ok("x"));
    peer.read_to_end();
  });
  run([&]() -> Task<void> {
    Request busy = get(origin), waits = get(origin);
    Result<std::string> first, second;
    TaskGroup group, other;
    group.spawn(fetch_into(this, &busy, &first));
    while (!asked) (void)co_await sleep_for(1ms);
    other.spawn(fetch_into(this, &waits, &second));
    co_await yield_now();
    group.cancel();
    co_await group.join();
    co_await other.join();
    EXPECT_EQ(second, "x");
    client->close_idle();
  });
}

TEST_F(ClientLimitsTest, IdleConnectionsMakeRoomForOthers) {
  client::Client::Options options;
  options.connections_max = 1;
  make_client(options);
  const auto serve_all = [](Peer& peer, int) {
    while (!peer.read_head().empty()) peer.send(ok("x"));
  };
  RawOrigin one(serve_all), two(serve_all);
  run([&]() -> Task<void> {
    for (const RawOrigin* origin : {&one, &two, &one}) {
      Request request = get(*origin);
      EXPECT_EQ(co_await fetch_text(request), "x");
      EXPECT_EQ(client->stats().pool.idle, 1u);
    }
    EXPECT_EQ(client->stats().pool.evicted, 2u);
    client->close_idle();
  });
  EXPECT_EQ(one.connections(), 2);
}

// gunicorn's way: it closes, after a time that it does not tell.
TEST_F(ClientLimitsTest, AServerThatClosesSoonIsLearnedFrom) {
  client::Client::Options options;
  options.pool.idle_age_unsafe = 10s;
  make_client(options);
  RawOrigin origin([](Peer& peer, int index) {
    while (!peer.read_head().empty()) {
      peer.read_bytes(4);
      peer.send(ok(std::to_string(index)));
      if (index > 0) continue;
      std::this_thread::sleep_for(100ms);
      return;
    }
  });
  run([&]() -> Task<void> {
    MemoryBody body(Bytes("data", 4));
    Request first = post(origin, body);
    EXPECT_EQ(co_await fetch_text(first), "0");
    while (client->stats().pool.idle != 0) (void)co_await sleep_for(1ms);
    EXPECT_EQ(client->stats().pool.closed_by_peer, 1u);
    const client::OriginPtr learned = first.origin;
    EXPECT_LT(learned->facts().closes.limit(10s), 1s);
    // Facts outlive the origin's last connection.
    EXPECT_TRUE(body.rewind());
    Request second = post(origin, body);
    EXPECT_EQ(co_await fetch_text(second), "1");
    client->close_idle();
  });
}

TEST_F(ClientLimitsTest, FactsAreKeptWithoutAConnection) {
  RawOrigin origin([](Peer& peer, int) {
    peer.read_head();
    peer.send(ok("x"));
  });
  run([&]() -> Task<void> {
    {
      Request request = get(origin);
      EXPECT_EQ(co_await fetch_text(request), "x");
      request.origin->facts().closes.closed_after(2s);
      client->close_idle();
    }
    EXPECT_EQ(client->origin(spec(origin.port())).value()->facts().closes.limit(4s), 1500ms);
    co_return;
  });
}

}  // namespace
}  // namespace millrace::test
