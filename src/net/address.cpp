#include "net/address.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

namespace millrace::net {

namespace {

constexpr std::array<std::uint8_t, 12> kV4MappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr std::string_view kUnixScheme = "unix:";

bool is_v4_mapped(const IpAddress& a) noexcept {
  return a.is_v6() && std::ranges::equal(a.bytes().first<12>(), kV4MappedPrefix);
}

/// Decimal digits only, no sign, no leading zeros, at most `max`.
std::optional<unsigned> parse_number(std::string_view text, unsigned max) noexcept {
  if (text.empty() || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > max) return std::nullopt;
  return value;
}

unsigned address_bits(Family family) noexcept {
  return family == Family::kV4 ? 32 : 128;
}

/// The bits of octet `i` that a prefix of `bits` covers.
std::uint8_t mask_at(std::size_t i, unsigned bits) noexcept {
  const unsigned before = static_cast<unsigned>(i) * 8;
  if (bits >= before + 8) return 0xff;
  if (bits <= before) return 0;
  return static_cast<std::uint8_t>(0xff00U >> (bits - before));
}

IpAddress masked(const IpAddress& address, unsigned bits) noexcept {
  std::array<std::uint8_t, 16> out{};
  const auto in = address.bytes();
  for (std::size_t i = 0; i < in.size(); ++i)
    out[i] = static_cast<std::uint8_t>(in[i] & mask_at(i, bits));
  if (address.is_v6()) return IpAddress::v6(out);
  return IpAddress::v4({out[0], out[1], out[2], out[3]});
}

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) noexcept {
  // inet_pton is as strict as we want to be, but reads up to a NUL.
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (text.empty() || text.size() >= terminated.size() || text.contains('\0')) return std::nullopt;
  std::ranges::copy(text, terminated.begin());
  if (text.contains(':')) {
    std::array<std::uint8_t, 16> octets{};
    if (::inet_pton(AF_INET6, terminated.data(), octets.data()) != 1) return std::nullopt;
    return v6(octets);
  }
  std::array<std::uint8_t, 4> octets{};
  if (::inet_pton(AF_INET, terminated.data(), octets.data()) != 1) return std::nullopt;
  return v4(octets);
}

bool IpAddress::is_loopback() const noexcept {
  const IpAddress a = unmapped();
  return a.is_v4() ? a.bytes_[0] == 127 : a == loopback(Family::kV6);
}

IpAddress IpAddress::unmapped() const noexcept {
  if (!is_v4_mapped(*this)) return *this;
  return v4({bytes_[12], bytes_[13], bytes_[14], bytes_[15]});
}

std::string IpAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  return ::inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes_.data(), text.data(), text.size());
}

std::optional<SocketAddress> SocketAddress::unix_path(std::string_view path) noexcept {
  if (path.empty() || path.size() > kUnixPathBytesMax || path.contains('\0')) return std::nullopt;
  SocketAddress a;
  a.is_unix_ = true;
  a.path_length_ = static_cast<std::uint8_t>(path.size());
  std::ranges::copy(path, a.path_.begin());
  return a;
}

std::optional<SocketAddress> SocketAddress::parse(std::string_view text) noexcept {
  if (text.starts_with(kUnixScheme)) return unix_path(text.substr(kUnixScheme.size()));
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = parse_number(text.substr(colon + 1), 65535);
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto ip = IpAddress::parse(host);
  if (!port || !ip || ip->is_v6() != bracketed) return std::nullopt;
  return SocketAddress(*ip, static_cast<std::uint16_t>(*port));
}

