#include "net/address.hpp"

#include <string>
#include <type_traits>
#include <unordered_set>

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/un.h>

namespace millrace::net {
namespace {

static_assert(std::is_trivially_copyable_v<IpAddress>);
static_assert(std::is_trivially_copyable_v<SocketAddress>);
static_assert(std::is_trivially_copyable_v<Network>);

TEST(IpAddress, ReadsAndWritesLiterals) {
  for (const char* text : {"0.0.0.0", "127.0.0.1", "255.255.255.255", "::", "::1", "2001:db8::1",
                           "fe80::1234:5678:9abc:def0", "::ffff:192.0.2.1"}) {
    const auto address = IpAddress::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->to_string(), text);
  }
  EXPECT_EQ(IpAddress::parse("2001:DB8:0:0:0:0:0:1")->to_string(), "2001:db8::1");
}

TEST(IpAddress, RefusesEveryOtherSpelling) {
  using namespace std::string_view_literals;
  for (const auto text : {""sv,
                          "1"sv,
                          "127.1"sv,
                          "2130706433"sv,
                          "0x7f.0.0.1"sv,
                          "0177.0.0.1"sv,
                          "01.2.3.4"sv,
                          "1.2.3.4."sv,
                          "1.2.3.4.5"sv,
                          "1.2.3.256"sv,
                          "1.2.3.-4"sv,
                          " 1.2.3.4"sv,
                          "1.2.3.4 "sv,
                          "1.2.3.4\0"sv,
                          "1.2.3"sv,
                          "[::1]"sv,
                          "fe80::1%eth0"sv,
                          "::1%1"sv,
                          "1::2::3"sv,
                          ":::"sv,
                          "::12345"sv,
                          "1:2:3:4:5:6:7"sv,
                          "1:2:3:4:5:6:7:8:9"sv,
                          "::ffff:1.2.3"sv,
                          "localhost"sv,
                          "::ffff:1.2.3.04"sv,
                          "1.2.3.4:80"sv,
                          "\xef\xbc\x91.2.3.4"sv})
    EXPECT_FALSE(IpAddress::parse(text)) << text;
}

TEST(IpAddress, KnowsLoopbackUnspecifiedAndMapped) {
  EXPECT_TRUE(IpAddress::parse("127.255.0.3")->is_loopback());
  EXPECT_TRUE(IpAddress::parse("::1")->is_loopback());
  EXPECT_TRUE(IpAddress::parse("::ffff:127.0.0.1")->is_loopback());
  EXPECT_FALSE(IpAddress::parse("126.0.0.1")->is_loopback());
  EXPECT_FALSE(IpAddress::parse("::2")->is_loopback());
  EXPECT_TRUE(IpAddress::parse("::")->is_unspecified());
  EXPECT_TRUE(IpAddress().is_unspecified());
  EXPECT_EQ(IpAddress::parse("::ffff:192.0.2.7")->unmapped(), IpAddress::v4({192, 0, 2, 7}));
  EXPECT_EQ(IpAddress::parse("::fffe:192.0.2.7")->unmapped(), *IpAddress::parse("::fffe:c000:207"));
}

TEST(IpAddress, FamiliesAreNeverEqual) {
  EXPECT_NE(*IpAddress::parse("0.0.0.0"), *IpAddress::parse("::"));
  EXPECT_NE(*IpAddress::parse("1.2.3.4"), *IpAddress::parse("102:304::"));
}

TEST(SocketAddress, ReadsAndWritesTheSameText) {
  for (const char* text :
       {"127.0.0.1:8080", "0.0.0.0:0", "[::1]:65535", "[2001:db8::1]:443", "unix:/run/app.sock"}) {
    const auto address = SocketAddress::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->to_string(), text);
  }
}

TEST(SocketAddress, RefusesWhatIsNoAddress) {
  for (const char* text :
       {"", ":80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:+1", "127.0.0.1:080",
        "127.0.0.1:8 ", "::1:80", "[::1]", "[::1]80", "[127.0.0.1]:80", "[]:80", "localhost:80",
        "[fe80::1%eth0]:80", "unix:", "http://1.2.3.4:80"})
    EXPECT_FALSE(SocketAddress::parse(text)) << text;
}

TEST(SocketAddress, SurvivesTheKernelsForm) {
  for (const char* text : {"192.0.2.1:80", "[2001:db8::1]:443", "unix:/run/app.sock"}) {
    const SocketAddress address = *SocketAddress::parse(text);
    const RawSocketAddress raw = address.to_raw();
    EXPECT_EQ(raw.storage.ss_family, address.native_family());
    EXPECT_EQ(SocketAddress::from_raw(raw.get(), raw.length), address) << text;
  }
}

