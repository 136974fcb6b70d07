// What comes over the wire, well-formed and not, and how the client takes it.
#include "client_fixture.hpp"

#include <poll.h>

namespace millrace::test {
namespace {

using client::Request;
using client::Response;
using Peer = RawOrigin::Peer;

class MessagesTest : public ClientTest {
 protected:
  /// Sends `answer` to one request and closes; what the client made of it.
  Result<std::string> answer(std::string answer, http::Method method = http::Method::kGet) {
    RawOrigin origin([&](Peer& peer, int) {
      peer.read_head();
      peer.send(answer);
    });
    Result<std::string> result = fail(Errc::kInternal);
    run([&]() -> Task<void> {
      Request request = get(origin);
      request.method = method;
      request.method_text = http::method_name(method);
      result = co_await fetch_text(request);
      client->close_idle();
    });
    return result;
  }
};

TEST_F(MessagesTest, BodiesOfEveryFraming) {
  EXPECT_EQ(answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), "hello");
  EXPECT_EQ(answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), "");
  EXPECT_EQ(answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nX-Trailer: dropped\r\n\r\n"),
            "hello world");
  EXPECT_EQ(answer("HTTP/1.1 200 OK\r\n\r\nuntil the end"), "until the end");
  EXPECT_EQ(answer("HTTP/1.0 200 OK\r\n\r\n"), "");
}

