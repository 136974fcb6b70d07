#include "net/address_guard.hpp"

#include <algorithm>
#include <string_view>

#include <gtest/gtest.h>

namespace millrace::net {
namespace {

IpAddress ip(std::string_view text) {
  return *IpAddress::parse(text);
}

std::vector<IpAddress> ips(std::initializer_list<std::string_view> texts) {
  std::vector<IpAddress> out;
  for (const auto t : texts) out.push_back(ip(t));
  return out;
}

AddressGuard guard(std::initializer_list<std::string_view> allow,
                   std::initializer_list<std::string_view> own = {},
                   std::initializer_list<std::string_view> local = {}) {
  AddressGuard::Options options;
  for (const auto t : allow) options.allow_networks.push_back(*Network::parse(t));
  for (const auto t : own) options.own_listeners.push_back(*SocketAddress::parse(t));
  options.local_addresses = ips(local);
  return AddressGuard(std::move(options));
}

struct DeniedRange {
  const char* first;
  const char* last;
  const char* before;  // nullptr: that one is denied for another reason, or there is none
  const char* after;
};

constexpr DeniedRange kDenied[] = {
    {"0.0.0.0", "0.255.255.255", nullptr, "1.0.0.0"},
    {"10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"},
    {"100.64.0.0", "100.127.255.255", "100.63.255.255", "100.128.0.0"},
    {"127.0.0.0", "127.255.255.255", "126.255.255.255", "128.0.0.0"},
    {"168.63.129.16", "168.63.129.16", "168.63.129.15", "168.63.129.17"},
    {"169.254.0.0", "169.254.255.255", "169.253.255.255", "169.255.0.0"},
    {"172.16.0.0", "172.31.255.255", "172.15.255.255", "172.32.0.0"},
    {"192.0.0.0", "192.0.0.255", "191.255.255.255", "192.0.1.0"},
    {"192.0.2.0", "192.0.2.255", "192.0.1.255", "192.0.3.0"},
    {"192.88.99.0", "192.88.99.255", "192.88.98.255", "192.88.100.0"},
    {"192.168.0.0", "192.168.255.255", "192.167.255.255", "192.169.0.0"},
    {"198.18.0.0", "198.19.255.255", "198.17.255.255", "198.20.0.0"},
    {"198.51.100.0", "198.51.100.255", "198.51.99.255", "198.51.101.0"},
    {"203.0.113.0", "203.0.113.255", "203.0.112.255", "203.0.114.0"},
    {"224.0.0.0", "239.255.255.255", "223.255.255.255", nullptr},
    {"240.0.0.0", "255.255.255.255", nullptr, nullptr},
    {"::", "::1", nullptr, nullptr},
    {"::ffff:0:0", "::ffff:255.255.255.255", nullptr, nullptr},
    {"::ffff:8.8.8.8", "::ffff:127.0.0.1", nullptr, nullptr},
    {"64:ff9b::", "64:ff9b::ffff:ffff", nullptr, nullptr},
    {"64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", nullptr, nullptr},
    {"100::", "100::ffff:ffff:ffff:ffff", nullptr, nullptr},
    {"2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", "2000:ffff::", "2001:200::"},
    {"2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db7:ffff::", "2001:db9::"},
    {"2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:ffff::", "2003::"},
    {"3fff::", "3fff:fff:ffff:ffff::", "3ffe:ffff::", "3fff:1000::"},
    {"fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", nullptr, nullptr},
    {"fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", nullptr, nullptr},
    {"ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", nullptr, nullptr},
};

TEST(IsPublic, DeniesEverySpecialRangeAndNotItsNeighbours) {
  for (const DeniedRange& r : kDenied) {
    EXPECT_FALSE(is_public(ip(r.first))) << r.first;
    EXPECT_FALSE(is_public(ip(r.last))) << r.last;
    if (r.before != nullptr) EXPECT_TRUE(is_public(ip(r.before))) << r.before;
    if (r.after != nullptr) EXPECT_TRUE(is_public(ip(r.after))) << r.after;
  }
}

TEST(IsPublic, KnowsTheWorldsAddresses) {
  for (const char* text :
       {"8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450::1"})
    EXPECT_TRUE(is_public(ip(text))) << text;
}

TEST(AddressGuard, RefusesEmptyAnswers) {
  EXPECT_EQ(AddressGuard().check({}, 80), fail(Errc::kUrlRefused));
}

TEST(AddressGuard, LetsPublicAnswersThrough) {
  EXPECT_TRUE(AddressGuard().check(ips({"2606:4700::1", "8.8.8.8"}), 443));
  EXPECT_TRUE(AddressGuard().check_peer(*SocketAddress::parse("8.8.8.8:80")));
}

TEST(AddressGuard, RefusesAnAnswerWithOnePrivateAddressAnywhere) {
  for (const auto& answer : {ips({"8.8.8.8", "10.0.0.1"}), ips({"10.0.0.1", "8.8.8.8"}),
                             ips({"2606:4700::1", "8.8.8.8", "::1"}), ips({"10.0.0.1"})})
    EXPECT_EQ(AddressGuard().check(answer, 80), fail(Errc::kUrlRefused));
}

TEST(AddressGuard, AllowNetworksOpenThatNetworkOnly) {
  const AddressGuard g = guard({"10.1.0.0/16", "::1"});
  EXPECT_TRUE(g.check(ips({"10.1.255.255"}), 80));
  EXPECT_TRUE(g.check(ips({"::1", "10.1.0.1"}), 80));
  EXPECT_FALSE(g.check(ips({"10.2.0.0"}), 80));
  EXPECT_FALSE(g.check(ips({"10.1.0.1", "10.2.0.1"}), 80));
  EXPECT_FALSE(g.check(ips({"::ffff:10.1.0.1"}), 80)) << "the IPv4 network is not its mapped form";
}

TEST(AddressGuard, MixedAnswersAreRefusedEvenWhenEachIsAllowed) {
  EXPECT_FALSE(guard({"10.0.0.0/8"}).check(ips({"8.8.8.8", "10.0.0.1"}), 80));
}

TEST(AddressGuard, OwnListenersAreRefusedWhateverIsAllowed) {
  const AddressGuard g = guard({"0.0.0.0/0", "::/0"}, {"127.0.0.1:8080", "[2606:4700::1]:443"});
  EXPECT_FALSE(g.check(ips({"127.0.0.1"}), 8080));
  EXPECT_FALSE(g.check(ips({"::ffff:127.0.0.1"}), 8080));
  EXPECT_FALSE(g.check(ips({"0.0.0.0"}), 8080)) << "0.0.0.0 leads to this host";
  EXPECT_FALSE(g.check(ips({"2606:4700::1"}), 443));
  EXPECT_TRUE(g.check(ips({"127.0.0.1"}), 8081));
  EXPECT_TRUE(g.check(ips({"127.0.0.2"}), 8080));
  EXPECT_TRUE(g.check(ips({"2606:4700::1"}), 444));
}

TEST(AddressGuard, WildcardListenersDenyEveryLocalAddressAtTheirPort) {
  for (const char* wildcard : {"0.0.0.0:8080", "[::]:8080"}) {
    const AddressGuard g =
        guard({"0.0.0.0/0", "::/0"}, {wildcard}, {"93.184.216.34", "2606:4700::1"});
    for (const char* own : {"93.184.216.34", "2606:4700::1", "127.0.0.1", "127.9.9.9", "::1",
                            "::", "::ffff:93.184.216.34"}) {
      EXPECT_FALSE(g.check(ips({own}), 8080)) << own;
      EXPECT_TRUE(g.check(ips({own}), 8081)) << own;
    }
    EXPECT_TRUE(g.check(ips({"93.184.216.35"}), 8080));
  }
}

TEST(AddressGuard, UnixPeersAreRefused) {
  EXPECT_FALSE(guard({"0.0.0.0/0"}, {"unix:/a"}).check_peer(*SocketAddress::parse("unix:/a")));
}

TEST(InterfaceAddresses, HaveLoopback) {
  const auto found = interface_addresses();
  EXPECT_NE(std::ranges::find(found, ip("127.0.0.1")), found.end());
}

}  // namespace
}  // namespace millrace::net
