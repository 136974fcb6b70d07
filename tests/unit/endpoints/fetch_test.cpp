// `/v1/fetch?url=` and the inputs that are fetched.
#include "endpoints/fetch.hpp"

#include "support/memory_exchange.hpp"
#include "support/on_io.hpp"
#include "support/raw_origin.hpp"

#include <gtest/gtest.h>

namespace millrace::test {
namespace {

using endpoints::FetchedInput;
using endpoints::FetchEndpoint;
using http::Method;
using Peer = RawOrigin::Peer;

class FetchTest : public ::testing::Test {
 protected:
  static std::string url_of(const RawOrigin& origin, const std::string& path = "/") {
    return "http://127.0.0.1:" + std::to_string(origin.port()) + path;
  }
  /// A request to the endpoint.
  static MemoryRequest ask(const std::string& url, Method method = Method::kGet) {
    return {.method = method, .target = "/v1/fetch?url=" + url, .route_path = "/", .no_body = true};
  }
  Result<void> answer(MemoryExchange& exchange) {
    Result<void> outcome = fail(Errc::kInternal);
    client::UrlFetcher fetcher(client_, options_);
    FetchEndpoint endpoint(fetcher);
    on_io(io_, [&]() -> Task<void> {
      outcome = co_await exchange.answer(endpoint);
      client_.close_idle();
    });
    return outcome;
  }
  /// All that an input gives.
  Result<std::string> read_input(MemoryExchange& exchange, const std::string& url,
                                 std::uint64_t bytes_max) {
    Result<std::string> text = std::string();
    client::UrlFetcher fetcher(client_, options_);
    on_io(io_, [&]() -> Task<void> {
      FetchedInput input(fetcher);
      const Result<void> opened = co_await input.open(exchange, url, bytes_max);
      if (!opened) text = fail(opened.error());
      while (text) {
        const Result<Bytes> piece = co_await input.read();
        if (!piece) text = fail(piece.error());
        if (!piece || piece->empty()) break;
        text->append(piece->data(), piece->size());
      }
      co_await input.close();
      client_.close_idle();
    });
    return text;
  }

