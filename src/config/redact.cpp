#include "config/redact.hpp"

#include "http/ascii.hpp"

#include <algorithm>
#include <array>

namespace millrace::config {
namespace {

constexpr std::array<std::string_view, 5> kNames{"authorization", "proxy-authorization", "cookie",
                                                 "set-cookie", "www-authenticate"};
constexpr std::array<std::string_view, 8> kEndings{"token",  "key", "secret",     "password",
                                                   "passwd", "pwd", "credential", "auth"};

bool ends_with(std::string_view name, std::string_view ending) noexcept {
  return name.size() >= ending.size() &&
         http::iequals(name.substr(name.size() - ending.size()), ending);
}

}  // namespace

bool is_secret_name(std::string_view name) noexcept {
  return std::ranges::any_of(kNames, [&](std::string_view n) { return http::iequals(n, name); }) ||
         std::ranges::any_of(kEndings, [&](std::string_view e) { return ends_with(name, e); });
}

Config redacted(const Config& config) {
  Config out = config;
  for (auto& [name, upstream] : out.upstreams)
    if (upstream.sticky && upstream.sticky->secret) upstream.sticky->secret = kRedacted;
  for (auto& [name, process] : out.processes) {
    for (auto& [variable, value] : process.environment.values)
      if (is_secret_name(variable)) value = kRedacted;
    // The tokens of webhooks stand in their paths and queries.
    std::string& url = process.alert.url;
    const std::size_t host = url.find("://");
    const std::size_t path = host == std::string::npos ? host : url.find_first_of("/?", host + 3);
    if (path != std::string::npos) url.replace(path + 1, std::string::npos, kRedacted);
  }
  for (Route& route : out.routes) {
    if (!route.respond) continue;
    for (auto& [name, value] : route.respond->headers)
      if (is_secret_name(name)) value = kRedacted;
  }
  return out;
}

}  // namespace millrace::config
