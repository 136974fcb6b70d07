#include "server/router.hpp"

#include "http/ascii.hpp"
#include "http/query.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <span>

namespace millrace::server {
namespace {

using http::Method;
using RouteIndex = PathTrie::RouteIndex;

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
    std::ranges::transform(host, buffer_.begin(), http::to_lower);
    size_ = host.size();
  }
  [[nodiscard]] std::string_view view() const noexcept { return {buffer_.data(), size_}; }

 private:
  std::array<char, 255> buffer_;
  std::size_t size_ = 0;
};

bool match_method(const std::vector<Method>& methods, Method method) noexcept {
  if (methods.empty()) return true;
  const auto has = [&](Method m) { return std::ranges::find(methods, m) != methods.end(); };
  return has(method) || (method == Method::kHead && has(Method::kGet));
}

}  // namespace

/// What routes ask of a request beside host, path and method. The query is read when it is first
/// asked for; what cannot be decoded in it stands for itself.
class Router::Conditions {
 public:
  explicit Conditions(const http::RequestHead& request) noexcept : request_(request) {}

  [[nodiscard]] bool hold(const Entry& entry) {
    return std::ranges::all_of(entry.fields, [&](const auto& c) { return has_field(c); }) &&
           std::ranges::all_of(entry.match.query,
                               [&](const auto& c) { return has_parameter(c.first, c.second); });
  }

 private:
  [[nodiscard]] bool has_field(const FieldCondition& condition) const noexcept {
    // Over HTTP/2 there is no such field.
    if (condition.id == http::FieldId::kHost) return condition.pattern->matches(request_.authority);
    return std::ranges::any_of(request_.fields, [&](const http::Field& field) {
      if (field.id != condition.id || !condition.pattern->matches(field.value)) return false;
      return field.id != http::FieldId::kOther || http::iequals(field.name, condition.name);
    });
  }
  [[nodiscard]] bool has_parameter(std::string_view name, const config::TextPattern& pattern) {
    if (!query_) query_ = http::Query::parse_leniently(request_.query);
    return std::ranges::any_of(*query_, [&](const http::Query::Parameter& parameter) {
      return parameter.name == name && pattern.matches(parameter.value);
    });
  }

  const http::RequestHead& request_;
  std::optional<http::Query> query_;
};

void Router::add(config::RouteMatch match, Handler& handler) {
  const auto index = static_cast<RouteIndex>(entries_.size());
  Entry& entry = entries_.emplace_back(std::move(match), &handler, std::vector<FieldCondition>{});
  for (const auto& [name, pattern] : entry.match.header)
    entry.fields.push_back({http::field_id(name), name, &pattern});
  const std::string& host = entry.match.host.text;
  PathTrie& trie = entry.match.host.matches_all() ? any_host_
                   : host.starts_with("*.")       ? suffixes_[host.substr(1)]
                                                  : hosts_[host];
  trie.add(entry.match.path, index);
}

template <class See, class Limit>
void Router::walk(const http::RequestHead& request, See see, Limit limit) const {
  any_host_.walk(request.path, see, limit);
  if (hosts_.empty() && suffixes_.empty()) return;
  const LowerHost lower(host_of(request.authority));
  const std::string_view host = lower.view();
  if (const auto trie = hosts_.find(host); trie != hosts_.end())
    trie->second.walk(request.path, see, limit);
  if (suffixes_.empty()) return;
  for (std::size_t dot = host.find('.', 1); dot < host.size(); dot = host.find('.', dot + 1))
    if (const auto trie = suffixes_.find(host.substr(dot)); trie != suffixes_.end())
      trie->second.walk(request.path, see, limit);
}

Router::Found Router::find(Exchange& exchange) const {
  const http::RequestHead& request = exchange.request;
  Conditions conditions(request);
  Found found;
  RouteIndex best = static_cast<RouteIndex>(entries_.size());
  std::size_t best_rest = 0;
  const auto see = [&](std::span<const RouteIndex> routes, std::size_t rest_at) {
    for (const RouteIndex route : routes) {
      if (route >= best) return;
      const Entry& entry = entries_[route];
      if (!conditions.hold(entry)) continue;
      if (match_method(entry.match.method, request.method)) {
        best = route;
        best_rest = rest_at;
        return;
      }
      found.other_method = true;
    }
  };
  walk(request, see, [&] { return best; });
  if (best == entries_.size()) return found;
  const Entry& entry = entries_[best];
  exchange.route_path = request.path.substr(best_rest);
  exchange.route_name = entry.match.path.text;
  found.handler = entry.handler;
  found.index = best;
  return found;
}

std::string Router::allowed(const Exchange& exchange) const {
  std::vector<Method> methods;
  const auto add = [&](Method m) {
    if (std::ranges::find(methods, m) == methods.end()) methods.push_back(m);
  };
  Conditions conditions(exchange.request);
  std::vector<RouteIndex> matching;
  const auto see = [&](std::span<const RouteIndex> routes, std::size_t) {
    for (const RouteIndex route : routes)
      if (conditions.hold(entries_[route])) matching.push_back(route);
  };
  walk(exchange.request, see, [] { return UINT32_MAX; });
  std::ranges::sort(matching);
  for (const RouteIndex route : matching) {
    for (const Method m : entries_[route].match.method) {
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
