#include "server/proxy_header.hpp"

#include "support/on_io.hpp"
#include "support/wire_client.hpp"

#include <string>

#include <gtest/gtest.h>

namespace millrace::server {
namespace {

using config::ProxyProtocol;
using std::chrono::milliseconds;
using std::chrono::seconds;
using namespace std::string_literals;

const std::string kLine = "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n";
const std::string kBlock =
    "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\1\xc0\0\2\2\xdc\x04\x01\xbb"s;
const std::string kBehind = "\x16\x03\x01 whatever is behind";
const std::string kFromHeader = "192.0.2.1:56324 192.0.2.2:443";
const std::string kOwn = "127.0.0.1:1 127.0.0.1:2";

struct Outcome {
  bool served = false;
  std::string ends;
  std::string left;  ///< in the socket
};

/// How the client sends: it gets the server's end too, to see what was read.
using Client = std::function<Task<void>(test::WireClient&)>;

Task<void> drive(test::WireClient& client, const Client& play, Event& done) {
  co_await play(client);
  done.set();
}

Outcome outcome_of(ProxyHeaderRule rule, const Client& play) {
  Outcome out;
  IoThread io(0);
  test::on_io(io, [&]() -> Task<void> {
    const test::TcpPair pair = test::make_tcp_pair();
    test::WireClient client(pair);
    net::Stream stream(pair.server);
    ConnectionEnds ends{.peer = net::SocketAddress::parse("127.0.0.1:1").value(),
                        .local = net::SocketAddress::parse("127.0.0.1:2").value()};
    Event played;
    TaskGroup group;
    group.spawn(drive(client, play, played));
    out.served = co_await read_proxy_header(stream, rule, ends);
    (void)co_await played.wait();
    out.ends = ends.peer.to_string() + " " + ends.local.to_string();
    char left[8192];
    const net::IoResult r = stream.read_some(left);
    out.left.assign(left, r.bytes);
    co_await group.join();
  });
  return out;
}

Client sends(const std::string& bytes) {
  return [bytes](test::WireClient& c) -> Task<void> { (void)co_await c.send(bytes); };
}

ProxyHeaderRule rule(ProxyProtocol wanted, bool trusted = true, Duration patience = seconds(20)) {
  return {.wanted = wanted, .trusted = trusted, .patience = patience};
}

constexpr auto kWanted = {ProxyProtocol::kOptional, ProxyProtocol::kRequired};

TEST(ProxyHeader, ExactlyTheHeaderIsTaken) {
  for (const auto wanted : kWanted) {
    for (const std::string& header : {kLine, kBlock}) {
      const Outcome got = outcome_of(rule(wanted), sends(header + kBehind));
      EXPECT_TRUE(got.served);
      EXPECT_EQ(got.ends, kFromHeader);
      EXPECT_EQ(got.left, kBehind);
    }
  }
}

TEST(ProxyHeader, MayComeByteByByte) {
  for (const std::string& header : {kLine, kBlock}) {
    const Outcome got =
        outcome_of(rule(ProxyProtocol::kRequired), [&](test::WireClient& c) -> Task<void> {
          for (const char& byte : header) {
            (void)co_await c.send({&byte, 1});
            (void)co_await test::WireClient::next_turn();
          }
          (void)co_await c.send(kBehind);
        });
    EXPECT_TRUE(got.served);
    EXPECT_EQ(got.ends, kFromHeader);
    EXPECT_EQ(got.left, kBehind);
  }
}

TEST(ProxyHeader, ThatTellsNothingLeavesTheEndsAsTheyAre) {
  for (const std::string& header :
       {"PROXY UNKNOWN\r\n"s, "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"s,
        "\r\n\r\n\0\r\nQUIT\n\x21\x31\0\xd8"s + std::string(216, 'u')}) {
    const Outcome got = outcome_of(rule(ProxyProtocol::kRequired), sends(header + kBehind));
    EXPECT_TRUE(got.served);
    EXPECT_EQ(got.ends, kOwn);
    EXPECT_EQ(got.left, kBehind);
  }
}

TEST(ProxyHeader, OptionalLeavesOtherBytesUntouched) {
  for (const std::string& bytes : {kBehind, "GET / HTTP/1.1\r\n\r\n"s, "\r\nGET / HTTP/1.1\r\n"s,
                                   "PROPFIND / HTTP/1.1\r\n"s}) {
    const Outcome got = outcome_of(rule(ProxyProtocol::kOptional), sends(bytes));
    EXPECT_TRUE(got.served);
    EXPECT_EQ(got.ends, kOwn);
    EXPECT_EQ(got.left, bytes);
    EXPECT_FALSE(outcome_of(rule(ProxyProtocol::kRequired), sends(bytes)).served);
  }
}

TEST(ProxyHeader, OfAnUntrustedPeerIsNotRead) {
  Outcome got = outcome_of(rule(ProxyProtocol::kOptional, false), sends(kLine));
  EXPECT_TRUE(got.served);
  EXPECT_EQ(got.ends, kOwn);
  EXPECT_EQ(got.left, kLine);
  got = outcome_of(rule(ProxyProtocol::kRequired, false), sends(kLine));
  EXPECT_FALSE(got.served);
  EXPECT_EQ(got.left, kLine);
}

TEST(ProxyHeader, MalformedOnesAreRefused) {
  for (const auto wanted : kWanted) {
    for (const std::string& bytes :
         {"PROXY TCP4 192.0.2.1\r\n"s, "PROXY \r\n"s, "\r\n\r\n\0\r\nQUIT\n\x11\x11\0\0"s})
      EXPECT_FALSE(outcome_of(rule(wanted), sends(bytes)).served);
  }
}

TEST(ProxyHeader, HasToBeCompleteInTime) {
  const TimePoint began = Clock::now();
  const auto drip = [](test::WireClient& c) -> Task<void> {
    for (const char& byte : kLine.substr(0, 10)) {
      (void)co_await c.send({&byte, 1});
      (void)co_await sleep_for(milliseconds(50));
    }
  };
  EXPECT_FALSE(outcome_of(rule(ProxyProtocol::kOptional, true, milliseconds(300)), drip).served);
  EXPECT_LT(Clock::now() - began, seconds(10));
  EXPECT_FALSE(
      outcome_of(rule(ProxyProtocol::kRequired, true, milliseconds(100)), sends("")).served);
}

TEST(ProxyHeader, AClientThatEndsBeforeItIsNotWaitedFor) {
  for (const auto wanted : kWanted) {
    for (const std::string& begun : {""s, "P"s, kLine.substr(0, 30), kBlock.substr(0, 17)}) {
      const Outcome got = outcome_of(rule(wanted, true, std::chrono::hours(1)),
                                     [&](test::WireClient& c) -> Task<void> {
                                       (void)co_await c.send(begun);
                                       (void)co_await test::WireClient::next_turn();
                                       c.finish_sending();
                                     });
      EXPECT_FALSE(got.served);
    }
  }
}

TEST(ProxyHeader, MayBeAllThereIs) {
  const Outcome got =
      outcome_of(rule(ProxyProtocol::kRequired), [](test::WireClient& c) -> Task<void> {
        (void)co_await c.send(kBlock);
        c.finish_sending();
      });
  EXPECT_TRUE(got.served);
  EXPECT_EQ(got.ends, kFromHeader);
}

}  // namespace
}  // namespace millrace::server
