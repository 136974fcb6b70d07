#include "client/hedge.hpp"

#include "client/retry.hpp"
#include "client_fixture.hpp"

#include <atomic>
#include <semaphore>
#include <string>

namespace millrace::test {
namespace {

using client::fetch_hedged;
using client::HedgePolicy;
using client::LatencyWindow;
using client::Request;
using client::Response;
using client::RetryBudget;
using Peer = RawOrigin::Peer;

constexpr std::string_view kBusy = "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy";

class HedgeTest : public ClientTest {
 protected:
  struct Outcome {
    Result<std::string> body = fail(Errc::kInternal);
    int status = 0;
  };
  Task<Outcome> fetch(Request& request) {
    Outcome outcome;
    client::DirectSender sender(*client);
    Result<Response> response = co_await fetch_hedged(sender, request, policy_);
    if (!response) {
      outcome.body = fail(response.error());
    } else {
      outcome.status = response->status();
      outcome.body = co_await read_all(*response);
      co_await response->close();
    }
    co_return outcome;
  }
  void origin_usually_takes(Duration latency) {
    for (int i = 0; i < 100; ++i) window_.observe(latency, Clock::now());
  }
  static void expect_phases_sum_up(const Request& request) {
    Duration sum{};
    for (int i = 0; i < static_cast<int>(Phase::kCount_); ++i)
      sum += request.trace.timings.of(static_cast<Phase>(i));
    EXPECT_EQ(sum, request.trace.timings.total());
  }