  IoThread io_{0};
  net::Resolver resolver_;
  client::Client client_{resolver_, {}};
  client::UrlFetcher::Options options_{.guarded = false};
};

TEST_F(FetchTest, StreamsTheAnswerThrough) {
  RawOrigin origin([](Peer& peer, int) {
    peer.read_head();
    peer.send(
        "HTTP/1.1 203 Fine\r\nTransfer-Encoding: chunked\r\nContent-Type: text/css\r\n\r\n"
        "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  });
  MemoryExchange exchange(ask(url_of(origin)));
  ASSERT_TRUE(answer(exchange));
  EXPECT_EQ(exchange.status(), 203);
  EXPECT_EQ(exchange.body(), "abcde");
  EXPECT_EQ(exchange.field("Content-Type"), "text/css");
  EXPECT_EQ(exchange.field("Content-Security-Policy"), "sandbox");
  EXPECT_EQ(exchange.field("X-Content-Type-Options"), "nosniff");
  EXPECT_TRUE(exchange.field("Server-Timing").starts_with("connect;dur="));
  EXPECT_NE(exchange.field("Server-Timing").find(", wait;dur="), std::string::npos);
}

TEST_F(FetchTest, WhatWouldActOnOurOriginStaysOut) {
  RawOrigin origin([](Peer& peer, int) {
    peer.read_head();
    peer.send(
        ok("x",
           "Set-Cookie: a=b\r\nStrict-Transport-Security: max-age=1\r\nClear-Site-Data: \"*\"\r\n"
           "Content-Security-Policy: default-src *\r\nETag: \"1\"\r\n"));
  });
  MemoryExchange exchange(ask(url_of(origin)));
  ASSERT_TRUE(answer(exchange));
  EXPECT_EQ(exchange.field("Set-Cookie"), "");
  EXPECT_EQ(exchange.field("Strict-Transport-Security"), "");
  EXPECT_EQ(exchange.field("Clear-Site-Data"), "");
  EXPECT_EQ(exchange.field("Content-Security-Policy"), "sandbox");
  EXPECT_EQ(exchange.field("ETag"), "\"1\"");
}

TEST_F(FetchTest, OnlyChosenFieldsGoOut) {
  std::string seen;
  RawOrigin origin([&](Peer& peer, int) {
    seen = peer.read_head();
    peer.send(ok("x"));
  });
  MemoryRequest request = ask(url_of(origin, "/a?b"));
  request.target = "/v1/fetch?url=" + url_of(origin, "/a%3Fb");
  request.fields = {{"Host", "localhost"},
                    {"Accept", "text/*"},
                    {"Accept-Language", "de"},
                    {"Range", "bytes=0-1"},
                    {"If-None-Match", "\"1\""},
                    {"Content-Type", "text/x"},
                    {"Cookie", "secret"},
                    {"Authorization", "secret"},
                    {"X-Other", "secret"},
                    {"Fetch-Header-X-Key", "1"},
                    {"Fetch-Header-User-Agent", "me"}};
  MemoryExchange exchange(std::move(request));
  ASSERT_TRUE(answer(exchange));
  EXPECT_EQ(seen, "GET /a?b HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(origin.port()) +
                      "\r\nAccept: text/*\r\nAccept-Language: de\r\nRange: bytes=0-1\r\n"
                      "If-None-Match: \"1\"\r\nContent-Type: text/x\r\nX-Key: 1\r\n"
                      "User-Agent: me\r\n\r\n");
}

TEST_F(FetchTest, FramingAndIdentityCannotBeChosen) {
  for (const char* name : {"Host", "Content-Length", "Transfer-Encoding", "Connection", "Upgrade",
                           "X-Forwarded-For", "Forwarded", "Proxy-Authorization", "TE"}) {
    MemoryRequest request = ask("http://127.0.0.1:1/");
    request.fields = {{"Fetch-Header-" + std::string(name), "x"}};
    MemoryExchange exchange(std::move(request));
    EXPECT_EQ(answer(exchange), fail(Errc::kBadParameter)) << name;
  }
}

TEST_F(FetchTest, MethodAndBodyArePassedOn) {
  std::string seen;
  RawOrigin origin([&](Peer& peer, int) {
    seen = peer.read_head();
    if (seen.starts_with("POST")) seen += peer.read_bytes(5);
    peer.send(seen.starts_with("HEAD") ? "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n" : ok("x"));
  });
  MemoryRequest post = ask(url_of(origin), Method::kPost);
  post.no_body = false;
  post.body = {"he", "llo"};
  MemoryExchange posted(std::move(post));
  ASSERT_TRUE(answer(posted));
  EXPECT_TRUE(seen.starts_with("POST / HTTP/1.1\r\n"));
  EXPECT_TRUE(seen.ends_with("\r\n\r\nhello"));

  MemoryExchange head(ask(url_of(origin), Method::kHead));
  ASSERT_TRUE(answer(head));
  EXPECT_TRUE(seen.starts_with("HEAD "));
  EXPECT_EQ(head.sent_length().bytes, 7u);
  EXPECT_EQ(head.body(), "");
}

TEST_F(FetchTest, OtherMethodsAndPaths) {
  MemoryExchange put(ask("http://127.0.0.1:1/", Method::kPut));
  EXPECT_TRUE(answer(put));
  EXPECT_EQ(put.status(), 405);
  EXPECT_EQ(put.field("Allow"), "GET, HEAD, POST, OPTIONS");
  MemoryExchange options(ask("http://127.0.0.1:1/", Method::kOptions));
  EXPECT_TRUE(answer(options));
  EXPECT_EQ(options.status(), 204);
  MemoryRequest below = ask("http://127.0.0.1:1/");
  below.route_path = "/below";
  MemoryExchange wrong(std::move(below));
  EXPECT_EQ(answer(wrong), fail(Errc::kNotFound));
}

TEST_F(FetchTest, BadUrls) {
  const auto outcome = [&](const std::string& target) {
    MemoryExchange exchange({.target = target, .route_path = "/", .no_body = true});
    return answer(exchange);
  };
  EXPECT_EQ(outcome("/v1/fetch"), fail(Errc::kBadParameter));
  EXPECT_EQ(outcome("/v1/fetch?url="), fail(Errc::kBadParameter));
  EXPECT_EQ(outcome("/v1/fetch?url=/relative"), fail(Errc::kBadParameter));
  EXPECT_EQ(outcome("/v1/fetch?url=file:///etc/passwd"), fail(Errc::kUrlRefused));
}

TEST_F(FetchTest, TheGuardIsOn) {
  RawOrigin origin([](Peer& peer, int) { peer.read_head(); });
  options_.guarded = true;
  MemoryExchange exchange(ask(url_of(origin)));
  EXPECT_EQ(answer(exchange), fail(Errc::kUrlRefused));
  EXPECT_FALSE(exchange.started());
  EXPECT_EQ(exchange.detail, "");
  EXPECT_EQ(origin.connections(), 0);
}

TEST_F(FetchTest, HostsThatAreNotAllowedAreRefused) {
  options_.allow_host = [](std::string_view host) { return host == "example.com"; };
  MemoryExchange exchange(ask("http://127.0.0.1:1/"));
  EXPECT_EQ(answer(exchange), fail(Errc::kUrlRefused));
}

TEST_F(FetchTest, ATruncatedAnswerIsAborted) {
  RawOrigin origin([](Peer& peer, int) {
    peer.read_head();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort");
  });
  MemoryExchange exchange(ask(url_of(origin)));
  EXPECT_EQ(answer(exchange), fail(Errc::kUpstreamTruncated));
  EXPECT_FALSE(exchange.finished());
}

TEST_F(FetchTest, InputsAreReadUpToTheirLimit) {
  for (const bool chunked : {false, true}) {
    RawOrigin origin([&](Peer& peer, int) {
      peer.read_head();
      peer.send(chunked
                    ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
                    : ok("hello"));
    });
    MemoryExchange exchange(ask("unused"));
    EXPECT_EQ(read_input(exchange, url_of(origin), 5), "hello");
    EXPECT_EQ(read_input(exchange, url_of(origin), 4), fail(Errc::kUpstreamTooLarge));
  }
}

TEST_F(FetchTest, InputsNeedStatus200) {
  RawOrigin origin([&](Peer& peer, int) {
    peer.read_head();
    peer.send("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope");
  });
  MemoryExchange exchange(ask("unused"));
  EXPECT_EQ(read_input(exchange, url_of(origin), 100), fail(Errc::kUpstreamBadMessage));
  EXPECT_EQ(exchange.detail, "The URL answered with status 404.");
}

TEST_F(FetchTest, InputsKeepTheTotalLimit) {
  RawOrigin origin([&](Peer& peer, int) {
    peer.read_head();
    peer.send("HTTP/1.1 200 OK\r\n\r\nforever");
    peer.read_to_end();
  });
  options_.total = std::chrono::milliseconds(50);
  MemoryExchange exchange(ask("unused"));
  EXPECT_EQ(read_input(exchange, url_of(origin), 100), fail(Errc::kTotalTimeout));
}

}  // namespace
}  // namespace millrace::test
