// HTTP/2 connections frame by frame: what the protocol wants, and what nghttp2 leaves to us.
#include "connection_fixture.hpp"
#include "h2/server_connection.hpp"
#include "support/frame_client.hpp"

#include <gtest/gtest.h>

namespace millrace::test {
namespace {

using std::chrono::milliseconds;

std::string setting(std::uint32_t id, std::uint32_t value) {
  return bytes_of(id, 2) + bytes_of(value);
}

class Http2 : public testing::Test {
 protected:
  /// Runs `talk` against a connection that has sent its preface with `settings`.
  template <class F>
  void converse(F talk, std::string settings = {}) {
    IoThread io(0);
    on_io(io, [&]() -> Task<void> {
      const TcpPair sockets = make_tcp_pair();
      WireClient wire(sockets);
      FrameClient client(wire);
      TaskGroup server;
      server.spawn(h2::serve_connection(net::Stream(sockets.server), {}, peer_, pipeline_));
      (void)co_await client.send(hello(settings));
      // Until it is acknowledged, what SETTINGS grants does not hold.
      (void)co_await client.next(NGHTTP2_SETTINGS);
      (void)co_await client.send(frame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0));
      co_await talk(client);
      wire.close();
      co_await server.join();
    });
  }
  /// The GOAWAY that ends the connection.
  static Task<std::uint32_t> goaway(FrameClient& client) {
    const auto f = co_await client.next(NGHTTP2_GOAWAY);
    co_return f ? f->number(4) : UINT32_MAX;
  }

  WirePipeline pipeline_;
  const PeerInfo peer_{
      .address = "127.0.0.1", .port = 1, .local_address = "127.0.0.1", .local_port = 2};
};

TEST_F(Http2, AnswersARequest) {
  converse([](FrameClient& client) -> Task<void> {
    (void)co_await client.send(headers(1, get_head()));
    const auto a = co_await client.answer(1);
    EXPECT_EQ(value_of(a.head, ":status"), "200");
    EXPECT_EQ(value_of(a.head, "content-length"), "5");
    EXPECT_FALSE(value_of(a.head, "date").empty());
    EXPECT_EQ(a.body, "hello");
  });
  EXPECT_EQ(pipeline_.outcomes, std::vector<std::string>{"ok"});
}

TEST_F(Http2, ABodyComesBack) {
  converse([](FrameClient& client) -> Task<void> {
    (void)co_await client.send(headers(1, post_head("/echo"), false) + data(1, "abc", false) +
                               data(1, "def"));
    EXPECT_EQ((co_await client.answer(1)).body, "abcdef");
  });
}

TEST_F(Http2, StreamsAnswerInTheOrderInWhichTheyAreReady) {
  converse([this](FrameClient& client) -> Task<void> {
    (void)co_await client.send(headers(1, get_head("/wait")) + headers(3, get_head()));
    EXPECT_EQ((co_await client.answer(3)).body, "hello");
    pipeline_.released.set();
    EXPECT_EQ((co_await client.answer(1)).body, "hello");
  });
}

TEST_F(Http2, AHeadAnswerEndsWithItsHead) {
  converse([](FrameClient& client) -> Task<void> {
    HeaderList head = get_head();
    head[0].second = "HEAD";
    (void)co_await client.send(headers(1, head));
    const auto f = co_await client.next(NGHTTP2_HEADERS);
    EXPECT_TRUE(f && f->ends_stream());
    EXPECT_EQ(value_of(client.last_head, "content-length"), "5");
  });
}

TEST_F(Http2, AnAbortedAnswerIsReset) {
  converse([](FrameClient& client) -> Task<void> {
    (void)co_await client.send(headers(1, get_head("/abort")));
    EXPECT_EQ((co_await client.answer(1)).reset,
              std::optional<std::uint32_t>(NGHTTP2_INTERNAL_ERROR));
  });
}

TEST_F(Http2, AMalformedHeadIsReset) {
  converse([](FrameClient& client) -> Task<void> {
    HeaderList head = get_head();
    head.emplace_back("transfer-encoding", "chunked");
    (void)co_await client.send(headers(1, head));
    EXPECT_EQ((co_await client.answer(1)).reset,
              std::optional<std::uint32_t>(NGHTTP2_PROTOCOL_ERROR));
    // The connection lives on.
    (void)co_await client.send(headers(3, get_head()));
    EXPECT_EQ((co_await client.answer(3)).body, "hello");
  });
}

TEST_F(Http2, FieldsOverTheLimitAreAnswered431) {
  pipeline_.limits_.head.fields_max = 10;
  converse([](FrameClient& client) -> Task<void> {
    HeaderList head = get_head();
    for (int i = 0; i < 10; ++i) head.emplace_back("x", "y");
    (void)co_await client.send(headers(1, head));
    EXPECT_EQ(value_of((co_await client.answer(1)).head, ":status"), "200");
    head.insert(head.end(), 6, {"x", "y"});
    (void)co_await client.send(headers(3, head));
    EXPECT_EQ(value_of((co_await client.answer(3)).head, ":status"), "431");
  });
}

TEST_F(Http2, AHeadOverTheLimitIsAnswered431) {
  pipeline_.limits_.head.head_bytes_max = 1000;
  converse([](FrameClient& client) -> Task<void> {
    HeaderList head = get_head();
    head.emplace_back("x", std::string(1000, 'y'));
    (void)co_await client.send(headers(1, head));
    EXPECT_EQ(value_of((co_await client.answer(1)).head, ":status"), "431");
  });
}

TEST_F(Http2, AnHpackBombEndsTheConnection) {
  converse([](FrameClient& client) -> Task<void> {
    // One entry of the table, then references to it, a byte each.
    std::string block = hpack(get_head()) + '\x40' + std::string("\1x\1y");
    block.append(8000, static_cast<char>(0xbe));
    (void)co_await client.send(
        frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1, block));
    EXPECT_EQ(co_await goaway(client), static_cast<std::uint32_t>(NGHTTP2_ENHANCE_YOUR_CALM));
  });
}

