#include "net/tls_server.hpp"

#include "net/tls_server_state.hpp"

#include <openssl/ssl.h>

namespace millrace::net {

std::expected<TlsServer, std::string> TlsServer::make(const Options& options) {
  if (options.certificates.empty()) return std::unexpected("TLS needs at least one certificate");
  auto state = std::make_shared<TlsServerState>();
  state->http2 = options.http2;
  state->tickets = options.tickets;
  state->key_log = options.key_log;
  state->certificates.reserve(options.certificates.size());
  for (const Certificate& files : options.certificates) {
    auto loaded = TlsCertificate::load(files);
    if (!loaded) return std::unexpected(loaded.error());
    state->certificates.push_back(std::move(*loaded));
  }
  std::vector<CertificateChoice::Candidate> candidates;
  for (const TlsCertificate& c : state->certificates)
    candidates.push_back({.names = &c.names, .key_kind = c.key_kind()});
  state->choice = std::make_unique<CertificateChoice>(candidates);
  auto context = TlsServerState::build(std::move(state), options);
  if (!context) return std::unexpected(context.error());
  return TlsServer(std::move(*context));
}

SSL* TlsServer::make_ssl() {
  SSL* ssl = ::SSL_new(context_.get());
  if (ssl != nullptr) ::SSL_set_accept_state(ssl);
  return ssl;
}

}  // namespace millrace::net
