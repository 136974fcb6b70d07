#include "config/address.hpp"

#include "http/ascii.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include <arpa/inet.h>

namespace millrace::config {
namespace {

constexpr std::string_view kAddressExpected =
    "expected an address such as \"127.0.0.1:8080\", \"[::1]:8080\" or \"unix:/run/millrace.sock\"";
constexpr std::string_view kTargetExpected =
    "expected a target such as \"http://127.0.0.1:8000\", \"https://example.com\" or "
    "\"unix:/run/app.sock\"";

std::unexpected<std::string> wrong(std::string_view expected, std::string_view text) {
  return std::unexpected(std::string(expected) + ", got " + quote(text));
}

std::string canonical(int family, std::string_view text) {
  const std::string terminated(text);
  std::array<std::uint8_t, 16> bytes{};
  if (inet_pton(family, terminated.c_str(), bytes.data()) != 1) return {};
  std::array<char, INET6_ADDRSTRLEN> out{};
  return inet_ntop(family, bytes.data(), out.data(), out.size());
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return port;
}

/// host[:port] or [v6][:port] taken apart; nothing is judged but the brackets.
struct HostPort {
  std::string_view host;
  std::optional<std::string_view> port;
  bool bracketed = false;
};

std::optional<HostPort> split_authority(std::string_view text) {
  HostPort out;
  std::string_view rest;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    out.host = text.substr(1, end - 1);
    out.bracketed = true;
    rest = text.substr(end + 1);
  } else {
    out.host = text.substr(0, text.find(':'));
    rest = text.substr(out.host.size());
  }
  if (rest.empty()) return out;
  if (!rest.starts_with(':')) return std::nullopt;
  out.port = rest.substr(1);
  return out;
}

Parsed<Address> parse_unix_address(std::string_view path) {
  if (path.empty() || path.starts_with('@')) {
    return std::unexpected(
        "expected \"unix:\" and the path of a socket, such as \"unix:/run/millrace.sock\"");
  }
  return Address{Address::Family::kUnix, std::string(path), 0};
}

/// The usual short forms of other servers, answered with what they would have been here.
std::string address_hint(std::string_view text) {
  if (const auto port = parse_port(text); port)
    return ", did you mean \"127.0.0.1:" + std::string(text) + "\"?";
  const bool any = text.starts_with(':') || text.starts_with("*:");
  const auto digits = text.substr(std::min(text.size(), text.find(':') + 1));
  if (any && parse_port(digits)) return ", did you mean \"0.0.0.0:" + std::string(digits) + "\"?";
  if (!canonical_ipv6(text).empty()) return ", did you mean \"[" + std::string(text) + "]:8080\"?";
  if (text.starts_with('/')) return ", did you mean \"unix:" + std::string(text) + "\"?";
  return {};
}

bool is_number_label(std::string_view label) {
  if (label.starts_with("0x") || label.starts_with("0X")) return true;
  return http::all_are(label, http::kDigit);
}

Parsed<Target> parse_unix_target(std::string_view path) {
  if (path.empty() || path.starts_with('@')) {
    return std::unexpected(
        "expected \"unix:\" and the path of a socket, such as \"unix:/run/app.sock\"");
  }
  return Target{Target::Kind::kUnix, false, std::string(path), 0};
}

/// The service says which protocol: _https is TLS, _h2c HTTP/2 without it.
Parsed<Target> parse_srv_target(std::string_view service) {
  Target target{.kind = Target::Kind::kSrv, .host = std::string(service)};
  std::ranges::transform(target.host, target.host.begin(), http::to_lower);
  const std::string_view host = target.host;
  const std::size_t protocol = host.find("._tcp.");
  if (!host.starts_with('_') || protocol == std::string_view::npos || !is_host_name(host)) {
    return std::unexpected(
        "expected \"srv:\" and the name of a service, such as \"srv:_http._tcp.example.com\"");
  }
  target.tls = host.substr(0, protocol) == "_https";
  target.h2c = host.substr(0, protocol) == "_h2c";
  return target;
}

/// Judges the host of a URL; fills kind and host.
bool set_host(Target& target, const HostPort& parts) {
  if (parts.bracketed) {
    target.kind = Target::Kind::kIpv6;
    target.host = canonical_ipv6(parts.host);
    return !target.host.empty();
  }
  target.host = canonical_ipv4(parts.host);
  if (!target.host.empty()) {
    target.kind = Target::Kind::kIpv4;
    return true;
  }
  target.kind = Target::Kind::kName;
  target.host.assign(parts.host);
  std::ranges::transform(target.host, target.host.begin(), http::to_lower);
  return is_host_name(parts.host);
}

Parsed<Target> parse_url_target(std::string_view text, std::string_view authority, bool tls) {
  if (authority.ends_with('/')) authority.remove_suffix(1);
  if (authority.find_first_of("/?#") != std::string_view::npos) {
    return std::unexpected("a target is scheme, host and port without a path, got " + quote(text));
  }
  if (authority.find('@') != std::string_view::npos) {
    return std::unexpected("a target carries no user name or password");
  }
  const auto parts = split_authority(authority);
  if (!parts) return wrong(kTargetExpected, text);
  Target target;
  target.tls = tls;
  target.port = tls ? 443 : 80;
  if (!set_host(target, *parts)) return wrong(kTargetExpected, text);
  if (!parts->port) return target;
  const auto port = parse_port(*parts->port);
  if (!port || *port == 0)
    return std::unexpected("expected a port from 1 to 65535, got " + quote(text));
  target.port = *port;
  return target;
}

}  // namespace

