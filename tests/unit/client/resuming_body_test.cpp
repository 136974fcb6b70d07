#include "client/resuming_body.hpp"

#include "client_fixture.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace millrace::test {
namespace {

using client::Request;
using client::Response;
using client::ResumePolicy;
using client::ResumingBody;
using client::RetryBudget;
using Peer = RawOrigin::Peer;

constexpr std::string_view kBegin =
    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"v1\"\r\n\r\n01234";

std::string rest_from(int first, std::string_view body, int declared = -1) {
  const auto length = declared < 0 ? 10 - first : declared;
  return "HTTP/1.1 206 Partial\r\nContent-Range: bytes " + std::to_string(first) +
         "-9/10\r\nETag: \"v1\"\r\nContent-Length: " + std::to_string(length) + "\r\n\r\n" +
         std::string(body);
}

class ResumingBodyTest : public ClientTest {
 protected:
  struct Outcome {
    std::string body;  ///< what came, also before an error
    Result<void> end;
    unsigned resumes = 0;
  };
  Task<Outcome> fetch(Request& request, TimePoint deadline = TimePoint::max()) {
    Outcome outcome;
    client::DirectSender sender(*client);
    Result<Response> response = co_await sender.send(request);
    if (!response) {
      outcome.end = fail(response.error());
      co_return outcome;
    }
    ResumingBody body(sender, request, std::move(*response), policy_, deadline);
    while (!body.done()) {
      const Result<Bytes> piece = co_await body.read();
      if (!piece) outcome.end = fail(piece.error());
      if (!piece || piece->empty()) break;
      outcome.body.append(piece->data(), piece->size());
    }
    outcome.resumes = body.resumes();
    co_await body.close();
    client->close_idle();
    co_return outcome;
  }
  /// Each connection reads one request, says its text and closes; `seen_` has their heads.
  RawOrigin::Script says(std::vector<std::string> texts) {
    return [this, texts = std::move(texts)](Peer& peer, int index) {
      const auto at = static_cast<std::size_t>(index);
      seen_.at(at) = peer.read_head();
      if (at < texts.size()) peer.send(texts[at]);
    };
  }
  Outcome outcome_of(std::vector<std::string> texts) {
    RawOrigin origin(says(std::move(texts)));
    Outcome outcome;
    run([&]() -> Task<void> {
      Request request = get(origin);
      outcome = co_await fetch(request);
    });
    connections_ = origin.connections();
    return outcome;
  }

  ResumePolicy policy_{.backoff = {.base = 0ms}};
  std::array<std::string, 8> seen_;
  int connections_ = 0;
};

TEST_F(ResumingBodyTest, GoesOnWhereItBrokeOff) {
  RawOrigin origin(says({std::string(kBegin), rest_from(5, "56789")}));
  run([&]() -> Task<void> {
    Request request = get(origin, "/a");
    request.fields.add("X-Ask", "why");
    const Outcome outcome = co_await fetch(request);
    EXPECT_TRUE(outcome.end);
    EXPECT_EQ(outcome.body, "0123456789");
    EXPECT_EQ(outcome.resumes, 1u);
    EXPECT_EQ(request.trace.attempts, 2u);
    Duration sum{};
    for (int i = 0; i < static_cast<int>(Phase::kCount_); ++i)
      sum += request.trace.timings.of(static_cast<Phase>(i));
    EXPECT_EQ(sum, request.trace.timings.total());
  });
  EXPECT_EQ(seen_[1],
            "GET /a HTTP/1.1\r\nHost: origin.test\r\nX-Ask: why\r\nRange: bytes=5-\r\n"
            "If-Range: \"v1\"\r\n\r\n");
}

TEST_F(ResumingBodyTest, AWholeBodyIsNotTouched) {
  const Outcome outcome =
      outcome_of({"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"v1\"\r\n\r\n01234"});
  EXPECT_TRUE(outcome.end);
  EXPECT_EQ(outcome.body, "01234");
  EXPECT_EQ(connections_, 1);
}

TEST_F(ResumingBodyTest, NothingIsMixed) {
  const std::string partial = "HTTP/1.1 206 Partial\r\nContent-Length: 5\r\n";
  for (const std::string& answer :
       {std::string("HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"v2\"\r\n\r\nabcdefghij"),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"v1\"\r\n\r\n0123456789"),
        std::string("HTTP/1.1 416 No\r\nContent-Length: 0\r\nContent-Range: bytes */3\r\n\r\n"),
        std::string("HTTP/1.1 302 Moved\r\nContent-Length: 0\r\nLocation: /x\r\n\r\n"),
        partial + "Content-Range: bytes 4-9/10\r\n\r\n45678",
        partial + "Content-Range: bytes 5-9/11\r\n\r\n56789",
        partial + "Content-Range: bytes 5-9/10\r\nETag: \"v2\"\r\n\r\nfghij",
        partial + "Content-Type: multipart/byteranges; boundary=x\r\n\r\n--x\r\n"}) {
    const Outcome outcome = outcome_of({std::string(kBegin), answer, rest_from(5, "56789")});
    EXPECT_EQ(outcome.end, fail(Errc::kUpstreamTruncated)) << answer;
    EXPECT_EQ(outcome.body, "01234");
    EXPECT_EQ(connections_, 2);
  }
}

