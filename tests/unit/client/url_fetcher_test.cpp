#include "client/url_fetcher.hpp"

#include "client_fixture.hpp"
#include "support/test_ca.hpp"

namespace millrace::test {
namespace {

using client::Request;
using client::Response;
using client::UrlFetcher;
using Peer = RawOrigin::Peer;

std::string redirect(int status, const std::string& to) {
  return "HTTP/1.1 " + std::to_string(status) + " Moved\r\nLocation: " + to +
         "\r\nContent-Length: 0\r\n\r\n";
}

class UrlFetcherTest : public ClientTest {
 protected:
  struct Outcome {
    Result<std::string> body = fail(Errc::kInternal);
    int status = 0;
    std::string url;
  };

  /// `origin_url("/path")` on `origin`.
  static std::string url_of(const RawOrigin& origin, const std::string& path) {
    return "http://127.0.0.1:" + std::to_string(origin.port()) + path;
  }
  Outcome fetch(const std::string& text, const std::function<void(Request&)>& prepare = {}) {
    Outcome outcome;
    UrlFetcher fetcher(*client, options_);
    run([&]() -> Task<void> {
      http::Url url = http::parse_url(text).value();
      Request request;
      if (prepare) prepare(request);
      Result<Response> response = co_await fetcher.fetch(url, request);
      outcome.url = url.text();
      if (!response) {
        outcome.body = fail(response.error());
      } else {
        outcome.status = response->status();
        outcome.body = co_await read_all(*response);
        co_await response->close();
      }
      client->close_idle();
    });
    return outcome;
  }

