// Network addresses as values: an IP address, a socket address (IP and port, or a Unix path), a
// network.
//
// All are small, trivially copyable and hashable. Text is read strictly: four decimal octets
// without leading zeros, RFC 4291 section 2.2 for IPv6, no scope ids, no host names, no short or
// octal forms.
//
// Thread rule: values and pure functions.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <sys/socket.h>

namespace millrace::net {

enum class Family : std::uint8_t { kV4 = 0, kV6 = 1 };

class IpAddress {
 public:
  /// 0.0.0.0
  constexpr IpAddress() noexcept = default;
  [[nodiscard]] static constexpr IpAddress v4(std::array<std::uint8_t, 4> octets) noexcept {
    IpAddress a;
    for (std::size_t i = 0; i < octets.size(); ++i) a.bytes_[i] = octets[i];
    return a;
  }
  [[nodiscard]] static constexpr IpAddress v6(std::array<std::uint8_t, 16> octets) noexcept {
    IpAddress a;
    a.bytes_ = octets;
    a.family_ = Family::kV6;
    return a;
  }
  [[nodiscard]] static constexpr IpAddress loopback(Family family) noexcept {
    if (family == Family::kV4) return v4({127, 0, 0, 1});
    return v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
  }
  /// A literal without brackets.
  [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text) noexcept;

  [[nodiscard]] constexpr Family family() const noexcept { return family_; }
  [[nodiscard]] constexpr bool is_v4() const noexcept { return family_ == Family::kV4; }
  [[nodiscard]] constexpr bool is_v6() const noexcept { return family_ == Family::kV6; }
  /// 4 or 16 octets in network order; valid as long as the address.
  [[nodiscard]] constexpr std::span<const std::uint8_t> bytes() const noexcept {
    return {bytes_.data(), is_v4() ? std::size_t{4} : bytes_.size()};
  }
  /// 0.0.0.0 or ::
  [[nodiscard]] constexpr bool is_unspecified() const noexcept {
    return bytes_ == std::array<std::uint8_t, 16>{};
  }
  /// 127.0.0.0/8, ::1, or the first one v4-mapped.
  [[nodiscard]] bool is_loopback() const noexcept;
  /// ::ffff:a.b.c.d as a.b.c.d, which is what a client of a dual-stack listener really is; others
  /// as is.
  [[nodiscard]] IpAddress unmapped() const noexcept;
  /// "192.0.2.1", "2001:db8::1"; no brackets.
  [[nodiscard]] std::string to_string() const;

  friend constexpr auto operator<=>(const IpAddress&, const IpAddress&) noexcept = default;

 private:
  Family family_ = Family::kV4;
  std::array<std::uint8_t, 16> bytes_{};  // v4: the first four, the rest stays 0
};

/// What the kernel's calls take: `connect(fd, s.get(), s.length)`.
struct RawSocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  [[nodiscard]] const sockaddr* get() const noexcept {
    return reinterpret_cast<const sockaddr*>(&storage);
  }
};

class SocketAddress {
 public:
  /// sockaddr_un's room without the terminating NUL.
  static constexpr std::size_t kUnixPathBytesMax = 107;

  /// 0.0.0.0:0
  SocketAddress() noexcept = default;
  SocketAddress(IpAddress ip, std::uint16_t port) noexcept : ip_(ip), port_(port) {}
  /// nullopt: empty, longer than kUnixPathBytesMax, or with a NUL.
  [[nodiscard]] static std::optional<SocketAddress> unix_path(std::string_view path) noexcept;
  /// "192.0.2.1:80", "[2001:db8::1]:80" or "unix:/path". The port is needed; 0 is one.
  [[nodiscard]] static std::optional<SocketAddress> parse(std::string_view text) noexcept;
  /// From accept, getsockname or getpeername; nullopt for a foreign family. The scope id is
  /// dropped. An unnamed Unix peer has an empty path.
  [[nodiscard]] static std::optional<SocketAddress> from_raw(const sockaddr* address,
                                                             socklen_t length) noexcept;

  [[nodiscard]] bool is_unix() const noexcept { return is_unix_; }
  /// Only when not is_unix().
  [[nodiscard]] const IpAddress& ip() const noexcept { return ip_; }
  /// 0 for Unix sockets.
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  /// Empty when not is_unix(). Valid as long as this object.
  [[nodiscard]] std::string_view path() const noexcept { return {path_.data(), path_length_}; }
  /// AF_INET, AF_INET6 or AF_UNIX.
  [[nodiscard]] int native_family() const noexcept;
  [[nodiscard]] SocketAddress with_port(std::uint16_t port) const noexcept;
  /// See IpAddress::unmapped.
  [[nodiscard]] SocketAddress unmapped() const noexcept;
  [[nodiscard]] RawSocketAddress to_raw() const noexcept;
  /// The form that parse reads.
  [[nodiscard]] std::string to_string() const;

  friend auto operator<=>(const SocketAddress&, const SocketAddress&) noexcept = default;

 private:
  IpAddress ip_;
  std::uint16_t port_ = 0;
  bool is_unix_ = false;
  std::uint8_t path_length_ = 0;
  std::array<char, kUnixPathBytesMax> path_{};  // zeros behind path_length_
};

/// A network in CIDR form. An IPv4 network never contains an IPv6 address, v4-mapped ones included.
class Network {
 public:
  /// `prefix_bits` at most 32 or 128; host bits of `base` are cleared.
  Network(IpAddress base, unsigned prefix_bits) noexcept;
  /// "10.0.0.0/8", "fc00::/7"; a bare address is a network of one. nullopt when host bits are set:
  /// "10.1.0.0/8" is a slip more often than an intention.
  [[nodiscard]] static std::optional<Network> parse(std::string_view text) noexcept;

  [[nodiscard]] bool contains(const IpAddress& address) const noexcept;
  [[nodiscard]] const IpAddress& base() const noexcept { return base_; }
  [[nodiscard]] unsigned prefix_bits() const noexcept { return prefix_bits_; }
  [[nodiscard]] std::string to_string() const;

  friend auto operator<=>(const Network&, const Network&) noexcept = default;

 private:
  IpAddress base_;
  std::uint8_t prefix_bits_;
};

}  // namespace millrace::net

template <>
struct std::hash<millrace::net::IpAddress> {
  std::size_t operator()(const millrace::net::IpAddress& a) const noexcept;
};
template <>
struct std::hash<millrace::net::SocketAddress> {
  std::size_t operator()(const millrace::net::SocketAddress& a) const noexcept;
};
