#include "net/tls_session.hpp"

#include "net/tls_server_state.hpp"

#include <algorithm>

#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

namespace millrace::net {
namespace {

std::string subject_of(const X509* certificate) {
  const detail::BioPtr out(::BIO_new(BIO_s_mem()));
  if (out == nullptr ||
      ::X509_NAME_print_ex(out.get(), ::X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) < 0)
    return {};
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(std::max(size, 0L))};
}

}  // namespace

std::string server_name_of(const SSL* ssl) {
  const char* sent = ::SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  std::string name = sent != nullptr ? sent : "";
  if (name.ends_with('.')) name.pop_back();
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  return name;
}

TlsSession::TlsSession(const SSL* ssl)
    : state_(TlsServerState::keep(ssl)),
      group_(&TlsServerState::group_of(ssl).certificates),
      server_name_(server_name_of(ssl)) {
  // OpenSSL chooses none when a session is resumed.
  if (::SSL_session_reused(ssl) == 0) shown_ = TlsServerState::shown_by(const_cast<SSL*>(ssl));
  const X509* client = ::SSL_get0_peer_certificate(ssl);
  if (client != nullptr && ::SSL_get_verify_result(ssl) == X509_V_OK)
    client_subject_ = subject_of(client);
}

bool TlsSession::covers(std::string_view host) const {
  if (shown_ != nullptr) return shown_->names.covers(host);
  return std::ranges::all_of(*group_,
                             [&](const TlsCertificate* c) { return c->names.covers(host); });
}

}  // namespace millrace::net
