#include "http2_fixture.hpp"
#include "support/test_ca.hpp"

#include <atomic>
#include <thread>

#include <netinet/tcp.h>

namespace millrace::test {
namespace {

using client::Request;
using Peer = RawOrigin::Peer;

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
    for (std::size_t i = 0; i < kRequests; ++i) EXPECT_EQ(texts[i], std::to_string(2 * i + 1));
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
    EXPECT_GT(requests[5].trace.timings.of(Phase::kQueue), 0ms);
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

// What TLS holds makes no event: an answer of many small records that come at once must not wait
// for the next byte.
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

}  // namespace
}  // namespace millrace::test