TEST_F(Http2, TheWindowIsGivenBackWhenTheBodyIsRead) {
  // `/wait` reads nothing: not a byte of window may come back for its stream.
  converse([this](FrameClient& client) -> Task<void> {
    (void)co_await client.send(headers(1, post_head("/wait"), false));
    for (int i = 0; i < 16; ++i)
      (void)co_await client.send(data(1, std::string(16384, 'x'), false));
    (void)co_await client.send(frame(NGHTTP2_PING, 0, 0, "12345678"));
    for (;;) {
      const auto f = co_await client.next();
      if (!f || f->type == NGHTTP2_PING) break;
      EXPECT_FALSE(f->type == NGHTTP2_WINDOW_UPDATE && f->stream == 1);
    }
    pipeline_.released.set();
    EXPECT_EQ((co_await client.answer(1)).body, "hello");
  });
}

TEST_F(Http2, MoreThanTheWindowIsAnError) {
  converse([](FrameClient& client) -> Task<void> {
    (void)co_await client.send(headers(1, post_head("/wait"), false));
    for (int i = 0; i < 17; ++i)
      (void)co_await client.send(data(1, std::string(16384, 'x'), false));
    const auto f = co_await client.next(NGHTTP2_RST_STREAM);
    EXPECT_TRUE(f && f->number() == NGHTTP2_FLOW_CONTROL_ERROR);
  });
}

TEST_F(Http2, ResetsCancelTheWorkAndAreCounted) {
  converse([](FrameClient& client) -> Task<void> {
    std::uint32_t id = 1;
    for (int i = 0; i < 500; ++i, id += 2)
      if (!co_await client.send(headers(id, get_head("/wait")) +
                                frame(NGHTTP2_RST_STREAM, 0, id, bytes_of(NGHTTP2_CANCEL))))
        break;
    EXPECT_EQ(co_await goaway(client), static_cast<std::uint32_t>(NGHTTP2_ENHANCE_YOUR_CALM));
  });
  ASSERT_FALSE(pipeline_.outcomes.empty());
  for (const std::string& outcome : pipeline_.outcomes) EXPECT_EQ(outcome, "client_gone");
}

TEST_F(Http2, ResetsThatWeAreMadeToSendAreCounted) {
  converse([](FrameClient& client) -> Task<void> {
    std::optional<Frame> f;
    // One at a time: the limit of concurrent streams has nothing to say.
    for (std::uint32_t id = 1; id < 2000; id += 2) {
      (void)co_await client.send(headers(id, get_head("/wait")) +
                                 frame(NGHTTP2_WINDOW_UPDATE, 0, id, bytes_of(INT32_MAX)));
      do f = co_await client.next();
      while (f && f->type != NGHTTP2_RST_STREAM && f->type != NGHTTP2_GOAWAY);
      if (!f || f->type == NGHTTP2_GOAWAY) break;
    }
    EXPECT_TRUE(f && f->type == NGHTTP2_GOAWAY && f->number(4) == NGHTTP2_ENHANCE_YOUR_CALM);
  });
}

class EmptyFrames : public Http2, public testing::WithParamInterface<std::string> {};

