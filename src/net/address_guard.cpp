#include "net/address_guard.hpp"

#include <algorithm>
#include <array>

#include <ifaddrs.h>
#include <netinet/in.h>

namespace millrace::net {

namespace {

/// A network known at compile time.
struct Range {
  IpAddress base;
  std::size_t prefix_bits;

  [[nodiscard]] constexpr bool contains(const IpAddress& a) const noexcept {
    if (a.family() != base.family()) return false;
    for (std::size_t bit = 0; bit < prefix_bits; ++bit) {
      const auto mask = static_cast<std::uint8_t>(0x80U >> (bit % 8));
      if (((a.bytes()[bit / 8] ^ base.bytes()[bit / 8]) & mask) != 0) return false;
    }
    return true;
  }
};

constexpr Range v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d,
                   std::size_t prefix_bits) {
  return {IpAddress::v4({a, b, c, d}), prefix_bits};
}

constexpr Range v6(std::array<std::uint16_t, 8> groups, std::size_t prefix_bits) {
  std::array<std::uint8_t, 16> octets{};
  for (std::size_t i = 0; i < groups.size(); ++i) {
    octets[2 * i] = static_cast<std::uint8_t>(groups[i] >> 8);
    octets[2 * i + 1] = static_cast<std::uint8_t>(groups[i] & 0xff);
  }
  return {IpAddress::v6(octets), prefix_bits};
}

constexpr std::array kDeniedV4{
    v4(0, 0, 0, 0, 8),         // "this network"; 0.0.0.0 is this host on Linux
    v4(10, 0, 0, 0, 8),        // private
    v4(100, 64, 0, 0, 10),     // shared by carriers; some clouds' metadata
    v4(127, 0, 0, 0, 8),       // loopback
    v4(168, 63, 129, 16, 32),  // Azure's wire server: metadata on an address that looks public
    v4(169, 254, 0, 0, 16),    // link-local; 169.254.169.254 is most clouds' metadata
    v4(172, 16, 0, 0, 12),     // private
    v4(192, 0, 0, 0, 24),      // protocol assignments; Oracle's metadata
    v4(192, 0, 2, 0, 24),      // documentation
    v4(192, 88, 99, 0, 24),    // 6to4 relays
    v4(192, 168, 0, 0, 16),    // private
    v4(198, 18, 0, 0, 15),     // benchmarking
    v4(198, 51, 100, 0, 24),   // documentation
    v4(203, 0, 113, 0, 24),    // documentation
    v4(224, 0, 0, 0, 4),       // multicast
    v4(240, 0, 0, 0, 4),       // reserved and broadcast
};

// IPv6 the other way round: only 2000::/3 is global unicast. That leaves out ::, ::1, v4-mapped
// (::ffff:0:0/96), NAT64 (64:ff9b::/96, 64:ff9b:1::/48), discard (100::/64), unique local
// (fc00::/7), link-local (fe80::/10), multicast (ff00::/8), and what is not assigned yet.
constexpr Range kGlobalV6 = v6({0x2000, 0, 0, 0, 0, 0, 0, 0}, 3);

constexpr std::array kDeniedV6{
    v6({0x2001, 0, 0, 0, 0, 0, 0, 0},
       23),  // protocol assignments; Teredo (2001::/32) reaches any IPv4
    v6({0x2001, 0xdb8, 0, 0, 0, 0, 0, 0}, 32),  // documentation
    v6({0x2002, 0, 0, 0, 0, 0, 0, 0}, 16),      // 6to4 reaches any IPv4
    v6({0x3fff, 0, 0, 0, 0, 0, 0, 0}, 20),      // documentation (RFC 9637)
};

bool any_contains(std::span<const Range> ranges, const IpAddress& address) noexcept {
  return std::ranges::any_of(ranges, [&](const Range& r) { return r.contains(address); });
}

}  // namespace

bool is_public(const IpAddress& address) noexcept {
  if (address.is_v4()) return !any_contains(kDeniedV4, address);
  return kGlobalV6.contains(address) && !any_contains(kDeniedV6, address);
}

std::vector<IpAddress> interface_addresses() {
  std::vector<IpAddress> found;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return found;
  for (const ifaddrs* i = list; i != nullptr; i = i->ifa_next) {
    if (i->ifa_addr == nullptr) continue;
    const int family = i->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    const socklen_t length = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    if (const auto a = SocketAddress::from_raw(i->ifa_addr, length)) found.push_back(a->ip());
  }
  ::freeifaddrs(list);
  return found;
}

Result<void> AddressGuard::check(std::span<const IpAddress> addresses, std::uint16_t port) const {
  if (addresses.empty()) return fail(Errc::kUrlRefused);
  const bool first_is_public = is_public(addresses.front());
  for (const IpAddress& address : addresses) {
    if (is_public(address) != first_is_public) return fail(Errc::kUrlRefused);
    if (!allowed(address) || is_own_listener(address, port)) return fail(Errc::kUrlRefused);
  }
  return {};
}

Result<void> AddressGuard::check_peer(const SocketAddress& peer) const {
  if (peer.is_unix()) return fail(Errc::kUrlRefused);
  const IpAddress ip = peer.ip();
  return check({&ip, 1}, peer.port());
}

bool AddressGuard::allowed(const IpAddress& address) const noexcept {
  return is_public(address) || std::ranges::any_of(options_.allow_networks, [&](const Network& n) {
           return n.contains(address);
         });
}

bool AddressGuard::is_own_listener(const IpAddress& address, std::uint16_t port) const noexcept {
  // A v4-mapped address leads to the same socket as its IPv4 form.
  const IpAddress dialled = address.unmapped();
  return std::ranges::any_of(options_.own_listeners, [&](const SocketAddress& own) {
    if (own.is_unix() || own.port() != port) return false;
    // Dialling the unspecified address reaches whatever listens here.
    if (dialled.is_unspecified()) return true;
    const IpAddress listening = own.ip().unmapped();
    return listening.is_unspecified() ? is_local(dialled) : listening == dialled;
  });
}

bool AddressGuard::is_local(const IpAddress& address) const noexcept {
  return address.is_loopback() || address.is_unspecified() ||
         std::ranges::find(options_.local_addresses, address) != options_.local_addresses.end();
}

}  // namespace millrace::net
