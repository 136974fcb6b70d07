#include "server/router.hpp"

#include <algorithm>
#include <array>

namespace millrace::server {
namespace {

using http::Method;

/// The host of "host:port", "[v6]:port"; without brackets, port and final dot.
std::string_view host_of(std::string_view authority) noexcept {
  if (authority.starts_with('[')) return authority.substr(1, authority.find(']') - 1);
  std::string_view host = authority.substr(0, authority.find(':'));
  if (host.ends_with('.')) host.remove_suffix(1);
  return host;
}

/// Lower case into a buffer of the longest host name; longer ones match nothing but `*`.
class LowerHost {
 public:
  explicit LowerHost(std::string_view host) noexcept {
    if (host.size() > buffer_.size()) return;
    std::ranges::transform(host, buffer_.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    });
    size_ = host.size();
  }
  [[nodiscard]] std::string_view view() const noexcept { return {buffer_.data(), size_}; }

 private:
  std::array<char, 255> buffer_;
  std::size_t size_ = 0;
};

bool match_host(const config::HostPattern& pattern, std::string_view authority) noexcept {
  return pattern.matches_all() || pattern.matches(LowerHost(host_of(authority)).view());
}

bool match_method(const std::vector<Method>& methods, Method method) noexcept {
  if (methods.empty()) return true;
  const auto has = [&](Method m) { return std::ranges::find(methods, m) != methods.end(); };
  return has(method) || (method == Method::kHead && has(Method::kGet));
}

}  // namespace

bool match_path(const config::PathPattern& pattern, std::string_view path,
                std::string_view& rest) noexcept {
  if (path.empty() || path.front() != '/') return false;
  std::size_t at = 0;
  for (const auto& segment : pattern.segments) {
    if (at >= path.size() || path[at] != '/') return false;
    const std::size_t end = std::min(path.find('/', at + 1), path.size());
    const std::string_view text = path.substr(at + 1, end - at - 1);
    if (segment.parameter ? text.empty() : text != segment.text) return false;
    at = end;
  }
  rest = path.substr(at);
  if (pattern.wildcard) return rest.starts_with('/');
  return rest.empty();
}

void Router::add(config::RouteMatch match, Handler& handler) {
  entries_.push_back({std::move(match), &handler});
}

Router::Found Router::find(Exchange& exchange) const {
  Found found;
  for (const Entry& e : entries_) {
    std::string_view rest;
    if (!match_path(e.match.path, exchange.request.path, rest)) continue;
    if (!match_host(e.match.host, exchange.request.authority)) continue;
    if (!match_method(e.match.method, exchange.request.method)) {
      found.other_method = true;
      continue;
    }
    exchange.route_path = rest;
    exchange.route_name = e.match.path.text;
    found.handler = e.handler;
    return found;
  }
  return found;
}

std::string Router::allowed(const Exchange& exchange) const {
  std::vector<Method> methods;
  const auto add = [&](Method m) {
    if (std::ranges::find(methods, m) == methods.end()) methods.push_back(m);
  };
  for (const Entry& e : entries_) {
    std::string_view rest;
    if (!match_path(e.match.path, exchange.request.path, rest)) continue;
    if (!match_host(e.match.host, exchange.request.authority)) continue;
    for (const Method m : e.match.method) {
      add(m);
      if (m == Method::kGet) add(Method::kHead);
    }
  }
  if (!methods.empty()) add(Method::kOptions);
  std::string out;
  for (const Method m : methods) {
    if (!out.empty()) out += ", ";
    out += http::method_name(m);
  }
  return out;
}

}  // namespace millrace::server