bool is_host_name(std::string_view text) noexcept {
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.empty() || text.size() > 253) return false;
  std::string_view label;
  while (true) {
    label = text.substr(0, text.find('.'));
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-')
      return false;
    if (!std::ranges::all_of(label, [](char c) {
          return http::is(c, http::kDigit) || http::is(c, http::kAlpha) || c == '-' || c == '_';
        })) {
      return false;
    }
    if (label.size() == text.size()) break;
    text.remove_prefix(label.size() + 1);
  }
  return !is_number_label(label);
}

std::string canonical_ipv4(std::string_view text) {
  return canonical(AF_INET, text);
}
std::string canonical_ipv6(std::string_view text) {
  return canonical(AF_INET6, text);
}

bool Address::is_loopback() const noexcept {
  return is_unix() || (family == Family::kIpv4 ? host.starts_with("127.") : host == "::1");
}

bool Address::is_any() const noexcept {
  return !is_unix() && (host == "0.0.0.0" || host == "::");
}

std::string Address::text() const {
  if (is_unix()) return "unix:" + host;
  const std::string port_text = ":" + std::to_string(port);
  return family == Family::kIpv6 ? "[" + host + "]" + port_text : host + port_text;
}

Parsed<Address> parse_address(std::string_view text) {
  if (text.starts_with("unix:")) return parse_unix_address(text.substr(5));
  const auto parts = split_authority(text);
  if (!parts || !parts->port)
    return std::unexpected(wrong(kAddressExpected, text).error() + address_hint(text));
  Address address;
  if (parts->bracketed) {
    address.family = Address::Family::kIpv6;
    address.host = canonical_ipv6(parts->host);
  } else {
    address.host =
        http::iequals(parts->host, "localhost") ? "127.0.0.1" : canonical_ipv4(parts->host);
  }
  if (address.host.empty()) {
    if (is_host_name(parts->host)) {
      return std::unexpected("listening needs a literal address or localhost, got the name " +
                             quote(parts->host));
    }
    return std::unexpected(wrong(kAddressExpected, text).error() + address_hint(text));
  }
  const auto port = parse_port(*parts->port);
  if (!port) return std::unexpected("expected a port from 0 to 65535, got " + quote(*parts->port));
  address.port = *port;
  return address;
}

bool collide(const Address& a, const Address& b) noexcept {
  if (a.family != b.family) return false;
  if (a.is_unix()) return a.host == b.host;
  if (a.port == 0 || a.port != b.port) return false;
  return a.host == b.host || a.is_any() || b.is_any();
}