std::optional<SocketAddress> SocketAddress::from_raw(const sockaddr* address,
                                                     socklen_t length) noexcept {
  // Copies rather than casts: the caller's buffer may be of any type and alignment.
  if (length < sizeof(sa_family_t)) return std::nullopt;
  sockaddr_storage any{};
  std::memcpy(&any, address, std::min<std::size_t>(length, sizeof any));
  if (any.ss_family == AF_INET && length >= sizeof(sockaddr_in)) {
    sockaddr_in in{};
    std::memcpy(&in, &any, sizeof in);
    std::array<std::uint8_t, 4> octets{};
    std::memcpy(octets.data(), &in.sin_addr, octets.size());
    return SocketAddress(IpAddress::v4(octets), ntohs(in.sin_port));
  }
  if (any.ss_family == AF_INET6 && length >= sizeof(sockaddr_in6)) {
    sockaddr_in6 in{};
    std::memcpy(&in, &any, sizeof in);
    std::array<std::uint8_t, 16> octets{};
    std::memcpy(octets.data(), &in.sin6_addr, octets.size());
    return SocketAddress(IpAddress::v6(octets), ntohs(in.sin6_port));
  }
  if (any.ss_family != AF_UNIX) return std::nullopt;
  sockaddr_un un{};
  std::memcpy(&un, &any, std::min<std::size_t>(length, sizeof un));
  const std::size_t room =
      std::min<std::size_t>(length, sizeof un) - offsetof(sockaddr_un, sun_path);
  const std::string_view path(un.sun_path, ::strnlen(un.sun_path, room));
  if (path.size() > kUnixPathBytesMax) return std::nullopt;
  SocketAddress unnamed;
  unnamed.is_unix_ = true;
  return path.empty() ? unnamed : unix_path(path);
}

int SocketAddress::native_family() const noexcept {
  if (is_unix_) return AF_UNIX;
  return ip_.is_v4() ? AF_INET : AF_INET6;
}

SocketAddress SocketAddress::with_port(std::uint16_t port) const noexcept {
  SocketAddress a = *this;
  if (!is_unix_) a.port_ = port;
  return a;
}

SocketAddress SocketAddress::unmapped() const noexcept {
  SocketAddress a = *this;
  a.ip_ = ip_.unmapped();
  return a;
}

RawSocketAddress SocketAddress::to_raw() const noexcept {
  RawSocketAddress raw;
  const auto put = [&raw](const auto& specific, std::size_t length) {
    std::memcpy(&raw.storage, &specific, sizeof specific);
    raw.length = static_cast<socklen_t>(length);
  };
  if (is_unix_) {
    sockaddr_un un{};
    un.sun_family = AF_UNIX;
    std::ranges::copy(path(), un.sun_path);
    put(un, offsetof(sockaddr_un, sun_path) + path_length_ + 1U);
  } else if (ip_.is_v4()) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port_);
    std::memcpy(&in.sin_addr, ip_.bytes().data(), sizeof in.sin_addr);
    put(in, sizeof in);
  } else {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(port_);
    std::memcpy(&in.sin6_addr, ip_.bytes().data(), sizeof in.sin6_addr);
    put(in, sizeof in);
  }
  return raw;
}

std::string SocketAddress::to_string() const {
  if (is_unix_) return std::string(kUnixScheme).append(path());
  const std::string ip = ip_.to_string();
  return (ip_.is_v6() ? '[' + ip + ']' : ip) + ':' + std::to_string(port_);
}

Network::Network(IpAddress base, unsigned prefix_bits) noexcept
    : base_(masked(base, prefix_bits)), prefix_bits_(static_cast<std::uint8_t>(prefix_bits)) {}

std::optional<Network> Network::parse(std::string_view text) noexcept {
  const std::size_t slash = text.find('/');
  const auto base = IpAddress::parse(text.substr(0, slash));
  if (!base) return std::nullopt;
  const unsigned bits_max = address_bits(base->family());
  if (slash == std::string_view::npos) return Network(*base, bits_max);
  const auto bits = parse_number(text.substr(slash + 1), bits_max);
  if (!bits) return std::nullopt;
  const Network network(*base, *bits);
  if (network.base_ != *base) return std::nullopt;
  return network;
}

bool Network::contains(const IpAddress& address) const noexcept {
  return address.family() == base_.family() && masked(address, prefix_bits_) == base_;
}

std::string Network::to_string() const {
  return base_.to_string() + '/' + std::to_string(prefix_bits_);
}

}  // namespace millrace::net

namespace {

std::string_view as_text(std::span<const std::uint8_t> bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

std::size_t std::hash<millrace::net::IpAddress>::operator()(
    const millrace::net::IpAddress& a) const noexcept {
  return std::hash<std::string_view>()(as_text(a.bytes()));
}

std::size_t std::hash<millrace::net::SocketAddress>::operator()(
    const millrace::net::SocketAddress& a) const noexcept {
  if (a.is_unix()) return std::hash<std::string_view>()(a.path());
  return std::hash<millrace::net::IpAddress>()(a.ip()) * 31 + a.port();
}
