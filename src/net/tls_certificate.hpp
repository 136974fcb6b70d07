// One certificate of a TLS listener, read from its files. Private to src/net/tls_*.
#pragma once

#include "config/certificate_names.hpp"
#include "net/tls_openssl.hpp"
#include "net/tls_server.hpp"

#include <ctime>
#include <expected>
#include <string>
#include <vector>

namespace millrace::net {

struct TlsCertificate {
  detail::CertificatePtr leaf;
  std::vector<detail::CertificatePtr> chain;  ///< without the leaf
  detail::KeyPtr key;
  config::CertificateNames names;
  std::string ocsp;            ///< DER; empty: none
  std::time_t ocsp_until = 0;  ///< 0: for ever

  /// OpenSSL keeps one certificate of each in a context.
  [[nodiscard]] int key_kind() const noexcept;
  /// The OCSP answer while it is good; clients refuse an old one where they would do without.
  [[nodiscard]] std::string_view staple(std::time_t now) const noexcept;

  /// The error is "FILE: why".
  [[nodiscard]] static std::expected<TlsCertificate, std::string> load(
      const TlsServer::Certificate& files);
  /// Into the slot of its kind. The error is OpenSSL's reason.
  [[nodiscard]] std::expected<void, std::string> use_in(SSL_CTX* context) const;
};

}  // namespace millrace::net
