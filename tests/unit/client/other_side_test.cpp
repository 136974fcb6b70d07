// What a trace says is what the other side has seen: connections and requests are counted by the
// origin, questions by the DNS server.
#include "client_fixture.hpp"
#include "support/dns_server.hpp"

#include <atomic>
#include <memory>
#include <string>

namespace millrace::test {
namespace {

using client::Request;
using net::DnsSource;
using net::Family;
using Peer = RawOrigin::Peer;

constexpr std::string_view kKept = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
constexpr std::string_view kClosing =
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

class OtherSideTest : public ::testing::Test {
 protected:
  /// Answers every request of every connection with `text`.
  RawOrigin::Script says(std::string_view text) {
    return [this, text](Peer& peer, int) {
      while (!peer.read_head().empty()) {
        ++requests_;
        peer.send(std::string(text));
      }
    };
  }
  Task<client::Trace> fetch(client::Client& client, const client::OriginSpec& spec) {
    Request request;
    request.origin = client.origin(spec).value();
    request.host = "origin.test";
    Result<client::Response> response = co_await client.fetch(request);
    EXPECT_TRUE(response.has_value());
    if (response) {
      while (!response->done())
        if (const auto piece = co_await response->read(); !piece || piece->empty()) break;
      co_await response->close();
    }
    co_return request.trace;
  }

  IoThread io_{0};
  std::atomic<int> requests_ = 0;
};

TEST_F(OtherSideTest, ReusedConnectionsAreThoseThatTheOriginDoesNotSee) {
  constexpr int kRequests = 2000;
  RawOrigin origin(says(kKept));
  net::Resolver resolver;
  client::Client client(resolver, {});
  int reused = 0;
  unsigned attempts = 0;
  on_io(io_, [&]() -> Task<void> {
    for (int i = 0; i < kRequests; ++i) {
      const client::Trace trace =
          co_await fetch(client, {.host = "127.0.0.1", .port = origin.port()});
      reused += trace.reused ? 1 : 0;
      attempts += trace.attempts;
    }
    client.close_idle();
  });
  EXPECT_EQ(origin.connections(), 1);
  EXPECT_EQ(reused, kRequests - origin.connections());  // 99.95 %
  EXPECT_EQ(requests_, kRequests);
  EXPECT_EQ(attempts, static_cast<unsigned>(requests_));
}

TEST_F(OtherSideTest, AttemptsAreTheRequestsThatTheOriginHasRead) {
  // A connection that served once is closed without a word when the second request comes.
  RawOrigin origin([this](Peer& peer, int index) {
    while (!peer.read_head().empty()) {
      ++requests_;
      if (index == 0 && requests_ == 2) return;
      peer.send(std::string(kKept));
    }
  });
  net::Resolver resolver;
  client::Client client(resolver, {});
  on_io(io_, [&]() -> Task<void> {
    const client::OriginSpec spec{.host = "127.0.0.1", .port = origin.port()};
    const client::Trace first = co_await fetch(client, spec);
    EXPECT_EQ(first.attempts, 1U);
    EXPECT_FALSE(first.reused);
    const client::Trace second = co_await fetch(client, spec);
    EXPECT_EQ(second.attempts, 2U);
    EXPECT_FALSE(second.reused) << "the last one, which was answered, was new";
    client.close_idle();
  });
  EXPECT_EQ(origin.connections(), 2);
  EXPECT_EQ(requests_, 3);
}

TEST_F(OtherSideTest, SourceOfTheAddressIsWhatTheServerWasAsked) {
  DnsServer dns([](const std::string&, Family family) -> DnsReply {
    if (family == Family::kV6) return {};
    return {.records = {{.data = net::IpAddress::loopback(Family::kV4)}}};
  });
  RawOrigin origin(says(kClosing));
  net::Resolver::Options options;
  options.servers = dns.address();
  net::Resolver resolver(options);
  client::Client client(resolver, {});
  on_io(io_, [&]() -> Task<void> {
    const client::OriginSpec spec{.host = "origin.example", .port = origin.port()};
    EXPECT_EQ((co_await fetch(client, spec)).dns_source, DnsSource::kDns);
    EXPECT_EQ(dns.asked("origin.example", Family::kV4), 1);
    EXPECT_EQ((co_await fetch(client, spec)).dns_source, DnsSource::kCache);
    EXPECT_EQ(dns.asked("origin.example", Family::kV4), 1);
    resolver.flush();
    EXPECT_EQ((co_await fetch(client, spec)).dns_source, DnsSource::kDns);
    EXPECT_EQ(dns.asked("origin.example", Family::kV4), 2);
    EXPECT_EQ((co_await fetch(client, {.host = "127.0.0.1", .port = origin.port()})).dns_source,
              DnsSource::kLiteral);
    EXPECT_EQ((co_await fetch(client, {.host = "localhost", .port = origin.port()})).dns_source,
              DnsSource::kHosts);
  });
  EXPECT_EQ(origin.connections(), 5);
}

}  // namespace
}  // namespace millrace::test
