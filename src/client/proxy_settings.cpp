#include "client/proxy_settings.hpp"

#include "http/ascii.hpp"
#include "http/base64.hpp"

#include <cstdlib>
#include <initializer_list>
#include <utility>

namespace millrace::client {
namespace {

/// nullopt: a '%' without two digits, or a control.
std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (text.size() - i < 3) return std::nullopt;
      const int high = http::hex_digit(text[i + 1]);
      const int low = http::hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high << 4 | low);
      i += 2;
    }
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return std::nullopt;
    out += c;
  }
  return out;
}

/// RFC 7617 section 2: a user's name has no colon.
std::optional<std::string> basic_credentials(std::string_view userinfo) {
  const std::size_t colon = userinfo.find(':');
  const auto user = percent_decoded(userinfo.substr(0, colon));
  const auto password = percent_decoded(
      colon == std::string_view::npos ? std::string_view() : userinfo.substr(colon + 1));
  if (!user || !password || user->find(':') != std::string::npos) return std::nullopt;
  return "Basic " + http::base64(*user + ":" + *password);
}

bool says_port(std::string_view authority) noexcept {
  const std::size_t bracket = authority.rfind(']');
  const std::size_t from = bracket == std::string_view::npos ? 0 : bracket;
  return authority.find(':', from) != std::string_view::npos;
}

/// The value of the first variable that is set; nullptr: none is.
const char* first_of(const ProxySettings::Lookup& lookup, std::initializer_list<const char*> names,
                     const char*& found) {
  for (const char* name : names) {
    if (name == nullptr) continue;
    found = name;
    if (const char* value = lookup(name)) return value;
  }
  return nullptr;
}

}  // namespace

std::optional<ForwardProxy> parse_proxy(std::string_view text) {
  if (text.size() > http::kUrlBytesMax) return std::nullopt;
  ForwardProxy proxy;
  if (const std::size_t scheme = text.find("://"); scheme != std::string_view::npos) {
    proxy.tls = http::iequals(text.substr(0, scheme), "https");
    if (!proxy.tls && !http::iequals(text.substr(0, scheme), "http")) return std::nullopt;
    text.remove_prefix(scheme + 3);
  }
  // A password may hold what ends an authority elsewhere, so the last '@' comes first.
  if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
    auto credentials = basic_credentials(text.substr(0, at));
    if (!credentials) return std::nullopt;
    proxy.authorization = std::move(*credentials);
    text.remove_prefix(at + 1);
  }
  if (text.ends_with('/')) text.remove_suffix(1);
  if (text.ends_with(':') || text.find_first_of("/?#") != std::string_view::npos)
    return std::nullopt;
  // The one parser for URLs judges host and port.
  std::string url = "http://" + std::string(text);
  const std::uint16_t usual = proxy.tls ? ForwardProxy::kPortTls : ForwardProxy::kPort;
  if (!says_port(text)) url += ":" + std::to_string(usual);
  auto parsed = http::parse_url(url);
  if (!parsed) return std::nullopt;
  proxy.host = std::move(parsed->host);
  proxy.port = parsed->port;
  return proxy;
}

std::expected<ProxySettings, std::string> ProxySettings::from_environment(const Lookup& lookup) {
  ProxySettings settings;
  const bool cgi = lookup("REQUEST_METHOD") != nullptr;
  const auto read = [&](std::optional<ForwardProxy>& into, const char* lower,
                        const char* upper) -> const char* {
    const char* name = nullptr;
    const char* value = first_of(lookup, {lower, upper, "all_proxy", "ALL_PROXY"}, name);
    if (value == nullptr || *value == '\0') return nullptr;
    into = parse_proxy(value);
    return into ? nullptr : name;
  };
  const char* bad = read(settings.http_, "http_proxy", cgi ? nullptr : "HTTP_PROXY");
  if (bad == nullptr) bad = read(settings.https_, "https_proxy", "HTTPS_PROXY");
  if (bad != nullptr)
    return std::unexpected(std::string(bad) + ": expected http://[user:password@]host[:port]");
  const char* name = nullptr;
  if (const char* list = first_of(lookup, {"no_proxy", "NO_PROXY"}, name))
    settings.direct_ = NoProxy::parse(list);
  return settings;
}

std::expected<ProxySettings, std::string> ProxySettings::from_environment() {
  return from_environment([](const char* name) -> const char* { return std::getenv(name); });
}

const ForwardProxy* ProxySettings::for_url(const http::Url& url) const noexcept {
  const std::optional<ForwardProxy>& proxy = url.https ? https_ : http_;
  if (!proxy || direct_.matches(url.host, url.port)) return nullptr;
  return &*proxy;
}

std::string absolute_form(std::string_view authority, std::string_view target) {
  std::string out = "http://";
  out += authority;
  if (target != "*") out += target;  // RFC 9112 section 3.2.4
  return out;
}

std::string authority_form(std::string_view host, std::uint16_t port) {
  std::string out(host);
  if (host.find(':') != std::string_view::npos) out = "[" + out + "]";
  return out + ":" + std::to_string(port);
}

}  // namespace millrace::client
