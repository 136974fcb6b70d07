// Everything behind a TlsServer: its certificates, and one SSL_CTX per group of them that is shown
// together. Private to src/net/tls_*.
//
// The default group's context owns the state and with it the other contexts; every SSL keeps that
// one alive (it is the context of its session), so the state lives as long as any connection.
#pragma once

#include "net/certificate_choice.hpp"
#include "net/tls_certificate.hpp"
#include "net/tls_server.hpp"

#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::net {

struct TlsServerState {
  /// What an SSL_CTX knows of itself.
  struct Group {
    const TlsServerState* state = nullptr;
    std::vector<const TlsCertificate*> certificates;
    SSL_CTX* context = nullptr;
  };

  std::vector<TlsCertificate> certificates;
  std::unique_ptr<CertificateChoice> choice;
  std::vector<std::unique_ptr<Group>> groups;  ///< as in choice
  std::vector<detail::SslContext> owned;       ///< the contexts of all groups but the first
  bool http2 = true;
  std::shared_ptr<TicketKeys> tickets;
  std::shared_ptr<KeyLog> key_log;

  [[nodiscard]] static const Group& group_of(const SSL* ssl) noexcept;
  [[nodiscard]] static const TlsServerState& of(const SSL* ssl) noexcept {
    return *group_of(ssl).state;
  }
  /// The certificate that is or was shown; nullptr: none of ours.
  [[nodiscard]] static const TlsCertificate* shown_by(SSL* ssl) noexcept;
  /// Keeps the state for as long as it is held.
  [[nodiscard]] static std::shared_ptr<const TlsServerState> keep(const SSL* ssl);

  /// Contexts for the certificates; returns the one that owns the state.
  [[nodiscard]] static std::expected<detail::SslContext, std::string> build(
      std::shared_ptr<TlsServerState> state, const TlsServer::Options& options);
};

/// OpenSSL's questions during a handshake, answered from the state. Set in every context, since
/// OpenSSL asks that of the chosen group.
void set_tls_callbacks(SSL_CTX* context);

/// Secrets go to TlsServerState::key_log, which must be there.
void set_key_log_callback(SSL_CTX* context);

/// Sealing and opening of session tickets with TlsServerState::tickets.
void set_ticket_callback(SSL_CTX* context);

}  // namespace millrace::net
