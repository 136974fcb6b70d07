// A forward proxy between us and an origin.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace millrace::client {

struct ForwardProxy {
  /// curl's, where the URL says none.
  static constexpr std::uint16_t kPort = 1080;
  static constexpr std::uint16_t kPortTls = 443;

  bool tls = false;  ///< "https://": the connection to the proxy is TLS
  std::string host;  ///< as http::Url::host
  std::uint16_t port = kPort;
  std::string authorization;  ///< for Proxy-Authorization: "Basic ..."; empty: none. A secret

  friend std::strong_ordering operator<=>(const ForwardProxy&, const ForwardProxy&) = default;
};

}  // namespace millrace::client