  LatencyWindow window_;
  HedgePolicy policy_{.enabled = true, .latency = &window_};
};

TEST_F(HedgeTest, TheSecondWinsWhereTheFirstHangs) {
  std::atomic<bool> first_is_gone = false;
  std::string seen;
  RawOrigin origin([&](Peer& peer, int index) {
    const std::string head = peer.read_head();
    if (index == 1) {
      seen = head;
      peer.send(ok("second"));
    }
    peer.read_to_end();
    if (index == 0) first_is_gone = true;
  });
  origin_usually_takes(3ms);
  run([&]() -> Task<void> {
    Request request = get(origin, "/slow");
    request.fields.add("X-Ask", "why");
    const Outcome outcome = co_await fetch(request);
    EXPECT_EQ(outcome.body, "second");
    EXPECT_EQ(request.trace.attempts, 2u);
    EXPECT_GE(request.trace.timings.of(Phase::kWait), 3ms);
    expect_phases_sum_up(request);
    while (!first_is_gone) (void)co_await sleep_for(1ms);
    EXPECT_EQ(client->stats().pool.idle, 1u);  // the winner's
    client->close_idle();
  });
  EXPECT_EQ(seen, "GET /slow HTTP/1.1\r\nHost: origin.test\r\nX-Ask: why\r\n\r\n");
  EXPECT_EQ(origin.connections(), 2);
}

TEST_F(HedgeTest, TheFirstWinsAndTheSecondEnds) {
  std::binary_semaphore second_came(0);
  std::atomic<bool> second_is_gone = false;
  RawOrigin origin([&](Peer& peer, int index) {
    peer.read_head();
    if (index == 0) {
      second_came.acquire();
      peer.send(ok("first"));
    } else {
      second_came.release();
    }
    peer.read_to_end();
    if (index == 1) second_is_gone = true;
  });
  origin_usually_takes(3ms);
  run([&]() -> Task<void> {
    Request request = get(origin);
    const Outcome outcome = co_await fetch(request);
    EXPECT_EQ(outcome.body, "first");
    EXPECT_EQ(request.trace.attempts, 2u);
    expect_phases_sum_up(request);
    while (!second_is_gone) (void)co_await sleep_for(1ms);
    client->close_idle();
  });
}

TEST_F(HedgeTest, WhoIsFastEnoughIsAskedOnce) {
  RawOrigin origin([](Peer& peer, int) {
    while (!peer.read_head().empty()) peer.send(ok("x"));
  });
  origin_usually_takes(20s);
  run([&]() -> Task<void> {
    Request request = get(origin);
    EXPECT_EQ((co_await fetch(request)).body, "x");
    EXPECT_EQ(request.trace.attempts, 1u);
    client->close_idle();
  });
}

TEST_F(HedgeTest, AFailureBeforeTheSecondIsTheOutcome) {
  RawOrigin origin([](Peer& peer, int) { peer.read_head(); });
  origin_usually_takes(20s);
  run([&]() -> Task<void> {
    Request request = get(origin);
    EXPECT_EQ((co_await fetch(request)).body, fail(Errc::kUpstreamClosed));
  });
  EXPECT_EQ(origin.connections(), 1);
}

// The first says 503 while the second is on its way, or the other way round.
TEST_F(HedgeTest, AGoodAnswerIsPreferred) {
  for (const int busy : {0, 1}) {
    std::binary_semaphore second_came(0);
    std::binary_semaphore said_busy(0);
    RawOrigin origin([&](Peer& peer, int index) {
      peer.read_head();
      if (index == 0) second_came.acquire();
      if (index == 1) second_came.release();
      if (index == busy) {
        peer.send(kBusy);
        said_busy.release();
      } else {
        said_busy.acquire();
        peer.send(ok("good"));
      }
      peer.read_to_end();
    });
    origin_usually_takes(3ms);
    run([&]() -> Task<void> {
      Request request = get(origin);
      const Outcome outcome = co_await fetch(request);
      EXPECT_EQ(outcome.body, "good") << busy;
      EXPECT_EQ(request.trace.attempts, 2u);
      client->close_idle();
    });
  }
}

TEST_F(HedgeTest, AnAnswerIsBetterThanNone) {
  for (const int closing : {0, 1}) {
    std::binary_semaphore second_came(0);
    RawOrigin origin([&](Peer& peer, int index) {
      peer.read_head();
      if (index == 0) second_came.acquire();
      if (index == 1) second_came.release();
      if (index == closing) return;
      peer.send(kBusy);
      peer.read_to_end();
    });
    origin_usually_takes(3ms);
    run([&]() -> Task<void> {
      Request request = get(origin);
      EXPECT_EQ((co_await fetch(request)).status, 503) << closing;
      expect_phases_sum_up(request);
      client->close_idle();
    });
  }
}

TEST_F(HedgeTest, BothMayFail) {
  std::binary_semaphore second_came(0);
  RawOrigin origin([&](Peer& peer, int index) {
    peer.read_head();
    if (index == 0) second_came.acquire();
    if (index == 1) second_came.release();
  });
  origin_usually_takes(3ms);
  run([&]() -> Task<void> {
    Request request = get(origin);
    EXPECT_EQ((co_await fetch(request)).body, fail(Errc::kUpstreamClosed));
    EXPECT_EQ(request.trace.attempts, 2u);
  });
}

TEST_F(HedgeTest, TheCallersDeadlineEndsBoth) {
  std::atomic<int> gone = 0;
  RawOrigin origin([&](Peer& peer, int) {
    peer.read_head();
    peer.read_to_end();
    ++gone;
  });
  origin_usually_takes(3ms);
  run([&]() -> Task<void> {
    Request request = get(origin);
    DeadlineScope limit(Errc::kTotalTimeout, 100ms);
    const Outcome outcome = co_await in_scope(limit.scope(), fetch(request));
    EXPECT_EQ(outcome.body, fail(Errc::kTotalTimeout));
    while (gone < origin.connections()) (void)co_await sleep_for(1ms);
  });
}

/// Begins late, and counts.
class SlowSender final : public client::Sender {
 public:
  explicit SlowSender(client::Client& client) : client_(client) {}
  Task<Result<Response>> send(Request& request) override {
    ++sent;
    if (const auto slept = co_await sleep_for(20ms); !slept) co_return fail(slept.error());
    co_return co_await client_.fetch(request);
  }
  int sent = 0;

