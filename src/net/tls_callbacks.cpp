#include "net/tls_server_state.hpp"
#include "net/tls_session.hpp"

#include <ctime>

#include <openssl/ssl.h>
#include <openssl/tls1.h>

namespace millrace::net {
namespace {

// Always taken as understood: then a resumed session remembers the name as well.
int choose_group(SSL* ssl, int*, void*) {
  const std::string name = server_name_of(ssl);
  if (name.empty()) return SSL_TLSEXT_ERR_NOACK;
  const TlsServerState& state = TlsServerState::of(ssl);
  SSL_CTX* const chosen = state.groups[state.choice->find(name)]->context;
  if (chosen != ::SSL_get_SSL_CTX(ssl) && ::SSL_set_SSL_CTX(ssl, chosen) == nullptr)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  return SSL_TLSEXT_ERR_OK;
}

int choose_protocol(SSL* ssl, const unsigned char** out, unsigned char* out_length,
                    const unsigned char* in, unsigned in_length, void*) {
  const std::span<const unsigned char> ours =
      TlsServerState::of(ssl).http2 ? std::span<const unsigned char>(detail::kAlpnHttp2AndHttp1)
                                    : std::span<const unsigned char>(detail::kAlpnHttp1);
  unsigned char* chosen = nullptr;
  if (::SSL_select_next_proto(&chosen, out_length, ours.data(), static_cast<unsigned>(ours.size()),
                              in, in_length) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;  // RFC 7301 section 3.2: no_application_protocol
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

int staple_ocsp(SSL* ssl, void*) {
  const TlsCertificate* shown = TlsServerState::shown_by(ssl);
  const std::string_view answer =
      shown != nullptr ? shown->staple(std::time(nullptr)) : std::string_view();
  if (answer.empty()) return SSL_TLSEXT_ERR_NOACK;
  void* copy = ::OPENSSL_memdup(answer.data(), answer.size());
  if (copy == nullptr) return SSL_TLSEXT_ERR_NOACK;
  ::SSL_set_tlsext_status_ocsp_resp(ssl, static_cast<unsigned char*>(copy),
                                    static_cast<long>(answer.size()));
  return SSL_TLSEXT_ERR_OK;
}

void log_key(const SSL* ssl, const char* line) {
  TlsServerState::of(ssl).key_log->write(line);
}

}  // namespace

void set_tls_callbacks(SSL_CTX* context) {
  ::SSL_CTX_set_tlsext_servername_callback(context, choose_group);
  ::SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  ::SSL_CTX_set_tlsext_status_cb(context, staple_ocsp);
}

// Not set without need: OpenSSL would print every secret for nothing.
void set_key_log_callback(SSL_CTX* context) {
  ::SSL_CTX_set_keylog_callback(context, log_key);
}

}  // namespace millrace::net
