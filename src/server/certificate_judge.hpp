// May a request for this authority come over that TLS connection? (RFC 9110 section 7.4.)
//
// Clients may send requests for one name over a connection that they made for another, when its
// certificate is for both (RFC 9113 section 9.1.1). Where it is not, they are sent away with 421. A
// client that asked for no name, as with an address typed in, has taken whatever certificate it
// was shown, and one that asked for the very name it now requests has too: neither is judged.
//
// Ownership: the session must outlive it. Thread rule: the connection's io thread.
#pragma once

#include "millrace/exchange.hpp"
#include "net/tls_session.hpp"

#include <string>
#include <string_view>

namespace millrace::server {

class CertificateJudge final : public ServedCertificate {
 public:
  explicit CertificateJudge(const net::TlsSession& session) noexcept : session_(session) {}
  [[nodiscard]] bool admits(std::string_view authority) override;

 private:
  const net::TlsSession& session_;
  std::string judged_;  // the last authority that was not simply the connection's
  bool admitted_ = false;
};

}  // namespace millrace::server
