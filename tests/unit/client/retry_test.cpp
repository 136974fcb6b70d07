#include "client/retry.hpp"

#include "client_fixture.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace millrace::test {
namespace {

using client::fetch_with_retries;
using client::may_send_again;
using client::Request;
using client::Response;
using client::RetryBudget;
using client::RetryPolicy;
using Peer = RawOrigin::Peer;
using http::Method;

constexpr std::string_view kBusy = "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\nX-Try: 1\r\n\r\nbusy";

std::string busy_with(std::string_view field) {
  return "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n" + std::string(field) + "\r\n\r\n";
}

/// Answers with one text after the other, the last one again and again.
RawOrigin::Script answers(std::vector<std::string> texts) {
  return [texts = std::move(texts)](Peer& peer, int) {
    for (std::size_t i = 0; !peer.read_head().empty(); ++i)
      peer.send(texts[std::min(i, texts.size() - 1)]);
  };
}

class RetryTest : public ClientTest {
 protected:
  /// The policy without waits.
  RetryPolicy policy_{.backoff = {.base = 0ms}};

  struct Outcome {
    Result<std::string> body = fail(Errc::kInternal);
    int status = 0;
  };
  Task<Outcome> fetch(Request& request, TimePoint deadline = TimePoint::max()) {
    Outcome outcome;
    client::DirectSender sender(*client);
    Result<Response> response = co_await fetch_with_retries(sender, request, policy_, deadline);
    if (!response) {
      outcome.body = fail(response.error());
    } else {
      outcome.status = response->status();
      outcome.body = co_await read_all(*response);
      co_await response->close();
    }
    client->close_idle();
    co_return outcome;
  }
  static void expect_phases_sum_up(const Request& request) {
    Duration sum{};
    for (int i = 0; i < static_cast<int>(Phase::kCount_); ++i)
      sum += request.trace.timings.of(static_cast<Phase>(i));
    EXPECT_EQ(sum, request.trace.timings.total());
  }
};

TEST_F(RetryTest, WhichFailuresMayBeSentAgain) {
  for (const Method method : {Method::kGet, Method::kPost}) {
    EXPECT_TRUE(may_send_again(method, Error(Errc::kConnectRefused)));
    EXPECT_TRUE(may_send_again(method, Error(Errc::kDnsTimeout)));
    for (const Errc never :
         {Errc::kCancelled, Errc::kDeadline, Errc::kShuttingDown, Errc::kTotalTimeout,
          Errc::kFirstByteTimeout, Errc::kUpstreamBadMessage, Errc::kDnsNotFound, Errc::kUrlRefused,
          Errc::kUpstreamTruncated, Errc::kBodyTruncated, Errc::kClientGone})
      EXPECT_FALSE(may_send_again(method, Error(never))) << info(never).code;
  }
  for (const Errc errc : {Errc::kUpstreamClosed, Errc::kUpstreamReset}) {
    EXPECT_TRUE(may_send_again(Method::kPut, Error(errc)));
    EXPECT_FALSE(may_send_again(Method::kPost, Error(errc)));
    EXPECT_FALSE(may_send_again(Method::kPatch, Error(errc)));
  }
}

TEST_F(RetryTest, WhichAnswersMayBeSentAgain) {
  for (const int status : {429, 502, 503, 504}) {
    EXPECT_TRUE(may_send_again(Method::kGet, status));
    EXPECT_FALSE(may_send_again(Method::kPost, status));
  }
  for (const int status : {101, 200, 302, 400, 408, 425, 500, 501, 505})
    EXPECT_FALSE(may_send_again(Method::kGet, status)) << status;
}

TEST_F(RetryTest, ThePolicySaysWhichAnswers) {
  constexpr int kOnlyThis[] = {500};
  EXPECT_TRUE(may_send_again(Method::kGet, 500, kOnlyThis));
  EXPECT_FALSE(may_send_again(Method::kPost, 500, kOnlyThis));
  EXPECT_FALSE(may_send_again(Method::kGet, 503, kOnlyThis));
  EXPECT_FALSE(may_send_again(Method::kGet, 503, {}));
}

TEST_F(RetryTest, TheFirstRetryNeedNotWait) {
  RawOrigin origin(answers({std::string(kBusy), ok("fine")}));
  policy_.backoff = {.base = 10s, .max = 10s};
  policy_.random = [] { return UINT64_MAX; };
  policy_.first_at_once = true;
  run([&]() -> Task<void> {
    Request request = get(origin);
    const Outcome outcome = co_await fetch(request);
    EXPECT_EQ(outcome.body, "fine");
  });
}

TEST_F(RetryTest, TriesAgainOnTheSameConnection) {
  RawOrigin origin(answers({std::string(kBusy), ok("fine")}));
  policy_.backoff = {.base = 3ms};
  policy_.random = [] { return static_cast<std::uint64_t>(Duration(3ms).count()); };
  run([&]() -> Task<void> {
    Request request = get(origin);
    const Outcome outcome = co_await fetch(request);
    EXPECT_EQ(outcome.body, "fine");
    EXPECT_EQ(request.trace.attempts, 2u);
    EXPECT_GE(request.trace.timings.of(Phase::kQueue) + request.trace.timings.of(Phase::kReceive),
              3ms);
    EXPECT_GT(request.trace.timings.of(Phase::kQueue), 0ms);
    expect_phases_sum_up(request);
  });
  EXPECT_EQ(origin.connections(), 1);
}

TEST_F(RetryTest, ALargeAnswerIsNotReadToItsEnd) {
  RawOrigin origin([](Peer& peer, int index) {
    peer.read_head();
    const std::string body(client::kDrainBytesMax + 1, 'x');
    peer.send(index == 0 ? "HTTP/1.1 502 Bad\r\nContent-Length: 16385\r\n\r\n" + body : ok("fine"));
    peer.read_to_end();
  });
  run([&]() -> Task<void> {
    Request request = get(origin);
    const Outcome outcome = co_await fetch(request);
    EXPECT_EQ(outcome.body, "fine");
  });
  EXPECT_EQ(origin.connections(), 2);
}

TEST_F(RetryTest, StopsAtItsLimitAndGivesTheAnswer) {
  for (const unsigned retries : {0U, 1U, 3U}) {
    RawOrigin origin(answers({std::string(kBusy)}));
    policy_.retries_max = retries;
    run([&]() -> Task<void> {
      Request request = get(origin);
      const Outcome outcome = co_await fetch(request);
      EXPECT_EQ(outcome.status, 503);
      EXPECT_EQ(outcome.body, "busy");
      EXPECT_EQ(request.trace.attempts, retries + 1);
    });
  }
}

TEST_F(RetryTest, ARequestThatMustNotRunTwiceIsSentOnce) {
  RawOrigin busy([](Peer& peer, int) {
    peer.read_head();
    peer.read_bytes(4);
    peer.send(kBusy);
    peer.read_to_end();
  });
  RawOrigin closing([](Peer& peer, int) { peer.read_head(); });
  run([&]() -> Task<void> {
    MemoryBody body(Bytes("data", 4));
    Request first = post(busy, body);
    const Outcome answered = co_await fetch(first);
    EXPECT_EQ(answered.status, 503);
    MemoryBody again(Bytes("data", 4));
    Request second = post(closing, again);
    const Outcome closed = co_await fetch(second);
    EXPECT_FALSE(closed.body);
  });
  EXPECT_EQ(busy.connections(), 1);
  EXPECT_EQ(closing.connections(), 1);
}

/// A body that can be read once.
class OnceBody final : public BodySource {
 public:
  http::BodyLength length() const noexcept override { return http::BodyLength::known(4); }
  Task<Result<Bytes>> read() override { co_return Bytes("data", 4); }
};

using Bodies = std::array<std::string, 2>;
RawOrigin::Script closes_the_first_connection(Bodies& seen) {
  return [&seen](Peer& peer, int index) {
    peer.read_head();
    seen.at(static_cast<std::size_t>(index)) = peer.read_bytes(4);
    if (index == 0) return;
    peer.send(ok("fine"));
    peer.read_to_end();
  };
}

TEST_F(RetryTest, ABodyIsSentAgainIfItRewinds) {
  Bodies seen;
  std::optional<RawOrigin> origin(std::in_place, closes_the_first_connection(seen));
  run([&]() -> Task<void> {
    MemoryBody body(Bytes("data", 4));
    Request request = post(*origin, body);
    request.method = Method::kPut;
    request.method_text = "PUT";
    const Outcome outcome = co_await fetch(request);
    EXPECT_EQ(outcome.body, "fine");
    EXPECT_EQ(request.trace.attempts, 2u);
  });
  origin.reset();  // its threads have ended
  EXPECT_EQ(seen, (Bodies{"data", "data"}));
}

TEST_F(RetryTest, ABodyThatIsGoneIsNot) {
  Bodies seen;
  RawOrigin origin(closes_the_first_connection(seen));
  run([&]() -> Task<void> {
    OnceBody body;
    Request request = post(origin, body);
    request.method = Method::kPut;
    request.method_text = "PUT";
    const Outcome outcome = co_await fetch(request);
    EXPECT_FALSE(outcome.body);
    EXPECT_EQ(request.trace.attempts, 1u);
  });
}

/// Tries the origins in turn.
class AimingSender final : public client::Sender {
 public:
  AimingSender(client::Client& client, std::vector<client::OriginPtr> origins)
      : client_(client), origins_(std::move(origins)) {}
  Task<Result<Response>> send(Request& request) override {
    request.origin = origins_.at(sent_++);
    return client_.fetch(request);
  }