bool Network::contains(std::span<const std::uint8_t> address) const noexcept {
  if (address.size() != (v6 ? 16U : 4U)) return false;
  const std::size_t whole = prefix_bits / 8;
  if (!std::equal(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(whole),
                  address.begin())) {
    return false;
  }
  const int rest = prefix_bits % 8;
  if (rest == 0) return true;
  const int mask = 0xff << (8 - rest) & 0xff;
  return ((bytes[whole] ^ address[whole]) & mask) == 0;
}

std::string Network::text() const {
  std::array<char, INET6_ADDRSTRLEN> out{};
  inet_ntop(v6 ? AF_INET6 : AF_INET, bytes.data(), out.data(), out.size());
  return std::string(out.data()) + "/" + std::to_string(prefix_bits);
}

Parsed<Network> parse_network(std::string_view text) {
  constexpr std::string_view kExpected =
      "expected a network such as \"10.0.0.0/8\" or \"fd00::/8\"";
  const auto slash = text.find('/');
  const std::string host(text.substr(0, slash));
  Network network;
  network.v6 = host.find(':') != std::string::npos;
  if (inet_pton(network.v6 ? AF_INET6 : AF_INET, host.c_str(), network.bytes.data()) != 1) {
    return wrong(kExpected, text);
  }
  const std::uint8_t bits_max = network.v6 ? 128 : 32;
  network.prefix_bits = bits_max;
  if (slash == std::string_view::npos) return network;
  const auto bits = parse_port(text.substr(slash + 1));  // a small number, just as well
  if (!bits || *bits > bits_max) {
    return std::unexpected("expected a prefix length from 0 to " + std::to_string(bits_max) +
                           ", got " + quote(text));
  }
  network.prefix_bits = static_cast<std::uint8_t>(*bits);
  Network meant = network;
  for (unsigned bit = network.prefix_bits; bit < bits_max; ++bit) {
    meant.bytes[bit / 8] = static_cast<std::uint8_t>(meant.bytes[bit / 8] & ~(0x80U >> (bit % 8)));
  }
  if (meant == network) return network;
  return std::unexpected(quote(text) + " has bits behind its prefix, did you mean " +
                         quote(meant.text()) + "?");
}

std::string Target::authority() const {
  if (kind == Kind::kUnix) return "localhost";
  if (kind == Kind::kSrv) return host.substr(host.find("._tcp.") + 6);
  const std::string name = kind == Kind::kIpv6 ? "[" + host + "]" : host;
  return port == (tls ? 443 : 80) ? name : name + ":" + std::to_string(port);
}

std::string Target::text() const {
  if (kind == Kind::kUnix) return "unix:" + host;
  if (kind == Kind::kSrv) return "srv:" + host;
  if (h2c) return "h2c://" + authority();
  return (tls ? "https://" : "http://") + authority();
}

Parsed<Target> parse_target(std::string_view text) {
  if (text.starts_with("unix:")) return parse_unix_target(text.substr(5));
  if (text.starts_with("http://")) return parse_url_target(text, text.substr(7), false);
  if (text.starts_with("https://")) return parse_url_target(text, text.substr(8), true);
  if (text.starts_with("h2c://")) {
    auto target = parse_url_target(text, text.substr(6), false);
    if (target) target->h2c = true;
    return target;
  }
  if (text.starts_with("srv:")) return parse_srv_target(text.substr(4));
  std::string hint;
  if (text.starts_with('/')) hint = ", did you mean \"unix:" + std::string(text) + "\"?";
  if (const auto bare = parse_url_target(text, text, false); bare) {
    hint = ", did you mean " + quote("http://" + std::string(text)) + "?";
  }
  return std::unexpected(wrong(kTargetExpected, text).error() + hint);
}

std::string PortRange::text() const {
  const std::string from = std::to_string(first);
  return first == last ? from : from + "-" + std::to_string(last);
}

Parsed<PortRange> parse_port_range(std::string_view text) {
  constexpr std::string_view kExpected = "expected a port or a range such as \"1024-65535\"";
  const std::size_t dash = text.find('-');
  const auto first = parse_port(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_port(text.substr(dash + 1));
  if (!first || !last || *first == 0 || *last < *first) return wrong(kExpected, text);
  return PortRange{*first, *last};
}

}  // namespace millrace::config