 private:
  client::Client& client_;
};

TEST_F(HedgeTest, OnlyWhereItIsAllowed) {
  RawOrigin origin([](Peer& peer, int) {
    while (!peer.read_head().empty()) peer.send(ok("x"));
  });
  const auto sent_for = [&](auto change) {
    SlowSender sender(*client);
    run([&]() -> Task<void> {
      Request request = get(origin);
      MemoryBody empty(Bytes{});
      change(request, empty);
      auto response = co_await fetch_hedged(sender, request, policy_);
      EXPECT_TRUE(response);
      if (response) co_await response->close();
      client->close_idle();
    });
    return sender.sent;
  };
  const auto as_is = [](Request&, MemoryBody&) {};
  EXPECT_EQ(sent_for(as_is), 1);  // nothing observed yet
  origin_usually_takes(1ms);
  EXPECT_EQ(sent_for(as_is), 2);
  EXPECT_EQ(sent_for([](Request& request, MemoryBody& body) { request.body = &body; }), 1);
  EXPECT_EQ(sent_for([](Request& request, MemoryBody&) {
              request.method = http::Method::kDelete;
              request.method_text = "DELETE";
            }),
            1);
  RetryBudget none({.ratio = 0.0, .min_per_second = 0});
  policy_.budget = &none;
  EXPECT_EQ(sent_for(as_is), 1);
  policy_.budget = nullptr;
  policy_.enabled = false;
  EXPECT_EQ(sent_for(as_is), 1);
}

TEST_F(HedgeTest, TheSecondMayGoElsewhere) {
  RawOrigin hanging([](Peer& peer, int) { peer.read_to_end(); });
  RawOrigin other([](Peer& peer, int) {
    const std::string head = peer.read_head();
    peer.send(ok(head.find("Host: other.test") != std::string::npos ? "other" : "?"));
    peer.read_to_end();
  });
  origin_usually_takes(3ms);
  policy_.aim_second = [&](Request& second) {
    second.origin = client->origin(spec(other.port())).value();
    second.host = "other.test";
  };
  run([&]() -> Task<void> {
    Request request = get(hanging);
    EXPECT_EQ((co_await fetch(request)).body, "other");
    EXPECT_EQ(request.trace.target, "127.0.0.1:" + std::to_string(other.port()));
    client->close_idle();
  });
}

// Otherwise slow answers would vanish from the window, and ever more requests be hedged.
TEST_F(HedgeTest, ALoserIsRememberedAsSlow) {
  RawOrigin origin([](Peer& peer, int index) {
    peer.read_head();
    if (index == 1) peer.send(ok("second"));
    peer.read_to_end();
  });
  origin_usually_takes(3ms);
  policy_.delay_min = 50ms;
  EXPECT_LT(window_.quantile(1.0, Clock::now()).value(), 50ms);
  run([&]() -> Task<void> {
    Request request = get(origin);
    EXPECT_EQ((co_await fetch(request)).body, "second");
    client->close_idle();
  });
  EXPECT_GE(window_.quantile(1.0, Clock::now()).value(), 50ms);
}

TEST_F(HedgeTest, HedgesLieInsideOfRetries) {
  std::binary_semaphore second_came(0);
  RawOrigin origin([&](Peer& peer, int index) {
    peer.read_head();
    if (index == 0) second_came.acquire();
    if (index == 1) second_came.release();
    peer.send(kBusy);
    while (!peer.read_head().empty()) peer.send(ok("fine"));
  });
  origin_usually_takes(3ms);
  run([&]() -> Task<void> {
    RetryBudget budget({.ratio = 2.0, .min_per_second = 0});
    policy_.budget = &budget;
    client::DirectSender direct(*client);
    client::HedgedSender hedged(direct, policy_);
    Request request = get(origin);
    auto response = co_await client::fetch_with_retries(
        hedged, request, {.backoff = {.base = 0ms}, .budget = &budget});
    EXPECT_TRUE(response);
    if (response) EXPECT_EQ(co_await read_all(*response), "fine");
    if (response) co_await response->close();
    EXPECT_EQ(request.trace.attempts, 3u);
    EXPECT_FALSE(budget.take(Clock::now()));  // one for the hedge, one for the retry
    expect_phases_sum_up(request);
    client->close_idle();
  });
}

TEST_F(HedgeTest, LearnsFromAnswersAlone) {
  RawOrigin origin([](Peer& peer, int) {
    while (true) {
      const std::string head = peer.read_head();
      if (head.empty()) return;
      peer.send(head.starts_with("GET /busy") ? std::string(kBusy) : ok("x"));
    }
  });
  policy_.enabled = false;  // it is observed all the same
  run([&]() -> Task<void> {
    for (std::uint64_t i = 0; i < LatencyWindow::kSamplesMin; ++i) {
      Request busy = get(origin, "/busy");
      (void)co_await fetch(busy);
    }
    EXPECT_FALSE(window_.quantile(0.95, Clock::now()));
    for (std::uint64_t i = 0; i < LatencyWindow::kSamplesMin; ++i) {
      Request request = get(origin);
      (void)co_await fetch(request);
    }
    EXPECT_TRUE(window_.quantile(0.95, Clock::now()));
    client->close_idle();
  });
}

}  // namespace
}  // namespace millrace::test