 private:
  client::Client& client_;
  std::vector<client::OriginPtr> origins_;
  std::size_t sent_ = 0;
};

TEST_F(RetryTest, WhatWasNeverSentGoesElsewhereWithItsBody) {
  RawOrigin origin([](Peer& peer, int) {
    peer.read_head();
    peer.send(ok(peer.read_bytes(4)));
    peer.read_to_end();
  });
  std::uint16_t nobody = 0;
  {
    nobody = RawOrigin([](Peer&, int) {}).port();
  }
  run([&]() -> Task<void> {
    OnceBody body;
    Request request = post(origin, body);
    AimingSender sender(*client, {client->origin(spec(nobody)).value(), request.origin});
    auto response = co_await fetch_with_retries(sender, request, policy_);
    EXPECT_TRUE(response);
    if (response) EXPECT_EQ(co_await read_all(*response), "data");
    EXPECT_EQ(request.trace.attempts, 1u);  // the first was not begun
    if (response) co_await response->close();
    client->close_idle();
  });
}

TEST_F(RetryTest, AnAnswerThatBreaksOffIsNotBegunAnew) {
  RawOrigin origin([](Peer& peer, int) {
    peer.read_head();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  });
  run([&]() -> Task<void> {
    Request request = get(origin);
    const Outcome outcome = co_await fetch(request);
    EXPECT_EQ(outcome.body, fail(Errc::kUpstreamTruncated));
  });
  EXPECT_EQ(origin.connections(), 1);
}

TEST_F(RetryTest, StaysInItsBudget) {
  RawOrigin origin(answers({std::string(kBusy)}));
  RetryBudget budget({.ratio = 0.5, .min_per_second = 0});
  policy_.budget = &budget;
  policy_.retries_max = 10;
  run([&]() -> Task<void> {
    for (const unsigned attempts : {1U, 2U, 1U, 2U}) {
      Request request = get(origin);
      const Outcome outcome = co_await fetch(request);
      EXPECT_EQ(outcome.status, 503);
      EXPECT_EQ(request.trace.attempts, attempts);
    }
  });
}

TEST_F(RetryTest, RetryAfterUpToItsLimit) {
  policy_.retry_after_max = 10s;
  for (const char* field : {"Retry-After: 0", "Retry-After: soon", "Retry-After: -5",
                            "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT"}) {
    RawOrigin origin(answers({busy_with(field), ok("fine")}));
    run([&]() -> Task<void> {
      Request request = get(origin);
      EXPECT_EQ((co_await fetch(request)).status, 200) << field;
    });
  }
  for (const char* field : {"Retry-After: 11", "Retry-After: Fri, 31 Dec 2100 00:00:00 GMT"}) {
    RawOrigin origin(answers({busy_with(field), ok("fine")}));
    run([&]() -> Task<void> {
      Request request = get(origin);
      EXPECT_EQ((co_await fetch(request)).status, 503) << field;
    });
  }
}

TEST_F(RetryTest, NoWaitThatLastsToTheDeadline) {
  RawOrigin origin(answers({busy_with("Retry-After: 9"), ok("fine")}));
  run([&]() -> Task<void> {
    Request request = get(origin);
    EXPECT_EQ((co_await fetch(request, Clock::now() + 5s)).status, 503);
    EXPECT_EQ(request.trace.attempts, 1u);
  });
  policy_.backoff = {.base = 10s, .max = 10s};
  policy_.random = [] { return static_cast<std::uint64_t>(Duration(10s).count()); };
  RawOrigin busy(answers({std::string(kBusy), ok("fine")}));
  run([&]() -> Task<void> {
    Request request = get(busy);
    EXPECT_EQ((co_await fetch(request, Clock::now() + 5s)).status, 503);
  });
}

TEST_F(RetryTest, TheWaitCanBeCancelled) {
  RawOrigin origin(answers({busy_with("Retry-After: 9")}));
  run([&]() -> Task<void> {
    Request request = get(origin);
    DeadlineScope limit(Errc::kTotalTimeout, 50ms);
    const Outcome outcome = co_await in_scope(limit.scope(), fetch(request));
    EXPECT_EQ(outcome.body, fail(Errc::kTotalTimeout));
    expect_phases_sum_up(request);
  });
}

}  // namespace
}  // namespace millrace::test
