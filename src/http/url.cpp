#include "http/url.hpp"

#include "http/ascii.hpp"
#include "http/ip_literal.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include <arpa/inet.h>

namespace millrace::http {
namespace {

constexpr std::size_t kNameBytesMax = 253;
constexpr std::size_t kLabelBytesMax = 63;

std::uint16_t default_port(bool https) noexcept {
  return https ? 443 : 80;
}

bool is_high(char c) noexcept {
  return static_cast<unsigned char>(c) >= 0x80;
}

bool is_url_byte(char c) noexcept {
  return is(c, kTargetByte) || c == '#' || is_high(c);
}

// 1*63 letters, digits and inner hyphens (RFC 1123 section 2.1).
bool is_label(std::string_view label) noexcept {
  const auto inner = [](char c) { return is(c, kAlpha) || is(c, kDigit) || c == '-'; };
  return !label.empty() && label.size() <= kLabelBytesMax && label.front() != '-' &&
         label.back() != '-' && std::ranges::all_of(label, inner);
}

bool is_dns_name(std::string_view name) noexcept {
  if (name.size() > kNameBytesMax) return false;
  for (;;) {
    const std::size_t dot = name.find('.');
    if (!is_label(name.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

// inet_aton and browsers read such a name as an address.
bool ends_in_number(std::string_view name) noexcept {
  const std::string_view last = name.substr(name.rfind('.') + 1);
  return (!last.empty() && all_are(last, kDigit)) || istarts_with(last, "0x");
}

std::string lowered(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), to_lower);
  return out;
}

Result<void> parse_ipv6_host(std::string_view text, Url& url) {
  if (text.find('%') != std::string_view::npos) return fail(Errc::kUrlRefused);
  const auto address = parse_ipv6(text);
  if (!address) return fail(Errc::kBadParameter);
  std::array<char, INET6_ADDRSTRLEN> canonical;
  ::inet_ntop(AF_INET6, address->data(), canonical.data(), canonical.size());
  url.host = canonical.data();
  url.kind = HostKind::kIpv6;
  return {};
}

Result<void> parse_name_or_ipv4(std::string_view host, Url& url) {
  const auto disguised = [](char c) { return c == '%' || is_high(c); };
  if (std::ranges::any_of(host, disguised)) return fail(Errc::kUrlRefused);
  if (host.ends_with('.')) host.remove_suffix(1);
  if (host.empty()) return fail(Errc::kBadParameter);
  if (ends_in_number(host)) {
    if (!parse_ipv4(host)) return fail(Errc::kUrlRefused);
    url.kind = HostKind::kIpv4;
  } else if (!is_dns_name(host)) {
    return fail(Errc::kBadParameter);
  }
  url.host = lowered(host);
  return {};
}

Result<void> parse_port(std::string_view text, Url& url) noexcept {
  url.port = default_port(url.https);
  if (text.empty()) return {};
  if (text.front() != ':') return fail(Errc::kBadParameter);
  text.remove_prefix(1);
  if (text.empty()) return {};
  const std::optional<std::uint64_t> port = parse_decimal(text);
  if (text.size() > 5 || !port || *port == 0 || *port > 65535) return fail(Errc::kBadParameter);
  url.port = static_cast<std::uint16_t>(*port);
  return {};
}

Result<void> parse_url_authority(std::string_view text, Url& url) {
  if (text.find('@') != std::string_view::npos) return fail(Errc::kUrlRefused);
  std::size_t host_end = std::min(text.find(':'), text.size());
  Result<void> host;
  if (text.starts_with('[')) {
    const std::size_t bracket = text.find(']');
    if (bracket == std::string_view::npos) return fail(Errc::kBadParameter);
    host = parse_ipv6_host(text.substr(1, bracket - 1), url);
    host_end = bracket + 1;
  } else {
    host = parse_name_or_ipv4(text.substr(0, host_end), url);
  }
  if (!host) return host;
  return parse_port(text.substr(host_end), url);
}

void set_target(std::string_view text, Url& url) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string target;
  if (!text.starts_with('/')) target = "/";
  for (const char c : text.substr(0, text.find('#'))) {
    if (!is_high(c)) {
      target += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    target.append(1, '%').append(1, kDigits[byte >> 4]).append(1, kDigits[byte & 15]);
  }
  const std::size_t path_bytes = std::min(target.find('?'), target.size());
  const std::size_t kept = remove_dot_segments(target.data(), path_bytes);
  target.erase(kept, path_bytes - kept);
  url.target = std::move(target);
}

// Does the reference begin with a scheme (RFC 3986 section 3.1)?
bool has_scheme(std::string_view reference) noexcept {
  const std::string_view scheme = reference.substr(0, reference.find_first_of(":/?#"));
  if (scheme.size() == reference.size() || reference[scheme.size()] != ':') return false;
  return !scheme.empty() && is(scheme.front(), kAlpha) && std::ranges::all_of(scheme, [](char c) {
    return is(c, kAlpha) || is(c, kDigit) || c == '+' || c == '-' || c == '.';
  });
}

}  // namespace

std::string Url::authority() const {
  std::string out = kind == HostKind::kIpv6 ? "[" + host + "]" : host;
  if (port != default_port(https)) out.append(":").append(std::to_string(port));
  return out;
}

std::string Url::text() const {
  return (https ? "https://" : "http://") + authority() + target;
}

Result<Url> parse_url(std::string_view text) {
  if (text.size() > kUrlBytesMax || !std::ranges::all_of(text, is_url_byte))
    return fail(Errc::kBadParameter);
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos || !has_scheme(text)) return fail(Errc::kBadParameter);
  const std::string_view scheme = text.substr(0, colon);
  Url url;
  url.https = iequals(scheme, "https");
  if (!url.https && !iequals(scheme, "http")) return fail(Errc::kUrlRefused);
  text.remove_prefix(colon + 3);
  const std::size_t authority_end = std::min(text.find_first_of("/?#"), text.size());
  if (const auto valid = parse_url_authority(text.substr(0, authority_end), url); !valid)
    return fail(valid.error());
  set_target(text.substr(authority_end), url);
  return url;
}

Result<Url> resolve_url(const Url& base, std::string_view reference) {
  reference = reference.substr(0, reference.find('#'));
  if (has_scheme(reference)) return parse_url(reference);
  std::string scheme = base.https ? "https:" : "http:";
  if (reference.starts_with("//")) return parse_url(scheme.append(reference));
  const std::string_view path = std::string_view(base.target).substr(0, base.target.find('?'));
  std::string text = scheme + "//" + base.authority();
  if (reference.empty())
    text += base.target;
  else if (reference.starts_with('?'))
    text.append(path).append(reference);
  else if (reference.starts_with('/'))
    text += reference;
  else
    text.append(path.substr(0, path.rfind('/') + 1)).append(reference);
  return parse_url(text);
}

bool same_origin(const Url& a, const Url& b) noexcept {
  return a.https == b.https && a.port == b.port && a.host == b.host;
}

}  // namespace millrace::http
