#include "client/connect_tunnel.hpp"

#include "net/dialer.hpp"
#include "net/tls_context.hpp"
#include "support/on_io.hpp"
#include "support/raw_origin.hpp"
#include "support/test_ca.hpp"

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace millrace::test {
namespace {

using namespace std::chrono_literals;
using client::connect_tunnel;
using client::TunnelOptions;
using client::TunnelTrace;
using Peer = RawOrigin::Peer;

class ConnectTunnelTest : public ::testing::Test {
 protected:
  static Task<net::Stream> dial(const RawOrigin& proxy) {
    const net::SocketAddress address(net::IpAddress::loopback(net::Family::kV4), proxy.port());
    net::DialReport report;
    co_return std::move(*co_await net::dial({&address, 1}, {}, report));
  }
  Result<void> outcome_of(const RawOrigin& proxy) {
    Result<void> outcome;
    on_io(io_, [&]() -> Task<void> {
      net::Stream stream = co_await dial(proxy);
      trace_ = {};
      outcome = co_await connect_tunnel(stream, options_, trace_);
    });
    return outcome;
  }
  /// What becomes of the tunnel when the proxy answers this.
  Result<void> answered(const std::string& text) {
    RawOrigin proxy([&](Peer& peer, int) {
      peer.read_head();
      peer.send(text);
      peer.read_to_end();
    });
    return outcome_of(proxy);
  }

  IoThread io_{0};
  TunnelOptions options_{.authority = "origin.test:443"};
  TunnelTrace trace_;
};

TEST_F(ConnectTunnelTest, AsksForTheOriginAndNothingElse) {
  std::string seen;
  options_.authorization = "Basic dTpw";
  {
    RawOrigin proxy([&](Peer& peer, int) {
      seen = peer.read_head();
      peer.send("HTTP/1.1 200 Connection established\r\n\r\n");
      seen += peer.read_to_end();
    });
    EXPECT_TRUE(outcome_of(proxy));
  }
  EXPECT_EQ(trace_.status, 200);
  EXPECT_EQ(seen,
            "CONNECT origin.test:443 HTTP/1.1\r\nHost: origin.test:443\r\n"
            "Proxy-Authorization: Basic dTpw\r\n\r\n");
}

TEST_F(ConnectTunnelTest, WithoutCredentialsThereAreNone) {
  std::string seen;
  RawOrigin proxy([&](Peer& peer, int) {
    seen = peer.read_head();
    peer.send("HTTP/1.0 200 OK\r\n\r\n");
    peer.read_to_end();
  });
  EXPECT_TRUE(outcome_of(proxy));
  EXPECT_EQ(seen, "CONNECT origin.test:443 HTTP/1.1\r\nHost: origin.test:443\r\n\r\n");
}

TEST_F(ConnectTunnelTest, AnswersThatOpenIt) {
  for (const char* text :
       {"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 299 Odd\r\n\r\n", "HTTP/1.0 200 \r\n\r\n",
        // The length of a 2xx to CONNECT says nothing (RFC 9110 section 9.3.6).
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"})
    EXPECT_TRUE(answered(text)) << text;
}

TEST_F(ConnectTunnelTest, RefusalsByTheirStatus) {
  const std::pair<int, Errc> cases[] = {
      {407, Errc::kProxyAuthRequired}, {502, Errc::kConnectFailed}, {503, Errc::kConnectFailed},
      {504, Errc::kConnectTimeout},    {403, Errc::kProxyRefused},  {400, Errc::kProxyRefused},
      {301, Errc::kProxyRefused},      {500, Errc::kProxyRefused}};
  for (const auto& [status, errc] : cases) {
    EXPECT_EQ(answered("HTTP/1.1 " + std::to_string(status) +
                       " No\r\nContent-Length: 3\r\nProxy-Authenticate: Basic\r\n\r\nno!"),
              fail(errc))
        << status;
    EXPECT_EQ(trace_.status, status);
  }
}

TEST_F(ConnectTunnelTest, WhatIsNoAnswerIsAnError) {
  for (const char* text :
       {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "HTTP/1.1 200 OK\nA: b\n\n", "SSH-2.0-x\r\n\r\n",
        "HTTP/1.1 020 OK\r\n\r\n", "HTTP/1.1 200OK\r\n\r\n", "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"})
    EXPECT_EQ(answered(text), fail(Errc::kUpstreamBadMessage)) << text;
  EXPECT_EQ(trace_.status, 0);
}

TEST_F(ConnectTunnelTest, BytesBehindTheAnswerAreRefused) {
  EXPECT_EQ(answered("HTTP/1.1 200 OK\r\n\r\n\x16\x03\x03"), fail(Errc::kUpstreamBadMessage));
  EXPECT_EQ(answered("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"),
            fail(Errc::kUpstreamBadMessage));
}

TEST_F(ConnectTunnelTest, Limits) {
  options_.head.head_bytes_max = 1000;
  const auto head_of = [](std::size_t bytes) {
    const std::string begin = "HTTP/1.1 200 OK\r\nA: ";
    return begin + std::string(bytes - begin.size() - 4, 'x') + "\r\n\r\n";
  };
  EXPECT_TRUE(answered(head_of(1000)));
  EXPECT_EQ(answered(head_of(1001)), fail(Errc::kUpstreamHeadTooLarge));
  const auto interims = [](unsigned count) {
    std::string text;
    for (unsigned i = 0; i < count; ++i) text += "HTTP/1.1 100 Continue\r\n\r\n";
    return text + "HTTP/1.1 200 OK\r\n\r\n";
  };
  EXPECT_TRUE(answered(interims(client::kTunnelInterimMax)));
  EXPECT_EQ(answered(interims(client::kTunnelInterimMax + 1)), fail(Errc::kUpstreamBadMessage));
}

TEST_F(ConnectTunnelTest, AProxyThatGoesAway) {
  RawOrigin closing([](Peer& peer, int) { peer.read_head(); });
  EXPECT_EQ(outcome_of(closing), fail(Errc::kConnectFailed));
  RawOrigin midway([](Peer& peer, int) {
    peer.read_head();
    peer.send("HTTP/1.1 200 OK\r\n");
  });
  EXPECT_EQ(outcome_of(midway), fail(Errc::kConnectFailed));
  RawOrigin resetting([](Peer& peer, int) {
    peer.read_head();
    peer.reset();
  });
  EXPECT_EQ(outcome_of(resetting), fail(Errc::kConnectFailed));
}

TEST_F(ConnectTunnelTest, ASilentProxyIsGivenUp) {
  RawOrigin silent([](Peer& peer, int) { peer.read_to_end(); });
  options_.timeout = 20ms;
  EXPECT_EQ(outcome_of(silent), fail(Errc::kConnectTimeout));
}

TEST_F(ConnectTunnelTest, AnAnswerByteByByte) {
  RawOrigin proxy([](Peer& peer, int) {
    peer.read_head();
    for (const char c : std::string("HTTP/1.1 200 OK\r\nA: b\r\n\r\n")) peer.send({&c, 1});
    peer.read_to_end();
  });
  EXPECT_TRUE(outcome_of(proxy));
}

TEST_F(ConnectTunnelTest, TheStreamIsReadyForTls) {
  TestCa ca;
  const Identity id = ca.issue({.name = "DNS:origin.test"});
  RawOrigin proxy([&](Peer& peer, int) {
    peer.read_head();
    peer.send("HTTP/1.1 200 OK\r\n\r\n");
    BlockingTls tls(peer.fd(), id);
    if (!tls.accept()) return;
    tls.read_head();
    tls.send("secret");
    peer.read_to_end();
  });
  net::TlsClient::Options options;
  options.ca_file = ca.root().certificate_file;
  auto tls = net::TlsClient::make(options);
  ASSERT_TRUE(tls);
  on_io(io_, [&]() -> Task<void> {
    net::Stream stream = co_await dial(proxy);
    const Result<void> opened = co_await connect_tunnel(stream, options_, trace_);
    EXPECT_TRUE(opened);
    net::DialReport report;
    const Result<void> secured =
        co_await net::secure(stream, {.tls = &*tls, .tls_name = "origin.test"}, report);
    EXPECT_TRUE(secured) << report.tls_cause;
    if (!secured) co_return;
    EXPECT_TRUE(stream.write_some("GET / HTTP/1.1\r\n\r\n").done());
    std::string text(16, '\0');
    net::IoResult r = stream.read_some(text);
    while (r.would_block() && co_await stream.wait(Direction::kRead)) r = stream.read_some(text);
    EXPECT_EQ(text.substr(0, r.bytes), "secret");
  });
}

}  // namespace
}  // namespace millrace::test
