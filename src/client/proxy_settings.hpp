// Which forward proxy the environment asks us to use for a URL: http_proxy, https_proxy, all_proxy
// and no_proxy, as curl reads them.
//
// The lower-case name wins over the upper-case one, and the scheme's over all_proxy; a variable
// that is set and empty says "directly" and hides those behind it. HTTP_PROXY in upper case is not
// looked at where REQUEST_METHOD is set: in a CGI program it is a field that the client sent
// ("httpoxy").
//
// Proxies are for the operator's own fetches. A guarded fetch must not use one: its proxy would
// dial addresses that nobody has judged.
//
// Thread rule: read at start-up, then immutable; any thread.
#pragma once

#include "client/forward_proxy.hpp"
#include "client/no_proxy.hpp"
#include "http/url.hpp"

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::client {

/// "[http://][user:password@]host[:port]", user and password percent-encoded. nullopt: it is not,
/// or of a scheme that is not supported (SOCKS).
[[nodiscard]] std::optional<ForwardProxy> parse_proxy(std::string_view text);

class ProxySettings {
 public:
  /// The value of an environment variable; nullptr: it is not set.
  using Lookup = std::function<const char*(const char* name)>;

  /// No proxy for anything.
  ProxySettings() = default;
  /// The error is a text for start-up. It does not hold the value, which may be a secret.
  [[nodiscard]] static std::expected<ProxySettings, std::string> from_environment(
      const Lookup& lookup);
  /// Of this process.
  [[nodiscard]] static std::expected<ProxySettings, std::string> from_environment();

  /// nullptr: directly. Valid as long as the settings.
  [[nodiscard]] const ForwardProxy* for_url(const http::Url& url) const noexcept;

 private:
  std::optional<ForwardProxy> http_;
  std::optional<ForwardProxy> https_;
  NoProxy direct_;
};

/// The target of a plain http request that goes to a proxy (RFC 9112 section 3.2.2):
/// "http://host[:port]/path". `authority`: what the Host field says; `target`: path and query, or
/// "*".
[[nodiscard]] std::string absolute_form(std::string_view authority, std::string_view target);

/// "host:port", with brackets for IPv6: the target of a CONNECT (section 3.2.3), where the port is
/// never left out.
[[nodiscard]] std::string authority_form(std::string_view host, std::uint16_t port);

}  // namespace millrace::client