  UrlFetcher::Options options_{.guarded = false};
};

TEST_F(UrlFetcherTest, FollowsRedirectsUpToALimit) {
  RawOrigin origin([](Peer& peer, int) {
    for (;;) {
      const std::string head = peer.read_head();
      if (head.empty()) return;
      const int left = head[5] - '0';
      if (left == 0) peer.send(ok("there"));
      if (left != 0) peer.send(redirect(302, "/" + std::to_string(left - 1)));
    }
  });
  options_.redirects_max = 3;
  const Outcome three = fetch(url_of(origin, "/3"));
  EXPECT_EQ(three.body, "there");
  EXPECT_EQ(three.url, url_of(origin, "/0"));
  EXPECT_EQ(fetch(url_of(origin, "/4")).body, fail(Errc::kTooManyRedirects));
  options_.redirects_max = 0;
  EXPECT_EQ(fetch(url_of(origin, "/3")).status, 302);
}

TEST_F(UrlFetcherTest, MethodsAfterARedirect) {
  struct Case {
    int status;
    const char* method;
    const char* expected;
  };
  for (const Case& c : {Case{301, "POST", "GET"},
                        {302, "POST", "GET"},
                        {303, "POST", "GET"},
                        {307, "POST", "POST"},
                        {308, "POST", "POST"},
                        {303, "HEAD", "HEAD"},
                        {303, "PUT", "GET"},
                        {302, "PUT", "PUT"}}) {
    std::string second;
    RawOrigin origin([&](Peer& peer, int) {
      for (int i = 0; i < 2; ++i) {
        const std::string head = peer.read_head();
        if (head.empty()) return;
        if (head.find("Content-Length: 4") != std::string::npos) peer.read_bytes(4);
        if (head.find("/second") != std::string::npos) second = head;
        peer.send(head.find("/second") != std::string::npos ? "HTTP/1.1 204 No Content\r\n\r\n"
                                                            : redirect(c.status, "/second"));
      }
    });
    MemoryBody body(Bytes("data", 4));
    fetch(url_of(origin, "/first"), [&](Request& request) {
      request.method = http::parse_method(c.method);
      request.method_text = c.method;
      request.fields.add("Content-Type", "text/plain");
      if (std::string_view(c.method) != "HEAD") request.body = &body;
    });
    const std::string expected = c.expected;
    EXPECT_TRUE(second.starts_with(expected + " /second ")) << c.status << c.method << second;
    const bool keeps_body = expected == "POST" || expected == "PUT";
    EXPECT_EQ(second.find("Content-Length: 4") != std::string::npos, keeps_body) << second;
    EXPECT_EQ(second.find("Content-Type") != std::string::npos, keeps_body || expected == "HEAD")
        << second;
  }
}

/// A body that can be read once.
class OnceBody final : public BodySource {
 public:
  http::BodyLength length() const noexcept override { return http::BodyLength::known(4); }
  Task<Result<Bytes>> read() override { co_return Bytes("data", 4); }
};

TEST_F(UrlFetcherTest, ARedirectThatNeedsTheBodyAgainIsTheAnswer) {
  RawOrigin origin([](Peer& peer, int) {
    peer.read_head();
    peer.read_bytes(4);
    peer.send(redirect(307, "/second"));
  });
  OnceBody body;
  const Outcome outcome = fetch(url_of(origin, "/"), [&](Request& request) {
    request.method = http::Method::kPost;
    request.method_text = "POST";
    request.body = &body;
  });
  EXPECT_EQ(outcome.status, 307);
}

TEST_F(UrlFetcherTest, CredentialsStayWithTheirOrigin) {
  std::string same;
  std::string other;
  RawOrigin elsewhere([&](Peer& peer, int) {
    other = peer.read_head();
    peer.send(ok("x"));
  });
  RawOrigin origin([&](Peer& peer, int) {
    while (true) {
      const std::string head = peer.read_head();
      if (head.empty()) return;
      if (head.starts_with("GET /b")) same = head;
      peer.send(head.starts_with("GET /b") ? redirect(302, url_of(elsewhere, "/c"))
                                           : redirect(302, "/b"));
    }
  });
  fetch(url_of(origin, "/a"), [](Request& request) {
    request.fields.add("Authorization", "Bearer x");
    request.fields.add("Cookie", "a=b");
    request.fields.add("X-Other", "y");
  });
  EXPECT_NE(same.find("Authorization: Bearer x"), std::string::npos);
  EXPECT_NE(same.find("Cookie: a=b"), std::string::npos);
  EXPECT_EQ(other.find("Authorization"), std::string::npos);
  EXPECT_EQ(other.find("Cookie"), std::string::npos);
  EXPECT_NE(other.find("X-Other: y"), std::string::npos);
}

TEST_F(UrlFetcherTest, EveryHopIsJudgedAnew) {
  RawOrigin origin([&](Peer& peer, int) {
    peer.read_head();
    peer.send(redirect(302, "http://localhost:1/"));
  });
  options_.allow_host = [](std::string_view host) { return host == "127.0.0.1"; };
  EXPECT_EQ(fetch(url_of(origin, "/")).body, fail(Errc::kUrlRefused));
  options_.allow_host = [](std::string_view) { return false; };
  EXPECT_EQ(fetch(url_of(origin, "/")).body, fail(Errc::kUrlRefused));
  EXPECT_EQ(origin.connections(), 1);
}

TEST_F(UrlFetcherTest, OtherSchemesAndDisguisedHostsAreRefused) {
  for (const char* to :
       {"file:///etc/passwd", "gopher://127.0.0.1/", "http://0x7f.1/", "http://user@127.0.0.1/"}) {
    RawOrigin origin([&](Peer& peer, int) {
      peer.read_head();
      peer.send(redirect(302, to));
    });
    EXPECT_EQ(fetch(url_of(origin, "/")).body, fail(Errc::kUrlRefused)) << to;
  }
}

TEST_F(UrlFetcherTest, NeverFromHttpsToHttp) {
  TestCa ca;
  const Identity id = ca.issue({.name = "IP:127.0.0.1"});
  RawOrigin plain([](Peer& peer, int) { peer.read_head(); });
  RawOrigin secure([&](Peer& peer, int) {
    BlockingTls tls(peer.fd(), id);
    if (!tls.accept()) return;
    tls.read_head();
    tls.send(redirect(302, url_of(plain, "/")));
    peer.read_to_end();
  });
  options_.tls.ca_file = ca.root().certificate_file;
  const Outcome outcome = fetch("https://127.0.0.1:" + std::to_string(secure.port()) + "/");
  EXPECT_EQ(outcome.body, fail(Errc::kUrlRefused));
  EXPECT_EQ(plain.connections(), 0);
}

TEST_F(UrlFetcherTest, TheGuardKeepsPrivateAddressesOut) {
  RawOrigin origin([](Peer& peer, int) { peer.read_head(); });
  options_.guarded = true;
  EXPECT_EQ(fetch(url_of(origin, "/")).body, fail(Errc::kUrlRefused));
  EXPECT_EQ(fetch("http://localhost:" + std::to_string(origin.port()) + "/").body,
            fail(Errc::kUrlRefused));
  EXPECT_EQ(origin.connections(), 0);
}

TEST_F(UrlFetcherTest, EveryHopIsRetriedByItself) {
  std::string seen;
  RawOrigin origin([&](Peer& peer, int) {
    int a = 0;
    int b = 0;
    for (std::string head = peer.read_head(); !head.empty(); head = peer.read_head()) {
      const bool first = head.starts_with("GET /a");
      seen += first ? 'a' : 'b';
      if ((first ? a++ : b++) == 0)
        peer.send("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
      else
        peer.send(first ? redirect(302, "/b") : ok("there"));
    }
  });
  options_.retry = client::RetryPolicy{.backoff = {.base = 0ms}};
  EXPECT_EQ(fetch(url_of(origin, "/a")).body, "there");
  EXPECT_EQ(seen, "aabb");
}

TEST_F(UrlFetcherTest, AGuardedFetchNeverUsesAnUnguardedConnection) {
  RawOrigin origin([](Peer& peer, int) {
    while (!peer.read_head().empty()) peer.send(ok("x"));
  });
  UrlFetcher trusted(*client, {.guarded = false});
  UrlFetcher guarded(*client, {.guarded = true});
  run([&]() -> Task<void> {
    http::Url url = http::parse_url(url_of(origin, "/")).value();
    Request first;
    auto response = co_await trusted.fetch(url, first);
    EXPECT_EQ(co_await read_all(*response), "x");
    co_await response->close();
    EXPECT_EQ(client->stats().pool.idle, 1u);
    Request second;
    const auto refused = co_await guarded.fetch(url, second);
    EXPECT_EQ(refused.error(), Error(Errc::kUrlRefused));
    client->close_idle();
  });
}

}  // namespace
}  // namespace millrace::test
