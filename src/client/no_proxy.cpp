#include "client/no_proxy.hpp"

#include "http/ascii.hpp"

#include <algorithm>
#include <utility>

namespace millrace::client {
namespace {

constexpr std::string_view kSeparators = ", \t\r\n";

std::optional<std::uint16_t> parse_port(std::string_view text) noexcept {
  const auto port = http::parse_decimal(text);
  if (!port || *port == 0 || *port > UINT16_MAX) return std::nullopt;
  return static_cast<std::uint16_t>(*port);
}

net::Network just(const net::IpAddress& ip) noexcept {
  return {ip.unmapped(), ip.unmapped().is_v4() ? 32U : 128U};
}

// Bits behind the prefix do not matter to curl.
std::optional<net::Network> parse_network(std::string_view text, std::size_t slash) noexcept {
  const auto base = net::IpAddress::parse(text.substr(0, slash));
  const auto bits = http::parse_decimal(text.substr(slash + 1));
  if (!base || !bits || *bits > (base->is_v4() ? 32U : 128U)) return std::nullopt;
  return net::Network(*base, static_cast<unsigned>(*bits));
}

/// The name without what does not matter about it; empty: it is none.
std::string suffix_of(std::string_view text) {
  if (text.starts_with("*.")) text.remove_prefix(2);
  if (text.starts_with('.')) text.remove_prefix(1);
  if (text.ends_with('.')) text.remove_suffix(1);
  std::string out(text);
  std::ranges::transform(out, out.begin(), http::to_lower);
  return out;
}

bool is_within(std::string_view host, std::string_view suffix) noexcept {
  if (!host.ends_with(suffix)) return false;
  return host.size() == suffix.size() || host[host.size() - suffix.size() - 1] == '.';
}

/// Takes ":port" and brackets off. False: the port is none.
bool split_port(std::string_view& host, std::uint16_t& port) noexcept {
  std::string_view rest;
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    if (end == std::string_view::npos) return false;
    rest = host.substr(end + 1);
    host = host.substr(1, end - 1);
  } else if (const std::size_t colon = host.find(':'); colon != std::string_view::npos) {
    rest = host.substr(colon);
    host = host.substr(0, colon);
  }
  if (rest.empty()) return true;
  const auto parsed = rest.front() == ':' ? parse_port(rest.substr(1)) : std::nullopt;
  port = parsed.value_or(0);
  return parsed.has_value();
}

}  // namespace

std::optional<NoProxy::Entry> NoProxy::parse_entry(std::string_view text) {
  Entry entry;
  if (const std::size_t slash = text.find('/'); slash != std::string_view::npos) {
    entry.network = parse_network(text, slash);
    if (!entry.network) return std::nullopt;
    return entry;
  }
  // Before the port: the colons of an IPv6 address without brackets are none.
  auto ip = net::IpAddress::parse(text);
  if (!ip) {
    if (!split_port(text, entry.port)) return std::nullopt;
    ip = net::IpAddress::parse(text);
  }
  if (ip) {
    entry.network = just(*ip);
    return entry;
  }
  entry.suffix = suffix_of(text);
  if (entry.suffix.empty()) return std::nullopt;
  return entry;
}

NoProxy NoProxy::parse(std::string_view list) {
  NoProxy out;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find_first_of(kSeparators), list.size());
    const std::string_view text = list.substr(0, end);
    list.remove_prefix(std::min(end + 1, list.size()));
    if (text == "*") {
      out.all_ = true;
    } else if (auto entry = parse_entry(text)) {
      out.entries_.push_back(std::move(*entry));
    }
  }
  return out;
}

bool NoProxy::matches(std::string_view host, std::uint16_t port) const noexcept {
  if (all_) return true;
  const auto ip = net::IpAddress::parse(host);
  return std::ranges::any_of(entries_, [&](const Entry& entry) {
    if (entry.port != 0 && entry.port != port) return false;
    if (ip) return entry.network && entry.network->contains(ip->unmapped());
    return !entry.network && is_within(host, entry.suffix);
  });
}

}  // namespace millrace::client