TEST_F(MessagesTest, AnswersWithoutABody) {
  EXPECT_EQ(answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", http::Method::kHead), "");
  EXPECT_EQ(answer("HTTP/1.1 204 No Content\r\n\r\n"), "");
  EXPECT_EQ(answer("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"), "");
}

TEST_F(MessagesTest, InterimHeadsArePassedOverUpToALimit) {
  const auto flood = [](int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    return text + ok("x");
  };
  EXPECT_EQ(answer(flood(16)), "x");
  EXPECT_EQ(answer(flood(17)), fail(Errc::kUpstreamBadMessage));
  EXPECT_EQ(answer("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"),
            fail(Errc::kUpstreamBadMessage));
}

TEST_F(MessagesTest, TruncatedBodiesNeverEndCleanly) {
  const Result<std::string> truncated = fail(Errc::kUpstreamTruncated);
  EXPECT_EQ(answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"), truncated);
  EXPECT_EQ(answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhell"), truncated);
  EXPECT_EQ(answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
            truncated);
  EXPECT_EQ(answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"),
            truncated);
}

TEST_F(MessagesTest, BadHeadsAreRefused) {
  for (const char* head : {
           "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
           "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nx",
           "HTTP/1.1 200 OK\nContent-Length: 1\n\nx",
           "HTTP/1.1 200 OK\r\nX-A : b\r\n\r\n",
           "HTTP/1.1 200 OK\r\nX-A: b\r\n folded\r\n\r\n",
           "HTTP/1.1 200 OK\r\nX-A: b\x01\r\n\r\n",
           "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "HTTP/2.0 200 OK\r\n\r\n",
           "HTTP/1.1 20 OK\r\n\r\n",
           "<html>hello</html>\r\n\r\n",
       })
    EXPECT_EQ(answer(head), fail(Errc::kUpstreamBadMessage)) << head;
}

TEST_F(MessagesTest, BadChunksAreRefused) {
  for (const char* body : {"x\r\n", "5\nhello\r\n0\r\n\r\n", "-1\r\n", "5\r\nhelloX\r\n0\r\n\r\n",
                           "10000000000000000\r\n"})
    EXPECT_EQ(answer(std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") + body),
              fail(Errc::kUpstreamBadMessage))
        << body;
}

TEST_F(MessagesTest, AHeadOverTheLimitIsRefused) {
  const auto head_of = [](std::size_t bytes) {
    const std::string begin = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Pad: ";
    const std::string end = "\r\n\r\n";
    return begin + std::string(bytes - begin.size() - end.size(), 'x') + end;
  };
  EXPECT_EQ(answer(head_of(64 * 1024)), "");
  EXPECT_EQ(answer(head_of(64 * 1024 + 1)), fail(Errc::kUpstreamHeadTooLarge));
}

TEST_F(MessagesTest, EveryByteAloneGivesTheSame) {
  const std::string text =
      "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n";
  RawOrigin origin([&](Peer& peer, int) {
    peer.read_head();
    const int on = 1;
    ::setsockopt(peer.fd(), IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof on);
    for (const char c : text) peer.send({&c, 1});
    peer.read_to_end();
  });
  run([&]() -> Task<void> {
    Request request = get(origin);
    EXPECT_EQ(co_await fetch_text(request), "hello!");
    EXPECT_EQ(client->stats().pool.idle, 1u);
    client->close_idle();
  });
}

TEST_F(MessagesTest, LargeBodiesComeThroughWhole) {
  std::string body(3 * 1024 * 1024 + 17, '\0');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 31 >> 3);
  EXPECT_EQ(answer(ok(body)).value() == body, true);
}

TEST_F(MessagesTest, AResponseOverTheCallersLimitIsStopped) {
  for (const std::uint64_t limit : {5u, 4u}) {
    RawOrigin origin([](Peer& peer, int) {
      peer.read_head();
      peer.send(ok("hello"));
    });
    run([&]() -> Task<void> {
      Request request = get(origin);
      request.body_bytes_max = limit;
      const auto text = co_await fetch_text(request);
      EXPECT_EQ(text.has_value(), limit == 5);
      if (!text) EXPECT_EQ(text.error(), Error(Errc::kUpstreamTooLarge));
      client->close_idle();
    });
  }
}

// --- request bodies ---

/// Pieces given by the test; kUnknown length unless told.
class PiecesBody final : public BodySource {
 public:
  explicit PiecesBody(std::vector<std::string> pieces,
                      http::BodyLength length = http::BodyLength::unknown())
      : pieces_(std::move(pieces)), length_(length) {}
  http::BodyLength length() const noexcept override { return length_; }
  Task<Result<Bytes>> read() override {
    if (next_ == pieces_.size()) co_return Bytes{};
    co_return Bytes(pieces_[next_++]);
  }

 private:
  std::vector<std::string> pieces_;
  http::BodyLength length_;
  std::size_t next_ = 0;
};

TEST_F(MessagesTest, KnownBodiesGoOutWithALength) {
  std::string head;
  std::string body_seen;
  RawOrigin origin([&](Peer& peer, int) {
    head = peer.read_head();
    body_seen = peer.read_bytes(4);
    peer.send(ok("done"));
  });
  run([&]() -> Task<void> {
    MemoryBody body(Bytes("data", 4));
    Request request = post(origin, body);
    EXPECT_EQ(co_await fetch_text(request), "done");
    client->close_idle();
  });
  EXPECT_EQ(head, "POST / HTTP/1.1\r\nHost: origin.test\r\nContent-Length: 4\r\n\r\n");
  EXPECT_EQ(body_seen, "data");
}

TEST_F(MessagesTest, UnknownBodiesGoOutChunked) {
  std::string seen;
  RawOrigin origin([&](Peer& peer, int) {
    seen = peer.read_head() + peer.read_until("0\r\n\r\n");
    peer.send(ok("done"));
  });
  run([&]() -> Task<void> {
    PiecesBody body({"hello", " world, again"});
    Request request = post(origin, body);
    EXPECT_EQ(co_await fetch_text(request), "done");
    client->close_idle();
  });
  EXPECT_EQ(seen,
            "POST / HTTP/1.1\r\nHost: origin.test\r\nTransfer-Encoding: chunked\r\n\r\n"
            "5\r\nhello\r\nd\r\n world, again\r\n0\r\n\r\n");
}

TEST_F(MessagesTest, ABodyThatEndsEarlyIsAborted) {
  std::string seen;
  RawOrigin origin([&](Peer& peer, int) {
    peer.read_head();
    seen = peer.read_to_end();
  });
  run([&]() -> Task<void> {
    PiecesBody body({"hel"}, http::BodyLength::known(5));
    Request request = post(origin, body);
    EXPECT_EQ(co_await fetch_text(request), fail(Errc::kBodyTruncated));
  });
}

/// Gives 64 KiB pieces without end.
class EndlessBody final : public BodySource {
 public:
  http::BodyLength length() const noexcept override { return http::BodyLength::unknown(); }
  Task<Result<Bytes>> read() override { co_return Bytes(block_); }

 private:
  std::string block_ = std::string(65536, 'x');
};

TEST_F(MessagesTest, AnEarlyAnswerIsSeenWhileTheBodyIsStillGoingOut) {
  RawOrigin origin([](Peer& peer, int) {
    peer.read_head();
    peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
    peer.read_to_end();
  });
  run([&]() -> Task<void> {
    EndlessBody body;
    Request request = post(origin, body);
    auto response = co_await client->fetch(request);
    EXPECT_EQ(response->status(), 413);
    EXPECT_EQ(co_await read_all(*response), "big");
    co_await response->close();
    EXPECT_EQ(client->stats().pool.idle, 0u);  // its request is only half sent
  });
}

/// Is the connection reset, seen by one who reads nothing?
bool is_reset(Peer& peer) {
  pollfd waited{.fd = peer.fd(), .events = 0, .revents = 0};
  return ::poll(&waited, 1, 10'000) == 1 && (waited.revents & POLLHUP) != 0;
}

TEST_F(MessagesTest, ABodyThatTheAnswerCutShortIsAReset) {
  bool reset = false;
  {
    RawOrigin origin([&](Peer& peer, int) {
      peer.read_head();
      peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
      reset = is_reset(peer);
    });
    run([&]() -> Task<void> {
      EndlessBody body;
      Request request = post(origin, body);
      EXPECT_EQ(co_await fetch_text(request), "big");
    });
  }
  EXPECT_TRUE(reset);
}

TEST_F(MessagesTest, AnOriginThatAnswersAndStopsReadingIsHeard) {
  RawOrigin origin([](Peer& peer, int) {
    peer.read_head();
    peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig");
    ::shutdown(peer.fd(), SHUT_WR);
    peer.read_to_end();
  });
  run([&]() -> Task<void> {
    EndlessBody body;
    Request request = post(origin, body);
    EXPECT_EQ(co_await fetch_text(request), "big");
  });
}

TEST_F(MessagesTest, AnEchoFlowsBothWaysAtOnce) {
  constexpr std::size_t kPieces = 200;
  RawOrigin origin([](Peer& peer, int) {
    peer.read_head();
    peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (;;) {
      const std::string line = peer.read_until("\r\n");
      const std::size_t size = std::stoul(line, nullptr, 16);
      const std::string piece = peer.read_bytes(size + 2);
      if (!peer.send(line + piece) || size == 0) return;
    }
  });
  run([&]() -> Task<void> {
    PiecesBody body(std::vector<std::string>(kPieces, std::string(20000, 'e')));
    Request request = post(origin, body);
    const auto text = co_await fetch_text(request);
    EXPECT_EQ(text->size(), kPieces * 20000);
  });
}

// --- time and cancellation ---

TEST_F(MessagesTest, FirstByteTimeoutIsPreciseUnderASecond) {
  RawOrigin origin([](Peer& peer, int) { peer.read_to_end(); });
  run([&]() -> Task<void> {
    Duration best = Duration::max();
    for (int i = 0; i < 5; ++i) {  // a busy machine may be late, but hardly five times
      Request request = get(origin);
      request.timeouts.first_byte = 20ms;
      const TimePoint began = Clock::now();
      EXPECT_EQ(co_await fetch_text(request), fail(Errc::kFirstByteTimeout));
      const Duration took = Clock::now() - began;
      EXPECT_GE(took, 20ms);
      best = std::min(best, took);
    }
    EXPECT_LT(best, 90ms);  // the coarse wheel's ticks are 100 ms
  });
}

TEST_F(MessagesTest, FirstByteTimeoutOfASecond) {
  RawOrigin origin([](Peer& peer, int) {
    peer.read_head();
    peer.send("HTTP/1.1 200 ");
    peer.read_to_end();
  });
  run([&]() -> Task<void> {
    Request request = get(origin);
    request.timeouts.first_byte = 1s;
    const TimePoint began = Clock::now();
    EXPECT_EQ(co_await fetch_text(request), fail(Errc::kFirstByteTimeout));
    EXPECT_GE(Clock::now() - began, 1s);
  });
}

TEST_F(MessagesTest, IdleTimeoutInMidBody) {
  RawOrigin origin([](Peer& peer, int) {
    peer.read_head();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
    peer.read_to_end();
  });
  run([&]() -> Task<void> {
    Request request = get(origin);
    request.timeouts.idle = 50ms;
    EXPECT_EQ(co_await fetch_text(request), fail(Errc::kUpstreamIdleTimeout));
  });
}

TEST_F(MessagesTest, CancellingClosesTheUpstreamConnection) {
  std::atomic<bool> closed = false;
  RawOrigin origin([&](Peer& peer, int) {
    peer.read_head();
    peer.read_to_end();
    closed = true;
  });
  run([&]() -> Task<void> {
    EndlessBody body;
    Request request = post(origin, body);
    DeadlineScope limit(Errc::kTotalTimeout, 30ms);
    const auto text = co_await in_scope(limit.scope(), fetch_text(request));
    EXPECT_EQ(text, fail(Errc::kTotalTimeout));
    while (!closed) (void)co_await sleep_for(1ms);
  });
}

}  // namespace
}  // namespace millrace::test