TEST_F(ResumingBodyTest, WithoutAValidatorItEnds) {
  const Outcome outcome =
      outcome_of({"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234", rest_from(5, "56789")});
  EXPECT_EQ(outcome.end, fail(Errc::kUpstreamTruncated));
  EXPECT_EQ(connections_, 1);
}

TEST_F(ResumingBodyTest, UpToItsLimit) {
  std::vector<std::string> texts{std::string(kBegin), rest_from(5, "5"), rest_from(6, "6")};
  texts.push_back(rest_from(7, "789"));
  policy_.resumes_max = 3;
  const Outcome enough = outcome_of(texts);
  EXPECT_TRUE(enough.end);
  EXPECT_EQ(enough.body, "0123456789");
  EXPECT_EQ(enough.resumes, 3u);
  policy_.resumes_max = 2;
  const Outcome less = outcome_of(texts);
  EXPECT_EQ(less.end, fail(Errc::kUpstreamTruncated));
  EXPECT_EQ(less.body, "0123456");
  policy_.resumes_max = 0;
  EXPECT_EQ(outcome_of(texts).body, "01234");
}

TEST_F(ResumingBodyTest, AnOriginThatIsNotBackYetIsAskedAgain) {
  const std::string busy = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  const Outcome outcome = outcome_of({std::string(kBegin), busy, "", rest_from(5, "56789")});
  EXPECT_TRUE(outcome.end);
  EXPECT_EQ(outcome.body, "0123456789");
  EXPECT_EQ(outcome.resumes, 3u);
  EXPECT_EQ(outcome_of({std::string(kBegin), busy, "", busy, rest_from(5, "56789")}).end,
            fail(Errc::kUpstreamTruncated));
}

TEST_F(ResumingBodyTest, StaysInItsBudget) {
  RetryBudget budget({.ratio = 0.0, .min_per_second = 0});
  policy_.budget = &budget;
  EXPECT_EQ(outcome_of({std::string(kBegin), rest_from(5, "56789")}).end,
            fail(Errc::kUpstreamTruncated));
  EXPECT_EQ(connections_, 1);
}

TEST_F(ResumingBodyTest, AfterAResetAndAfterSilence) {
  RawOrigin origin([](Peer& peer, int index) {
    peer.read_head();
    if (index == 0) {
      peer.send(kBegin);
      peer.read_to_end();  // until it is given up
    } else if (index == 1) {
      peer.reset();
    } else {
      peer.send(rest_from(5, "56789"));
      peer.read_to_end();
    }
  });
  run([&]() -> Task<void> {
    Request request = get(origin);
    request.timeouts.idle = 20ms;
    const Outcome outcome = co_await fetch(request);
    EXPECT_TRUE(outcome.end);
    EXPECT_EQ(outcome.body, "0123456789");
    EXPECT_EQ(outcome.resumes, 2u);
  });
}

TEST_F(ResumingBodyTest, ChunkedBodies) {
  const std::string begin = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nETag: \"v1\"\r\n\r\n";
  const std::string rest =
      "HTTP/1.1 206 Partial\r\nTransfer-Encoding: chunked\r\nContent-Range: bytes 5-9/10\r\n\r\n";
  const std::string end = "0\r\n\r\n";
  const Outcome plain = outcome_of({begin + "5\r\n01234\r\n", rest + "5\r\n56789\r\n" + end});
  EXPECT_TRUE(plain.end);
  EXPECT_EQ(plain.body, "0123456789");
  // The last chunk is missing, but not a byte of the body.
  const Outcome cut = outcome_of({begin + "5\r\n01234\r\n", rest + "5\r\n56789\r\n"});
  EXPECT_TRUE(cut.end);
  EXPECT_EQ(cut.body, "0123456789");
  // The framing ends before the range does.
  const Outcome brief =
      outcome_of({begin + "5\r\n01234\r\n", rest + "2\r\n56\r\n" + end, rest_from(7, "789")});
  EXPECT_TRUE(brief.end);
  EXPECT_EQ(brief.body, "0123456789");
  const Outcome lengthy = outcome_of({begin + "5\r\n01234\r\n", rest + "6\r\n56789x\r\n" + end});
  EXPECT_EQ(lengthy.end, fail(Errc::kUpstreamBadMessage));
  EXPECT_EQ(lengthy.body, "01234");
}

