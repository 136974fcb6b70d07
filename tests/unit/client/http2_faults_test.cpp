// Ends, refusals and deadlines of HTTP/2 towards upstreams.
#include "http2_fixture.hpp"

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

namespace millrace::test {
namespace {

using client::Request;
using Peer = RawOrigin::Peer;

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
