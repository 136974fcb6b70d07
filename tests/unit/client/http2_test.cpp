#include "client_fixture.hpp"
#include "support/frame_peer.hpp"
#include "support/test_ca.hpp"

#include <atomic>
#include <thread>

#include <netinet/tcp.h>

namespace millrace::test {
namespace {

using client::Request;
using client::Response;
using Peer = RawOrigin::Peer;

/// Gives pieces as they are asked for, and counts them.
class CountedBody final : public BodySource {
 public:
  CountedBody(std::size_t pieces, std::size_t piece_bytes)
      : pieces_(pieces), piece_(piece_bytes, 'x') {}
  [[nodiscard]] http::BodyLength length() const noexcept override {
    return http::BodyLength::unknown();
  }
  [[nodiscard]] Task<Result<Bytes>> read() override {
    if (given == pieces_) co_return Bytes{};
    ++given;
    co_return Bytes(piece_);
  }
  std::size_t given = 0;

 private:
  const std::size_t pieces_;
  const std::string piece_;
};

class Http2ClientTest : public ClientTest {
 protected:
  Request ask(const RawOrigin& origin, std::string_view target = "/") {
    Request request;
    client::OriginSpec s = spec(origin.port());
    s.http = client::HttpChoice::kHttp2;
    request.origin = client->origin(s).value();
    request.target = target;
    request.host = "origin.test";
    return request;
  }
  Request ask_post(const RawOrigin& origin, BodySource& body) {
    Request request = ask(origin);
    request.method = http::Method::kPost;
    request.method_text = "POST";
    request.body = &body;
    return request;
  }
  /// What fetching `/` gives, from an origin that plays `script` behind the first request.
  Result<std::string> outcome(const std::function<void(FramePeer&, std::uint32_t)>& script,
                              const std::function<void(Request&)>& change = {}) {
    RawOrigin origin([&](Peer& raw, int) {
      FramePeer peer(raw);
      if (const std::uint32_t stream = peer.request()) script(peer, stream);
    });
    Result<std::string> text;
    run([&]() -> Task<void> {
      Request request = ask(origin);
      if (change) change(request);
      text = co_await fetch_text(request);
      client->close_idle();
    });
    return text;
  }
  static Task<void> fetch_into(Http2ClientTest* self, Request* request,
                               Result<std::string>* text) {
    *text = co_await self->fetch_text(*request);
  }
};

TEST_F(Http2ClientTest, SendsARequestAndReadsItsAnswer) {
  HeaderList seen;
  RawOrigin origin([&](Peer& raw, int) {
    FramePeer peer(raw);
    const std::uint32_t stream = peer.request();
    seen = peer.last_head;
    peer.send(headers(stream, {{":status", "200"}, {"x-answer", "yes"}}, false));
    peer.send(data(stream, "hel", false) + data(stream, "lo", false));
    peer.send(headers(stream, {{"x-end", "fine"}}));
    peer.read_to_end();
  });
  run([&]() -> Task<void> {
    Request request = ask(origin, "/a?b=c");
    request.fields.add("X-Ask", "why");
    auto response = co_await client->fetch(request);
    EXPECT_TRUE(response);
    EXPECT_EQ(response->status(), 200);
    EXPECT_EQ(response->version(), http::Version::kHttp2);
    EXPECT_EQ(response->fields().find("x-answer")->value, "yes");
    EXPECT_EQ(co_await read_all(*response), "hello");
    EXPECT_EQ(response->trailers()->find("x-end")->value, "fine");
    EXPECT_EQ(request.trace.attempts, 1u);
    EXPECT_FALSE(request.trace.reused);
    co_await response->close();
    client->close_idle();
  });
  EXPECT_EQ(seen, (HeaderList{{":method", "GET"},
                              {":scheme", "http"},
                              {":authority", "origin.test"},
                              {":path", "/a?b=c"},
                              {"x-ask", "why"}}));
}

TEST_F(Http2ClientTest, ManyRequestsShareOneConnectionAndOneDial) {
  constexpr std::size_t kRequests = 50;
  RawOrigin origin([](Peer& raw, int) {
    FramePeer peer(raw);
    std::vector<std::uint32_t> streams;
    while (streams.size() < kRequests) streams.push_back(peer.request());
    for (auto at = streams.rbegin(); at != streams.rend(); ++at)
      peer.answer(*at, std::to_string(*at));
    peer.read_to_end();
  });
  run([&]() -> Task<void> {
    std::vector<Request> requests(kRequests);
    std::vector<Result<std::string>> texts(kRequests);
    TaskGroup group;
    for (std::size_t i = 0; i < kRequests; ++i) {
      requests[i] = ask(origin);
      group.spawn(fetch_into(this, &requests[i], &texts[i]));
    }
    co_await group.join();
    for (std::size_t i = 0; i < kRequests; ++i)
      EXPECT_EQ(texts[i], std::to_string(2 * i + 1));
    EXPECT_EQ(client->stats().pool.shared, 1u);
    client->close_idle();
  });
  EXPECT_EQ(origin.connections(), 1);
}

TEST_F(Http2ClientTest, ThePeersStreamLimitIsKept) {
  client::Client::Options options;
  options.pool.shared_per_origin_max = 1;
  make_client(options);
  std::atomic<int> most = 0;
  RawOrigin origin([&](Peer& raw, int) {
    FramePeer peer(raw, setting(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 2));
    peer.answer(peer.request(), "first");  // our SETTINGS are known from here on
    for (int served = 0; served < 6; served += 2) {
      const std::uint32_t one = peer.request();
      const std::uint32_t two = peer.request();
      // A third would come before this is answered.
      peer.send(frame(NGHTTP2_PING, 0, 0, "12345678"));
      int open = 2;
      while (const auto f = peer.next()) {
        if (f->type == NGHTTP2_HEADERS) ++open;
        if (f->type == NGHTTP2_PING) break;
      }
      most = std::max(most.load(), open);
      peer.answer(one, "x");
      peer.answer(two, "x");
    }
    peer.read_to_end();
  });
  run([&]() -> Task<void> {
    Request first = ask(origin);
    EXPECT_EQ(co_await fetch_text(first), "first");
    std::vector<Request> requests(6);
    std::vector<Result<std::string>> texts(6);
    TaskGroup group;
    for (std::size_t i = 0; i < 6; ++i) {
      requests[i] = ask(origin);
      group.spawn(fetch_into(this, &requests[i], &texts[i]));
    }
    co_await group.join();
    for (const auto& text : texts) EXPECT_EQ(text, "x");
    EXPECT_GT(requests[5].trace.timings.of(client::Phase::kQueue), 0ms);
    client->close_idle();
  });
  EXPECT_EQ(most, 2);
  EXPECT_EQ(origin.connections(), 1);
}

TEST_F(Http2ClientTest, AFullConnectionGetsASecondOne) {
  RawOrigin origin([&](Peer& raw, int index) {
    FramePeer peer(raw, setting(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1));
    peer.answer(peer.request(), "warm");
    const std::uint32_t stream = peer.request();
    while (stream != 0 && origin.connections() < 2) std::this_thread::yield();
    peer.answer(stream, std::to_string(index));
    peer.read_to_end();
  });
  run([&]() -> Task<void> {
    Request warm = ask(origin);
    EXPECT_EQ(co_await fetch_text(warm), "warm");
    Request one = ask(origin), two = ask(origin);
    Result<std::string> first, second;
    TaskGroup group;
    group.spawn(fetch_into(this, &one, &first));
    group.spawn(fetch_into(this, &two, &second));
    co_await group.join();
    EXPECT_EQ(first, "0");
    EXPECT_EQ(second, "warm");
    client->close_idle();
  });
  EXPECT_EQ(origin.connections(), 2);
}

// A POST too: the peer says that it did nothing with it.
TEST_F(Http2ClientTest, WhatAGoawayLeavesOutIsSentAgain) {
  RawOrigin origin([](Peer& raw, int index) {
    FramePeer peer(raw);
    const std::uint32_t first = peer.request();
    if (index == 0) {
      const std::uint32_t second = peer.request();
      EXPECT_GT(second, first);
      peer.send(goaway(first));
      peer.answer(first, "done");
    } else {
      peer.next(NGHTTP2_DATA);
      peer.answer(first, "again");
    }
    peer.read_to_end();
  });
  run([&]() -> Task<void> {
    Request get = ask(origin);
    MemoryBody body(Bytes("data", 4));
    Request post = ask_post(origin, body);
    Result<std::string> got, posted;
    TaskGroup group;
    group.spawn(fetch_into(this, &get, &got));
    group.spawn(fetch_into(this, &post, &posted));
    co_await group.join();
    EXPECT_EQ(got, "done");
    EXPECT_EQ(posted, "again");
    EXPECT_EQ(post.trace.attempts, 2u);
    EXPECT_EQ(client->stats().resent, 1u);
    client->close_idle();
  });
  EXPECT_EQ(origin.connections(), 2);
}

TEST_F(Http2ClientTest, ARefusedStreamIsSentAgainAFewTimes) {
  for (const unsigned refusals : {1u, 3u, 4u}) {
    make_client({});
    RawOrigin origin([&](Peer& raw, int) {
      FramePeer peer(raw);
      for (unsigned i = 0; i < refusals; ++i)
        peer.send(rst(peer.request(), NGHTTP2_REFUSED_STREAM));
      peer.answer(peer.request(), "at last");
      peer.read_to_end();
    });
    run([&]() -> Task<void> {
      MemoryBody body(Bytes("data", 4));
      Request post = ask_post(origin, body);
      const Result<std::string> text = co_await fetch_text(post);
      if (refusals <= 3)
        EXPECT_EQ(text, "at last");
      else
        EXPECT_EQ(text, fail(Errc::kUpstreamReset));
      EXPECT_EQ(post.trace.attempts, std::min(refusals + 1, 4u));
      client->close_idle();
    });
    EXPECT_EQ(origin.connections(), 1);
  }
}

TEST_F(Http2ClientTest, AResetIsNotSentAgain) {
  EXPECT_EQ(outcome([](FramePeer& peer, std::uint32_t stream) {
              peer.send(rst(stream, NGHTTP2_INTERNAL_ERROR));
              peer.read_to_end();
            }),
            fail(Errc::kUpstreamReset));
}

TEST_F(Http2ClientTest, EndsOfEveryKindAreToldApart) {
  struct Case {
    const char* name;
    std::function<void(FramePeer&, std::uint32_t)> play;
    Errc errc;
  };
  const auto head = [](FramePeer& p, std::uint32_t s, const HeaderList& more = {}) {
    HeaderList list{{":status", "200"}};
    list.insert(list.end(), more.begin(), more.end());
    p.send(headers(s, list, false));
  };
  const std::vector<Case> cases{
      {"close before the head", [](FramePeer&, std::uint32_t) {}, Errc::kUpstreamClosed},
      {"close in the body",
       [&](FramePeer& p, std::uint32_t s) {
         head(p, s);
         p.send(data(s, "abc", false));
       },
       Errc::kUpstreamTruncated},
      {"reset in the body",
       [&](FramePeer& p, std::uint32_t s) {
         head(p, s);
         p.send(data(s, "abc", false) + rst(s, NGHTTP2_INTERNAL_ERROR));
         p.read_to_end();
       },
       Errc::kUpstreamReset},
      {"less than Content-Length",
       [&](FramePeer& p, std::uint32_t s) {
         head(p, s, {{"content-length", "4"}});
         p.send(data(s, "abc"));
         p.read_to_end();
       },
       Errc::kUpstreamTruncated},
      {"more than Content-Length",
       [&](FramePeer& p, std::uint32_t s) {
         head(p, s, {{"content-length", "2"}});
         p.send(data(s, "abc"));
         p.read_to_end();
       },
       Errc::kUpstreamBadMessage},
      {"no status",
       [](FramePeer& p, std::uint32_t s) {
         p.send(headers(s, {{"server", "x"}}));
         p.read_to_end();
       },
       Errc::kUpstreamBadMessage},
      {"a body before the head",
       [](FramePeer& p, std::uint32_t s) {
         p.send(data(s, "abc", false));
         p.read_to_end();
       },
       Errc::kUpstreamBadMessage},
      {"a field of the connection",
       [&](FramePeer& p, std::uint32_t s) {
         head(p, s, {{"connection", "close"}});
         p.read_to_end();
       },
       Errc::kUpstreamBadMessage},
      {"a name in upper case",
       [&](FramePeer& p, std::uint32_t s) {
         head(p, s, {{"X-Big", "1"}});
         p.read_to_end();
       },
       Errc::kUpstreamBadMessage},
      {"a line break in a value",
       [&](FramePeer& p, std::uint32_t s) {
         head(p, s, {{"x", "a\r\nset-cookie: b"}});
         p.read_to_end();
       },
       Errc::kUpstreamBadMessage},
      {"101",
       [](FramePeer& p, std::uint32_t s) {
         p.send(headers(s, {{":status", "101"}}, false));
         p.read_to_end();
       },
       Errc::kUpstreamBadMessage},
      {"interim heads without end",
       [](FramePeer& p, std::uint32_t s) {
         for (int i = 0; i < 17; ++i) p.send(headers(s, {{":status", "103"}}, false));
         p.read_to_end();
       },
       Errc::kUpstreamBadMessage},
      {"a head without end",
       [](FramePeer& p, std::uint32_t s) {
         HeaderList list{{":status", "200"}};
         for (int i = 0; i < 6; ++i) list.emplace_back("x", std::string(14'000, 'y'));
         for (std::size_t i = 0; i < list.size(); ++i) {
           const auto type = i == 0 ? NGHTTP2_HEADERS : NGHTTP2_CONTINUATION;
           const std::uint8_t flags = i + 1 == list.size() ? NGHTTP2_FLAG_END_HEADERS : 0;
           p.send(frame(type, flags, s, hpack({list[i]})));
         }
         p.read_to_end();
       },
       Errc::kUpstreamHeadTooLarge},
      {"not HTTP/2",
       [](FramePeer& p, std::uint32_t) {
         p.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
         p.read_to_end();
       },
       Errc::kUpstreamBadMessage},
      {"a pushed answer",
       [](FramePeer& p, std::uint32_t s) {
         p.send(frame(NGHTTP2_PUSH_PROMISE, NGHTTP2_FLAG_END_HEADERS, s,
                      bytes_of(2) + hpack(get_head())));
         p.read_to_end();
       },
       Errc::kUpstreamBadMessage},
      {"a flood of SETTINGS",
       [](FramePeer& p, std::uint32_t) {
         std::string some;
         for (int i = 0; i < 2000; ++i) some += frame(NGHTTP2_SETTINGS, 0, 0);
         p.send(some);
         p.read_to_end();
       },
       Errc::kUpstreamBadMessage},
  };
  for (const Case& c : cases) EXPECT_EQ(outcome(c.play), fail(c.errc)) << c.name;
}

TEST_F(Http2ClientTest, InterimHeadsAreToldAndPassedOver) {
  struct Sink final : InterimSink {
    void interim(int status, const http::Fields& fields) override {
      told.emplace_back(status, std::string(fields.find("link")->value));
    }
    std::vector<std::pair<int, std::string>> told;
  } sink;
  EXPECT_EQ(outcome(
                [](FramePeer& peer, std::uint32_t stream) {
                  peer.send(headers(stream, {{":status", "103"}, {"link", "</a>"}}, false));
                  peer.answer(stream, "x");
                  peer.read_to_end();
                },
                [&](Request& request) { request.interim = &sink; }),
            "x");
  EXPECT_EQ(sink.told, (std::vector<std::pair<int, std::string>>{{103, "</a>"}}));
}

TEST_F(Http2ClientTest, NobodyToDialIsToldToAllWhoWait) {
  std::uint16_t port = 0;
  {
    RawOrigin origin([](Peer&, int) {});
    port = origin.port();
  }
  run([&]() -> Task<void> {
    std::vector<Request> requests(10);
    std::vector<Result<std::string>> texts(10);
    TaskGroup group;
    for (std::size_t i = 0; i < 10; ++i) {
      client::OriginSpec s = spec(port);
      s.http = client::HttpChoice::kHttp2;
      requests[i].origin = client->origin(s).value();
      requests[i].host = "x";
      group.spawn(fetch_into(this, &requests[i], &texts[i]));
    }
    co_await group.join();
    for (const auto& text : texts) EXPECT_EQ(text, fail(Errc::kConnectRefused));
  });
}

// At most the stream's window of what nobody reads; others go on meanwhile.
TEST_F(Http2ClientTest, ASlowReaderStopsItsOwnStreamOnly) {
  std::atomic<std::size_t> sent = 0;
  std::atomic<bool> stuck = false;
  RawOrigin origin([&](Peer& raw, int) {
    FramePeer peer(raw);
    const std::uint32_t slow = peer.request();
    peer.send(headers(slow, {{":status", "200"}}, false));
    std::uint32_t window = 0;
    const std::string piece(16'384, 's');
    // What the client has opened; the initial window is in its SETTINGS, 1 MiB.
    for (window = 1024 * 1024; window >= piece.size(); window -= 16'384, sent += piece.size())
      peer.send(data(slow, piece, false));
    stuck = true;
    const std::uint32_t quick = peer.request();
    peer.answer(quick, "quick");
    // Reading opens it again.
    const auto update = peer.next(NGHTTP2_WINDOW_UPDATE);
    while (update && update->stream != slow && peer.next(NGHTTP2_WINDOW_UPDATE)->stream != slow) {
    }
    peer.send(data(slow, "end"));
    peer.read_to_end();
  });
  run([&]() -> Task<void> {
    Request slow = ask(origin), quick = ask(origin, "/quick");
    auto response = co_await client->fetch(slow);
    while (!stuck) (void)co_await sleep_for(1ms);
    EXPECT_EQ(co_await fetch_text(quick), "quick");
    EXPECT_TRUE(quick.trace.reused);
    const Result<std::string> text = co_await read_all(*response);
    EXPECT_EQ(text->size(), sent + 3);
    co_await response->close();
    client->close_idle();
  });
  EXPECT_EQ(sent, 1024u * 1024);
}

TEST_F(Http2ClientTest, AClosedWindowStopsTheBodysSource) {
  CountedBody body(100, 16'384);
  std::atomic<std::size_t> given_while_closed = 0;
  RawOrigin origin([&](Peer& raw, int) {
    FramePeer peer(raw);  // 65,535 bytes, then nothing until we say so
    const std::uint32_t stream = peer.request();
    std::size_t got = 0;
    while (got < 65'535) got += peer.next(NGHTTP2_DATA)->payload.size();
    peer.send(frame(NGHTTP2_PING, 0, 0, "12345678"));
    peer.next(NGHTTP2_PING);
    given_while_closed = body.given;
    peer.send(frame(NGHTTP2_WINDOW_UPDATE, 0, 0, bytes_of(10'000'000)) +
              frame(NGHTTP2_WINDOW_UPDATE, 0, stream, bytes_of(10'000'000)));
    for (;;) {
      const auto f = peer.next(NGHTTP2_DATA);
      if (!f) return;
      got += f->payload.size();
      if (f->ends_stream()) break;
    }
    peer.answer(stream, std::to_string(got));
    peer.read_to_end();
  });
  run([&]() -> Task<void> {
    Request request = ask_post(origin, body);
    EXPECT_EQ(co_await fetch_text(request), std::to_string(100 * 16'384));
    client->close_idle();
  });
  EXPECT_LE(given_while_closed, 5u);
}

TEST_F(Http2ClientTest, AnEarlyAnswerEndsTheBody) {
  CountedBody body(SIZE_MAX, 1024);
  std::optional<Frame> end;
  std::atomic<bool> seen = false;
  RawOrigin origin([&](Peer& raw, int) {
    FramePeer peer(raw);
    const std::uint32_t stream = peer.request();
    peer.send(headers(stream, {{":status", "413"}}, false) + data(stream, "no"));
    end = peer.next(NGHTTP2_RST_STREAM);
    seen = true;
    peer.read_to_end();
  });
  run([&]() -> Task<void> {
    Request request = ask_post(origin, body);
    EXPECT_EQ(co_await fetch_text(request), "no");
    while (!seen) (void)co_await sleep_for(1ms);
    client->close_idle();
  });
  ASSERT_TRUE(end);
  EXPECT_EQ(end->number(), static_cast<std::uint32_t>(NGHTTP2_CANCEL));
}

TEST_F(Http2ClientTest, LeavingInTheMiddleResetsTheStreamAndKeepsTheConnection) {
  RawOrigin origin([](Peer& raw, int) {
    FramePeer peer(raw);
    const std::uint32_t stream = peer.request();
    peer.send(headers(stream, {{":status", "200"}}, false) + data(stream, "some", false));
    const auto reset = peer.next(NGHTTP2_RST_STREAM);
    EXPECT_TRUE(reset && reset->stream == stream);
    peer.answer(peer.request(), "next");
    peer.read_to_end();
  });
  run([&]() -> Task<void> {
    {
      Request request = ask(origin);
      auto response = co_await client->fetch(request);
      EXPECT_TRUE(co_await response->read());
      co_await response->close();
    }
    Request second = ask(origin);
    EXPECT_EQ(co_await fetch_text(second), "next");
    EXPECT_TRUE(second.trace.reused);
    client->close_idle();
  });
  EXPECT_EQ(origin.connections(), 1);
}

TEST_F(Http2ClientTest, ACancelledRequestIsReset) {
  std::atomic<bool> asked = false, seen = false;
  std::optional<Frame> end;
  RawOrigin origin([&](Peer& raw, int) {
    FramePeer peer(raw);
    peer.request();
    asked = true;
    end = peer.next(NGHTTP2_RST_STREAM);
    seen = true;
    peer.read_to_end();
  });
  run([&]() -> Task<void> {
    Request request = ask(origin);
    Result<std::string> text;
    TaskGroup group;
    group.spawn(fetch_into(this, &request, &text));
    while (!asked) (void)co_await sleep_for(1ms);
    group.cancel();
    co_await group.join();
    EXPECT_EQ(text, fail(Errc::kCancelled));
    while (!seen) (void)co_await sleep_for(1ms);
    client->close_idle();
  });
  EXPECT_TRUE(end);
}

TEST_F(Http2ClientTest, TheFirstByteHasADeadline) {
  EXPECT_EQ(outcome([](FramePeer& peer, std::uint32_t) { peer.read_to_end(); },
                    [](Request& request) { request.timeouts.first_byte = 50ms; }),
            fail(Errc::kFirstByteTimeout));
}

TEST_F(Http2ClientTest, ABodyThatStopsHasADeadline) {
  EXPECT_EQ(outcome(
                [](FramePeer& peer, std::uint32_t stream) {
                  peer.send(headers(stream, {{":status", "200"}}, false));
                  peer.read_to_end();
                },
                [](Request& request) { request.timeouts.idle = 50ms; }),
            fail(Errc::kUpstreamIdleTimeout));
}

TEST_F(Http2ClientTest, ASilentPeerIsAskedAndGivenUp) {
  client::Client::Options options;
  options.multiplexed.ping_after = 0ms;
  options.multiplexed.ping_patience = 0ms;
  make_client(options);
  std::atomic<int> pings = 0;
  RawOrigin origin([&](Peer& raw, int) {
    FramePeer peer(raw);
    peer.answers_pings = false;
    peer.request();
    peer.read_to_end();
    pings = peer.pings;
  });
  run([&]() -> Task<void> {
    Request request = ask(origin);
    EXPECT_EQ(co_await fetch_text(request), fail(Errc::kUpstreamReset));
  });
  while (pings == 0) std::this_thread::yield();
  EXPECT_EQ(pings, 1);
}

// What TLS holds makes no event: an answer of many small records that come at once must not wait for
// the next byte.
TEST_F(Http2ClientTest, ManyTlsRecordsAtOnceAreReadAtOnce) {
  constexpr int kPieces = 20;
  TestCa ca;
  const Identity id = ca.issue({});
  RawOrigin origin([&](Peer& raw, int) {
    BlockingTls tls(raw.fd(), id);
    tls.take_http2();
    if (!tls.accept()) return;
    FramePeer peer(tls);
    const std::uint32_t stream = peer.request();
    const int on = 1, off = 0;
    ::setsockopt(raw.fd(), IPPROTO_TCP, TCP_CORK, &on, sizeof on);
    peer.send(headers(stream, {{":status", "200"}}, false));
    for (int i = 0; i < kPieces; ++i) peer.send(data(stream, "x", i + 1 == kPieces));
    ::setsockopt(raw.fd(), IPPROTO_TCP, TCP_CORK, &off, sizeof off);
    peer.read_to_end();
  });
  run([&]() -> Task<void> {
    Request request;
    request.origin = client
                         ->origin({.tls = true,
                                   .http = client::HttpChoice::kNegotiate,
                                   .host = "127.0.0.1",
                                   .port = origin.port(),
                                   .tls_name = "origin.test",
                                   .tls_options = {.ca_file = ca.root().certificate_file}})
                         .value();
    request.host = "origin.test";
    EXPECT_EQ(co_await fetch_text(request), std::string(kPieces, 'x'));
    EXPECT_EQ(request.trace.version, http::Version::kHttp2);
    client->close_idle();
  });
}

// A second RST_STREAM would be for a stream that the peer has never heard of.
TEST_F(Http2ClientTest, ARequestThatEndsBeforeItWasSentDisturbsNobody) {
  struct BrokenBody final : BodySource {
    [[nodiscard]] http::BodyLength length() const noexcept override {
      return http::BodyLength::unknown();
    }
    [[nodiscard]] Task<Result<Bytes>> read() override { co_return fail(Errc::kBadChunk); }
  } broken;
  std::atomic<int> resets = 0;
  RawOrigin origin([&](Peer& raw, int) {
    FramePeer peer(raw);
    peer.answer(peer.request(), "first");
    while (const auto f = peer.next()) {
      if (f->type == NGHTTP2_RST_STREAM) ++resets;
      if (f->type == NGHTTP2_HEADERS) peer.answer(f->stream, "third");
    }
  });
  run([&]() -> Task<void> {
    Request first = ask(origin), second = ask_post(origin, broken), third = ask(origin);
    EXPECT_EQ(co_await fetch_text(first), "first");
    EXPECT_EQ(co_await fetch_text(second), fail(Errc::kBadChunk));
    EXPECT_EQ(co_await fetch_text(third), "third");
    EXPECT_TRUE(third.trace.reused);
    client->close_idle();
  });
  EXPECT_EQ(resets, 0);
  EXPECT_EQ(origin.connections(), 1);
}

// RFC 9113 section 8.1: the whole answer, then a reset, because the rest of the body is not wanted.
TEST_F(Http2ClientTest, AWholeAnswerStaysWholeThoughTheBodyIsStillComing) {
  CountedBody body(SIZE_MAX, 16'384);
  const std::string text(40'000, 'n');
  RawOrigin origin([&](Peer& raw, int) {
    FramePeer peer(raw);
    const std::uint32_t stream = peer.request();
    std::size_t got = 0;
    while (got < 65'535) got += peer.next(NGHTTP2_DATA)->payload.size();
    std::string all = headers(stream, {{":status", "413"}}, false);
    for (std::size_t at = 0; at < text.size(); at += 10'000)
      all += data(stream, text.substr(at, 10'000), at + 10'000 == text.size());
    peer.send(all + rst(stream, NGHTTP2_NO_ERROR));
    peer.read_to_end();
  });
  run([&]() -> Task<void> {
    Request request = ask_post(origin, body);
    auto response = co_await client->fetch(request);
    EXPECT_EQ(response->status(), 413);
    (void)co_await sleep_for(5ms);  // whatever else came is seen
    EXPECT_EQ(co_await read_all(*response), text);
    co_await response->close();
    client->close_idle();
  });
}

TEST_F(Http2ClientTest, ConnectionsThatEndDoNotCount) {
  client::Client::Options options;
  options.pool.shared_per_origin_max = 1;
  make_client(options);
  RawOrigin origin([](Peer& raw, int index) {
    FramePeer peer(raw);
    const std::uint32_t stream = peer.request();
    if (index == 0) {  // says goodbye, and goes on with its answer
      peer.send(headers(stream, {{":status", "200"}}, false) + goaway(stream));
      peer.next(NGHTTP2_RST_STREAM);
    } else {
      peer.answer(stream, "second");
    }
    peer.read_to_end();
  });
  run([&]() -> Task<void> {
    Request first = ask(origin), second = ask(origin);
    auto response = co_await client->fetch(first);
    EXPECT_TRUE(response);
    EXPECT_EQ(co_await fetch_text(second), "second");
    co_await response->close();
    client->close_idle();
  });
  EXPECT_EQ(origin.connections(), 2);
}

TEST_F(Http2ClientTest, ANewDialThatFailsIsNoAnswerWhileThereAreConnections) {
  std::optional<RawOrigin> origin;
  std::atomic<bool> asked = false, go_on = false;
  origin.emplace([&](Peer& raw, int) {
    FramePeer peer(raw, setting(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1));
    peer.answer(peer.request(), "warm");
    const std::uint32_t stream = peer.request();
    asked = true;
    while (!go_on) std::this_thread::yield();
    peer.answer(stream, "one");
    peer.answer(peer.request(), "two");
    peer.read_to_end();
  });
  run([&]() -> Task<void> {
    Request warm = ask(*origin), one = ask(*origin), two = ask(*origin);
    EXPECT_EQ(co_await fetch_text(warm), "warm");
    Result<std::string> first, second;
    TaskGroup group;
    group.spawn(fetch_into(this, &one, &first));
    while (!asked) (void)co_await sleep_for(1ms);
    origin->stop_listening();
    group.spawn(fetch_into(this, &two, &second));  // whose dial is refused
    while (two.trace.target.empty()) (void)co_await sleep_for(1ms);
    go_on = true;
    co_await group.join();
    EXPECT_EQ(first, "one");
    EXPECT_EQ(second, "two");
    client->close_idle();
  });
}

TEST_F(Http2ClientTest, AClientMayEndWithIdleConnections) {
  RawOrigin origin([](Peer& raw, int) {
    FramePeer peer(raw);
    peer.answer(peer.request(), "x");
    peer.read_to_end();
  });
  run([&]() -> Task<void> {
    Request request = ask(origin);
    EXPECT_EQ(co_await fetch_text(request), "x");
  });
  client.reset();
}

TEST_F(Http2ClientTest, WaitingHasADeadlineAndALimit) {
  client::Client::Options options;
  options.pool.shared_per_origin_max = 1;
  options.waiting_per_origin_max = 1;
  make_client(options);
  std::atomic<bool> asked = false;
  RawOrigin origin([&](Peer& raw, int) {
    FramePeer peer(raw, setting(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1));
    peer.answer(peer.request(), "warm");
    peer.request();
    asked = true;
    peer.read_to_end();
  });
  run([&]() -> Task<void> {
    Request warm = ask(origin);
    EXPECT_EQ(co_await fetch_text(warm), "warm");
    Request busy = ask(origin), waits = ask(origin), one_too_many = ask(origin);
    waits.timeouts.queue = 50ms;
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
    EXPECT_EQ(first, fail(Errc::kCancelled));
    client->close_idle();
  });
}

}  // namespace
}  // namespace millrace::test
