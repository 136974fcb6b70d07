#include "proxy/egress_target.hpp"

#include "http/ascii.hpp"

#include <algorithm>

namespace millrace::proxy {
namespace {

constexpr std::string_view kHttp = "http://";
constexpr std::string_view kHttps = "https://";
constexpr std::string_view kHttpGateway = "/http/";
constexpr std::string_view kHttpsGateway = "/https/";

/// `rest`: authority, path and query.
Result<http::Url> parse_rest(std::string_view scheme, std::string_view rest) {
  const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
  Result<http::Url> url = http::parse_url(std::string(scheme).append(rest.substr(0, end)));
  if (!url) return url;
  url->target = rest.substr(end);
  if (!url->target.starts_with('/')) url->target.insert(0, 1, '/');
  return url;
}

}  // namespace

Result<http::Url> parse_absolute_target(http::Method method, std::string_view target) {
  const bool https = http::istarts_with(target, kHttps);
  if (!https && !http::istarts_with(target, kHttp)) return fail(Errc::kBadTarget);
  const std::string_view scheme = https ? kHttps : kHttp;
  const std::string_view rest = target.substr(scheme.size());
  Result<http::Url> url = parse_rest(scheme, rest);
  const bool bare = rest.find_first_of("/?") == std::string_view::npos;
  if (url && bare && method == http::Method::kOptions) url->target = "*";
  return url;
}

Result<http::Url> parse_gateway_target(std::string_view target) {
  if (target.starts_with(kHttpsGateway))
    return parse_rest(kHttps, target.substr(kHttpsGateway.size()));
  if (target.starts_with(kHttpGateway))
    return parse_rest(kHttp, target.substr(kHttpGateway.size()));
  return fail(Errc::kNotFound);
}

Result<http::Url> parse_connect_target(std::string_view authority) {
  return http::parse_url(std::string(kHttps).append(authority));
}

std::string gateway_location(const http::Url& url, std::string_view location) {
  if (location.empty()) return {};
  const Result<http::Url> to = http::resolve_url(url, location);
  if (!to || !http::same_origin(url, *to)) return {};
  std::string out(to->https ? kHttpsGateway : kHttpGateway);
  out.append(to->authority()).append(to->target);
  if (const std::size_t mark = location.find('#'); mark != std::string_view::npos)
    out.append(location.substr(mark));
  return out;
}

}  // namespace millrace::proxy