TEST_F(ResumingBodyTest, TheLimitOfBytesHoldsForTheWhole) {
  for (const std::uint64_t limit : {10U, 9U}) {
    RawOrigin origin(says({std::string(kBegin), rest_from(5, "56789")}));
    run([&]() -> Task<void> {
      Request request = get(origin);
      request.body_bytes_max = limit;
      const Outcome outcome = co_await fetch(request);
      EXPECT_EQ(outcome.end, limit == 10 ? Result<void>() : fail(Errc::kUpstreamTooLarge));
    });
  }
}

TEST_F(ResumingBodyTest, NoWaitThatLastsToTheDeadline) {
  policy_.backoff = {.base = 10s, .max = 10s};
  policy_.random = [] { return static_cast<std::uint64_t>(Duration(10s).count()); };
  RawOrigin origin(says({std::string(kBegin), rest_from(5, "56789")}));
  run([&]() -> Task<void> {
    Request request = get(origin);
    const Outcome outcome = co_await fetch(request, Clock::now() + 5s);
    EXPECT_EQ(outcome.end, fail(Errc::kUpstreamTruncated));
  });
  EXPECT_EQ(origin.connections(), 1);
}

TEST_F(ResumingBodyTest, TheWaitCanBeCancelled) {
  policy_.backoff = {.base = 10s, .max = 10s};
  policy_.random = [] { return static_cast<std::uint64_t>(Duration(10s).count()); };
  RawOrigin origin(says({std::string(kBegin)}));
  run([&]() -> Task<void> {
    Request request = get(origin);
    DeadlineScope limit(Errc::kTotalTimeout, 50ms);
    const Outcome outcome = co_await in_scope(limit.scope(), fetch(request));
    EXPECT_EQ(outcome.end, fail(Errc::kTotalTimeout));
    EXPECT_EQ(outcome.body, "01234");
  });
}

TEST_F(ResumingBodyTest, AnswersToABodyAreLeftAlone) {
  RawOrigin origin([](Peer& peer, int) {
    peer.read_head();
    peer.read_bytes(4);
    peer.send(kBegin);
  });
  run([&]() -> Task<void> {
    MemoryBody body(Bytes("data", 4));
    Request request = get(origin);
    request.body = &body;
    const Outcome outcome = co_await fetch(request);
    EXPECT_EQ(outcome.end, fail(Errc::kUpstreamTruncated));
  });
  EXPECT_EQ(origin.connections(), 1);
}

TEST_F(ResumingBodyTest, DecodedBodiesAreLeftAlone) {
  const std::string coded =
      "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"v1\"\r\nContent-Encoding: gzip\r\n\r\n"
      "\x1f\x8b\x08";
  RawOrigin origin(says({coded, rest_from(3, "3456789")}));
  run([&]() -> Task<void> {
    Request request = get(origin);
    request.decode = true;
    const Outcome outcome = co_await fetch(request);
    EXPECT_FALSE(outcome.end.has_value());
    EXPECT_EQ(outcome.resumes, 0U);
  });
  EXPECT_EQ(origin.connections(), 1);
}

TEST_F(ResumingBodyTest, RestOfWhatMightHaveBeenCodedIsAskedForAsItIs) {
  RawOrigin origin(says({std::string(kBegin), rest_from(5, "56789")}));
  run([&]() -> Task<void> {
    Request request = get(origin);
    request.decode = true;
    const Outcome outcome = co_await fetch(request);
    EXPECT_EQ(outcome.end, Result<void>());
    EXPECT_EQ(outcome.body, "0123456789");
  });
  EXPECT_NE(seen_[0].find("Accept-Encoding: gzip"), std::string::npos) << seen_[0];
  EXPECT_NE(seen_[1].find("Accept-Encoding: identity\r\n"), std::string::npos) << seen_[1];
}

}  // namespace
}  // namespace millrace::test