TEST(SocketAddress, UnixPathsFitOrAreRefused) {
  const std::string longest(SocketAddress::kUnixPathBytesMax, 'p');
  const auto fits = SocketAddress::unix_path(longest);
  ASSERT_TRUE(fits);
  const RawSocketAddress raw = fits->to_raw();
  EXPECT_EQ(raw.length, sizeof(sockaddr_un));
  EXPECT_EQ(SocketAddress::from_raw(raw.get(), raw.length)->path(), longest);
  EXPECT_FALSE(SocketAddress::unix_path(longest + 'p'));
  EXPECT_FALSE(SocketAddress::unix_path(std::string_view("a\0b", 3)));
}

TEST(SocketAddress, AnUnnamedUnixPeerHasAnEmptyPath) {
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  const auto peer = SocketAddress::from_raw(reinterpret_cast<sockaddr*>(&un), sizeof(sa_family_t));
  ASSERT_TRUE(peer);
  EXPECT_TRUE(peer->is_unix());
  EXPECT_EQ(peer->path(), "");
}

TEST(SocketAddress, TruncatedOrForeignFormsAreRefused) {
  const RawSocketAddress raw = SocketAddress::parse("[::1]:80")->to_raw();
  EXPECT_FALSE(SocketAddress::from_raw(raw.get(), sizeof(sockaddr_in)));
  EXPECT_FALSE(SocketAddress::from_raw(raw.get(), 0));
  sockaddr_storage other{};
  other.ss_family = AF_PACKET;
  EXPECT_FALSE(SocketAddress::from_raw(reinterpret_cast<sockaddr*>(&other), sizeof other));
}

TEST(SocketAddress, ChangesPortAndUnmaps) {
  const SocketAddress mapped = *SocketAddress::parse("[::ffff:192.0.2.1]:80");
  EXPECT_EQ(mapped.unmapped().to_string(), "192.0.2.1:80");
  EXPECT_EQ(mapped.unmapped().with_port(0).to_string(), "192.0.2.1:0");
  EXPECT_EQ(SocketAddress::parse("unix:/a")->with_port(7).port(), 0);
}

TEST(SocketAddress, Hashes) {
  std::unordered_set<SocketAddress> set;
  for (const char* text : {"1.2.3.4:80", "1.2.3.4:81", "[::1]:80", "unix:/a", "1.2.3.4:80"})
    set.insert(*SocketAddress::parse(text));
  EXPECT_EQ(set.size(), 4U);
  EXPECT_TRUE(set.contains(*SocketAddress::parse("unix:/a")));
}

TEST(Network, ContainsExactlyItsAddresses) {
  struct Case {
    const char* network;
    const char* first;
    const char* last;
    const char* before;
    const char* after;
  };
  for (const Case& c : {
           Case{"10.0.0.0/8", "10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"},
           Case{"172.16.0.0/12", "172.16.0.0", "172.31.255.255", "172.15.255.255", "172.32.0.0"},
           Case{"192.0.2.5/32", "192.0.2.5", "192.0.2.5", "192.0.2.4", "192.0.2.6"},
           Case{"192.0.2.4/31", "192.0.2.4", "192.0.2.5", "192.0.2.3", "192.0.2.6"},
           Case{"fe80::/10", "fe80::", "febf:ffff::", "fe7f:ffff::", "fec0::"},
           Case{"2001:db8::1/128", "2001:db8::1", "2001:db8::1", "2001:db8::", "2001:db8::2"},
       }) {
    const auto network = Network::parse(c.network);
    ASSERT_TRUE(network) << c.network;
    EXPECT_EQ(network->to_string(), c.network);
    EXPECT_TRUE(network->contains(*IpAddress::parse(c.first))) << c.network;
    EXPECT_TRUE(network->contains(*IpAddress::parse(c.last))) << c.network;
    EXPECT_FALSE(network->contains(*IpAddress::parse(c.before))) << c.network;
    EXPECT_FALSE(network->contains(*IpAddress::parse(c.after))) << c.network;
  }
}

TEST(Network, OfEverythingStaysInItsFamily) {
  EXPECT_TRUE(Network::parse("0.0.0.0/0")->contains(*IpAddress::parse("203.0.113.9")));
  EXPECT_FALSE(Network::parse("0.0.0.0/0")->contains(*IpAddress::parse("::ffff:1.2.3.4")));
  EXPECT_FALSE(Network::parse("::/0")->contains(*IpAddress::parse("1.2.3.4")));
}

TEST(Network, IsReadStrictly) {
  EXPECT_EQ(Network::parse("192.0.2.1")->prefix_bits(), 32U);
  EXPECT_EQ(Network::parse("::1")->prefix_bits(), 128U);
  for (const char* text :
       {"", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/-1", "10.0.0.0/8/8",
        "10.1.0.0/8", "2001:db8::1/64", "10/8", "/8", "10.0.0.0/ 8"})
    EXPECT_FALSE(Network::parse(text)) << text;
}

}  // namespace
}  // namespace millrace::net
