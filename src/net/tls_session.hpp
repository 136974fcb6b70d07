// What the handshake of an accepted connection came to: the name it was made for, who the client
// is, and which hosts may be asked for over it.
//
// Ownership: keeps what it needs of the TlsServer alive, not the connection. Thread rule: the
// connection's io thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

typedef struct ssl_st SSL;  // NOLINT: OpenSSL's own forward declaration

namespace millrace::net {

struct TlsCertificate;
struct TlsServerState;

class TlsSession {
 public:
  /// `ssl`: of TlsServer::make_ssl, and its handshake is over.
  explicit TlsSession(const SSL* ssl);

  /// The name that the client asked for (SNI), in lower case; empty: none.
  [[nodiscard]] std::string_view server_name() const noexcept { return server_name_; }
  /// Of the client's verified certificate, as RFC 2253 writes it, in ASCII; empty: it has shown
  /// none.
  [[nodiscard]] std::string_view client_subject() const noexcept { return client_subject_; }
  /// The certificate that was shown is for this host. After a resumption, when none was shown:
  /// every one of the name's.
  [[nodiscard]] bool covers(std::string_view host) const;

 private:
  std::shared_ptr<const TlsServerState> state_;
  const std::vector<const TlsCertificate*>* group_;
  const TlsCertificate* shown_ = nullptr;
  std::string server_name_;
  std::string client_subject_;
};

/// SNI, in lower case and without a last dot; empty: none.
[[nodiscard]] std::string server_name_of(const SSL* ssl);

}  // namespace millrace::net