TEST_P(EmptyFrames, AreCounted) {
  converse([](FrameClient& client) -> Task<void> {
    (void)co_await client.send(headers(1, post_head("/wait"), false));
    std::string flood;
    for (int i = 0; i < 3000; ++i) flood += GetParam();
    (void)co_await client.send(flood);
    EXPECT_EQ(co_await goaway(client), static_cast<std::uint32_t>(NGHTTP2_ENHANCE_YOUR_CALM));
  });
}

INSTANTIATE_TEST_SUITE_P(OfEveryKind, EmptyFrames,
                         testing::Values(frame(NGHTTP2_PING, 0, 0, "12345678"),
                                         frame(NGHTTP2_SETTINGS, 0, 0),
                                         frame(NGHTTP2_WINDOW_UPDATE, 0, 0, bytes_of(1)),
                                         frame(NGHTTP2_DATA, 0, 1),
                                         frame(NGHTTP2_PRIORITY, 0, 1, std::string(5, '\0'))));

TEST_F(Http2, AClientThatAcknowledgesEverySmallFrameIsNotAFlood) {
  converse([](FrameClient& client) -> Task<void> {
    (void)co_await client.send(headers(1, post_head("/pipe"), false));
    for (int i = 0; i < 3000; ++i) {
      (void)co_await client.send(data(1, "x", i == 2999));
      const auto f = co_await client.next(NGHTTP2_DATA);
      EXPECT_TRUE(f);
      if (!f) break;
      (void)co_await client.send(frame(NGHTTP2_WINDOW_UPDATE, 0, 1, bytes_of(1)) +
                                 frame(NGHTTP2_WINDOW_UPDATE, 0, 0, bytes_of(1)));
    }
  });
  EXPECT_EQ(pipeline_.outcomes, std::vector<std::string>{"ok"});
}

TEST_F(Http2, AClosedWindowStallsOneStreamAndNotTheOthers) {
  pipeline_.limits_.write_stall_timeout = milliseconds(300);
  converse(
      [](FrameClient& client) -> Task<void> {
        (void)co_await client.send(headers(1, get_head()));
        const auto a = co_await client.answer(1);
        EXPECT_EQ(a.reset, std::optional<std::uint32_t>(NGHTTP2_CANCEL));
        EXPECT_EQ(a.body, "");
        (void)co_await client.send(headers(3, get_head()) +
                                   frame(NGHTTP2_WINDOW_UPDATE, 0, 3, bytes_of(100)));
        EXPECT_EQ((co_await client.answer(3)).body, "hello");
      },
      setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0));
}

TEST_F(Http2, AHeadThatNeverEndsEndsTheConnection) {
  pipeline_.limits_.head_timeout = milliseconds(200);
  converse([](FrameClient& client) -> Task<void> {
    (void)co_await client.send(frame(NGHTTP2_HEADERS, 0, 1, hpack(get_head())));
    EXPECT_EQ(co_await goaway(client), static_cast<std::uint32_t>(NGHTTP2_ENHANCE_YOUR_CALM));
  });
}

TEST_F(Http2, ABodyThatStopsGets408) {
  pipeline_.limits_.body_idle_timeout = milliseconds(200);
  converse([](FrameClient& client) -> Task<void> {
    (void)co_await client.send(headers(1, post_head("/echo"), false) + data(1, "a", false));
    EXPECT_EQ(value_of((co_await client.answer(1)).head, ":status"), "408");
  });
}

TEST_F(Http2, AnIdleConnectionIsEnded) {
  pipeline_.limits_.idle_timeout = milliseconds(200);
  converse([](FrameClient& client) -> Task<void> {
    (void)co_await client.send(headers(1, get_head()));
    (void)co_await client.answer(1);
    EXPECT_EQ(co_await goaway(client), static_cast<std::uint32_t>(NGHTTP2_NO_ERROR));
    EXPECT_FALSE(co_await client.next());
  });
}

TEST_F(Http2, AVanishedClientCancelsItsRequests) {
  converse([this](FrameClient& client) -> Task<void> {
    (void)co_await client.send(headers(1, get_head("/wait")));
    (void)co_await pipeline_.waiting.wait();
  });
  EXPECT_EQ(pipeline_.outcomes, std::vector<std::string>{"client_gone"});
}

TEST_F(Http2, AnExtendedConnectIsRefusedWhereNobodyOpensTheTunnel) {
  converse([](FrameClient& client) -> Task<void> {
    HeaderList head = get_head();
    head[0].second = "CONNECT";
    head.emplace(head.begin() + 1, ":protocol", "websocket");
    (void)co_await client.send(headers(1, head, false));
    // A 200 would be the tunnel.
    EXPECT_EQ(value_of((co_await client.answer(1)).head, ":status"), "501");
  });
}

}  // namespace
}  // namespace millrace::test
