#include "config/address.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>

namespace millrace::config {
namespace {

Address address(std::string_view text) {
  return parse_address(text).value();
}

bool contains(std::string_view network, const char* text) {
  std::array<std::uint8_t, 16> bytes{};
  const bool v6 = std::string_view(text).find(':') != std::string_view::npos;
  EXPECT_EQ(inet_pton(v6 ? AF_INET6 : AF_INET, text, bytes.data()), 1);
  return parse_network(network).value().contains(std::span(bytes).first(v6 ? 16 : 4));
}

TEST(Address, ReadsAndWritesEveryForm) {
  EXPECT_EQ(address("127.0.0.1:8080"), (Address{Address::Family::kIpv4, "127.0.0.1", 8080}));
  EXPECT_EQ(address("[0:0::1]:0"), (Address{Address::Family::kIpv6, "::1", 0}));
  EXPECT_EQ(address("LocalHost:1"), (Address{Address::Family::kIpv4, "127.0.0.1", 1}));
  EXPECT_EQ(address("unix:/run/x.sock"), (Address{Address::Family::kUnix, "/run/x.sock", 0}));
  EXPECT_EQ(address("127.0.0.1:65535").port, 65'535);
  for (const char* text : {"127.0.0.1:8080", "[::1]:8080", "unix:/run/x.sock"})
    EXPECT_EQ(address(text).text(), text);
}

TEST(Address, KnowsWhatOnlyThisMachineReaches) {
  for (const char* text : {"127.0.0.1:1", "127.255.0.9:1", "[::1]:1", "unix:/x"})
    EXPECT_TRUE(address(text).is_loopback()) << text;
  for (const char* text :
       {"0.0.0.0:1", "[::]:1", "128.0.0.1:1", "12.7.0.1:1", "[::ffff:127.0.0.1]:1"}) {
    EXPECT_FALSE(address(text).is_loopback()) << text;
  }
}

TEST(Address, CollidesWithinOneFamily) {
  EXPECT_TRUE(collide(address("127.0.0.1:80"), address("127.0.0.1:80")));
  EXPECT_TRUE(collide(address("127.0.0.1:80"), address("0.0.0.0:80")));
  EXPECT_TRUE(collide(address("[::]:80"), address("[::1]:80")));
  EXPECT_TRUE(collide(address("unix:/a"), address("unix:/a")));
  EXPECT_FALSE(collide(address("127.0.0.1:80"), address("127.0.0.2:80")));
  EXPECT_FALSE(collide(address("127.0.0.1:80"), address("127.0.0.1:81")));
  EXPECT_FALSE(collide(address("0.0.0.0:80"), address("[::]:80")));
  EXPECT_FALSE(collide(address("127.0.0.1:0"), address("127.0.0.1:0")));
  EXPECT_FALSE(collide(address("unix:/a"), address("unix:/b")));
}

TEST(Network, ContainsExactlyItsPrefix) {
  EXPECT_TRUE(contains("10.0.0.0/8", "10.255.255.255"));
  EXPECT_FALSE(contains("10.0.0.0/8", "11.0.0.0"));
  EXPECT_TRUE(contains("172.16.0.0/12", "172.31.255.255"));
  EXPECT_FALSE(contains("172.16.0.0/12", "172.32.0.0"));
  EXPECT_TRUE(contains("0.0.0.0/0", "255.255.255.255"));
  EXPECT_TRUE(contains("192.0.2.7", "192.0.2.7"));
  EXPECT_FALSE(contains("192.0.2.7", "192.0.2.6"));
  EXPECT_TRUE(contains("fc00::/7", "fdff::1"));
  EXPECT_FALSE(contains("fc00::/7", "fe00::"));
  EXPECT_TRUE(contains("::1", "::1"));
  EXPECT_FALSE(contains("::/0", "10.0.0.1")) << "families never mix";
  EXPECT_FALSE(contains("0.0.0.0/0", "::1"));
}

TEST(Target, ReadsAndWritesEveryForm) {
  const Target plain = parse_target("http://Example.com").value();
  EXPECT_EQ(plain, (Target{Target::Kind::kName, false, "example.com", 80}));
  EXPECT_EQ(plain.text(), "http://example.com");
  const Target tls = parse_target("https://[0:0::1]:8443/").value();
  EXPECT_EQ(tls, (Target{Target::Kind::kIpv6, true, "::1", 8443}));
  EXPECT_EQ(tls.authority(), "[::1]:8443");
  EXPECT_EQ(parse_target("https://127.0.0.1:443").value().authority(), "127.0.0.1");
  EXPECT_EQ(parse_target("http://127.0.0.1:443").value().authority(), "127.0.0.1:443");
  const Target socket = parse_target("unix:/run/a.sock").value();
  EXPECT_EQ(socket, (Target{Target::Kind::kUnix, false, "/run/a.sock", 0}));
  EXPECT_EQ(socket.authority(), "localhost");
  EXPECT_EQ(parse_target("http://my_service:65535").value().port, 65'535) << "names of containers";
}

TEST(HostName, HasDnsLengthsAndNoNumberAtItsEnd) {
  const std::string label(63, 'a');
  EXPECT_TRUE(is_host_name(label + ".com"));
  EXPECT_FALSE(is_host_name(label + "a.com"));
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'a');
  EXPECT_EQ(longest.size(), 253U);
  EXPECT_TRUE(is_host_name(longest));
  EXPECT_FALSE(is_host_name(longest + "a"));
  EXPECT_TRUE(is_host_name("3com.example"));
  EXPECT_TRUE(is_host_name("example.com."));
  for (const char* text :
       {"", ".", "a..b", "-a", "a-", "a b", "0x7f.1", "127.1", "2130706433", "a.0x10", "ü.de"}) {
    EXPECT_FALSE(is_host_name(text)) << text;
  }
}

TEST(PortRange, OnePortOrTwo) {
  for (const auto& [text, first, last] :
       {std::tuple("443", 443, 443), {"1", 1, 1}, {"1024-65535", 1024, 65535}, {"80-80", 80, 80}}) {
    const auto range = parse_port_range(text);
    ASSERT_TRUE(range) << text;
    EXPECT_EQ(*range,
              (PortRange{static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(last)}));
  }
  for (const char* text : {"", "0", "65536", "-1", "1-", "2-1", "0-1", "1-65536", "a", "1 - 2"})
    EXPECT_FALSE(parse_port_range(text)) << text;
  EXPECT_EQ(parse_port_range("80-80")->text(), "80");
  EXPECT_EQ(parse_port_range("80-81")->text(), "80-81");
}

TEST(PortRange, BothEndsAreIncluded) {
  const PortRange range{1024, 2000};
  EXPECT_TRUE(range.contains(1024) && range.contains(2000));
  EXPECT_FALSE(range.contains(1023) || range.contains(2001));
}

}  // namespace
}  // namespace millrace::config
