// What the file says about places on the network: where to listen, whom to trust, whom to ask.
//
// Plain values; nothing here resolves a name or opens a socket.
#pragma once

#include "config/units.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace millrace::config {

/// A place to listen at: "127.0.0.1:8080", "[::1]:8080", "localhost:8080" (IPv4) or "unix:/path".
struct Address {
  enum class Family : std::uint8_t { kIpv4, kIpv6, kUnix };

  Family family = Family::kIpv4;
  std::string
      host;  ///< the literal address in its canonical spelling without brackets; kUnix: the path
  std::uint16_t port = 0;  ///< 0: any free one, chosen when binding

  [[nodiscard]] bool is_unix() const noexcept { return family == Family::kUnix; }
  /// Reachable from this machine only: 127.0.0.0/8, ::1 and every unix socket.
  [[nodiscard]] bool is_loopback() const noexcept;
  /// 0.0.0.0 or [::].
  [[nodiscard]] bool is_any() const noexcept;
  /// As it would be written in the file.
  [[nodiscard]] std::string text() const;
  friend bool operator==(const Address&, const Address&) = default;
};

/// Only literal addresses and `localhost`: a name could mean several interfaces, or another one
/// tomorrow.
[[nodiscard]] Parsed<Address> parse_address(std::string_view text);

/// Could both be bound at once? No: the same unix path, or the same port on the same or on any
/// address of one family. Port 0 never collides.
[[nodiscard]] bool collide(const Address& a, const Address& b) noexcept;

/// A range of IP addresses: "10.0.0.0/8", "fd00::/8", or one address without a prefix length.
struct Network {
  std::array<std::uint8_t, 16> bytes{};  ///< network byte order; the first 4 for IPv4
  std::uint8_t prefix_bits = 0;
  bool v6 = false;

  /// `address`: 4 or 16 bytes in network byte order. IPv4 never lies in an IPv6 network, nor the
  /// other way round: whoever has an IPv4-mapped address unwraps it first.
  [[nodiscard]] bool contains(std::span<const std::uint8_t> address) const noexcept;
  [[nodiscard]] std::string text() const;
  friend bool operator==(const Network&, const Network&) = default;
};

/// Bits behind the prefix are an error, with the network that was meant.
[[nodiscard]] Parsed<Network> parse_network(std::string_view text);

/// One server of an upstream: "http://host[:port]", "https://host[:port]", "h2c://host[:port]",
/// "unix:/path" (plain HTTP), or several: "srv:_http._tcp.name" (RFC 2782).
struct Target {
  enum class Kind : std::uint8_t { kName, kIpv4, kIpv6, kUnix, kSrv };

  Kind kind = Kind::kName;
  bool tls = false;
  /// Lower-case name (of the service, for kSrv), literal address without brackets, or the path of
  /// the socket.
  std::string host;
  std::uint16_t port = 0;  ///< 0 for kUnix and kSrv only
  bool h2c = false;        ///< HTTP/2 without TLS, by prior knowledge
  std::uint32_t weight = 1;
  std::uint32_t priority = 0;

  [[nodiscard]] std::string text() const;
  /// What a Host field of its own would say: the default port is left out; "localhost" for kUnix.
  [[nodiscard]] std::string authority() const;
  friend bool operator==(const Target&, const Target&) = default;
};

[[nodiscard]] Parsed<Target> parse_target(std::string_view text);

/// A target as a text and nothing else.
struct TargetUrl {
  Target target;
  friend bool operator==(const TargetUrl&, const TargetUrl&) = default;
};
/// `{ url = "...", weight = 2, priority = 1 }`
struct WeightedTarget {
  TargetUrl url;
  std::uint32_t weight = 1;
  std::uint32_t priority = 0;
  friend bool operator==(const WeightedTarget&, const WeightedTarget&) = default;
};

/// Ports from `first` to `last`, both included: "443", "1024-65535".
struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;

  [[nodiscard]] bool contains(std::uint16_t port) const noexcept {
    return first <= port && port <= last;
  }
  [[nodiscard]] std::string text() const;
  friend bool operator==(const PortRange&, const PortRange&) = default;
};

/// Ports are 1 to 65535, and the first is not above the last.
[[nodiscard]] Parsed<PortRange> parse_port_range(std::string_view text);

/// The longest path that fits into a sockaddr_un with its final NUL.
inline constexpr std::size_t kUnixPathMax = 107;

/// A DNS name in ASCII: labels of letters, digits, `-` and `_`, at most 63 each and 253 in all, and
/// the last one no number (2130706433 and 0x7f.1 are addresses to some resolvers).
[[nodiscard]] bool is_host_name(std::string_view text) noexcept;

/// The canonical spelling of a literal address ("::1" for "0:0::1"), or nothing. No brackets, no
/// scope.
[[nodiscard]] std::string canonical_ipv4(std::string_view text);
[[nodiscard]] std::string canonical_ipv6(std::string_view text);

}  // namespace millrace::config
