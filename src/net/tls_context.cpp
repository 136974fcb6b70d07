#include "net/tls_context.hpp"

#include "net/address.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace millrace::net {
namespace {

using detail::SslContext;

// TLS 1.2: forward secrecy and AEAD. TLS 1.3 has nothing else.
constexpr const char* kTls12Ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!PSK:!SRP";
constexpr std::array<unsigned char, 9> kAlpn{8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

/// The reason of OpenSSL's oldest queued error, which is the cause of the others; empties the
/// queue.
std::string take_error() {
  const unsigned long code = ::ERR_get_error();
  ::ERR_clear_error();
  const char* reason = code != 0 ? ::ERR_reason_error_string(code) : nullptr;
  if (reason == nullptr && ERR_SYSTEM_ERROR(code)) reason = std::strerror(ERR_GET_REASON(code));
  return reason != nullptr ? reason : "unknown error";
}

std::unexpected<std::string> file_error(const std::string& file, std::string_view what) {
  return std::unexpected(file + ": " + std::string(what) + ": " + take_error());
}

/// Without it OpenSSL asks for the pass phrase of an encrypted key on the terminal.
int no_pass_phrase(char*, int, int, void*) {
  return -1;
}

SslContext make_context(const SSL_METHOD* method) {
  ::ERR_clear_error();
  SslContext context(::SSL_CTX_new(method));
  if (context == nullptr) return context;
  ::SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  ::SSL_CTX_set_cipher_list(context.get(), kTls12Ciphers);
  ::SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  ::SSL_CTX_set_default_passwd_cb(context.get(), no_pass_phrase);
  // Renegotiation would make reads write and writes read; compression leaks (CRIME).
  ::SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  return context;
}

int select_alpn(SSL*, const unsigned char** out, unsigned char* out_length, const unsigned char* in,
                unsigned in_length, void*) {
  unsigned char* chosen = nullptr;
  if (::SSL_select_next_proto(&chosen, out_length, kAlpn.data(), kAlpn.size(), in, in_length) !=
      OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;  // RFC 7301 section 3.2: no_application_protocol
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

std::expected<void, std::string> add_certificate(SSL_CTX* context,
                                                 const TlsServer::Certificate& files) {
  if (::SSL_CTX_use_certificate_chain_file(context, files.certificate_file.c_str()) != 1)
    return file_error(files.certificate_file, "cannot load the certificate");
  if (::SSL_CTX_use_PrivateKey_file(context, files.key_file.c_str(), SSL_FILETYPE_PEM) != 1)
    return file_error(files.key_file, "cannot load the private key");
  if (::SSL_CTX_check_private_key(context) != 1)
    return file_error(files.key_file, "does not fit " + files.certificate_file);
  return {};
}

bool expect_name(SSL* ssl, const std::string& name, bool verify) {
  X509_VERIFY_PARAM* param = ::SSL_get0_param(ssl);
  if (IpAddress::parse(name))  // RFC 6066 section 3: no literals in SNI
    return !verify || ::X509_VERIFY_PARAM_set1_ip_asc(param, name.c_str()) == 1;
  if (::SSL_set_tlsext_host_name(ssl, name.c_str()) != 1) return false;
  if (!verify) return true;
  ::X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return ::X509_VERIFY_PARAM_set1_host(param, name.data(), name.size()) == 1;
}

}  // namespace

void detail::FreeSslContext::operator()(SSL_CTX* context) const noexcept {
  ::SSL_CTX_free(context);
}

std::expected<TlsClient, std::string> TlsClient::make(const Options& options) {
  SslContext context = make_context(::TLS_client_method());
  if (context == nullptr) return std::unexpected("TLS: " + take_error());
  ::SSL_CTX_set_alpn_protos(context.get(), kAlpn.data(), kAlpn.size());
  ::SSL_CTX_set_verify(context.get(), options.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (!options.ca_file.empty()) {
    if (::SSL_CTX_load_verify_file(context.get(), options.ca_file.c_str()) != 1)
      return file_error(options.ca_file, "cannot load the certificate authorities");
  } else if (options.verify && ::SSL_CTX_set_default_verify_paths(context.get()) != 1) {
    return std::unexpected("the system's certificate authorities: " + take_error());
  }
  return TlsClient(std::move(context), options.verify);
}

SSL* TlsClient::make_ssl(std::string_view name) {
  std::string host(name);
  if (host.ends_with('.')) host.pop_back();  // the root's dot is not part of a certificate's name
  if (host.empty() || host.find('\0') != std::string::npos) return nullptr;
  SSL* ssl = ::SSL_new(context_.get());
  if (ssl == nullptr) return nullptr;
  if (!expect_name(ssl, host, verify_)) {
    ::SSL_free(ssl);
    ::ERR_clear_error();
    return nullptr;
  }
  ::SSL_set_connect_state(ssl);
  return ssl;
}

std::expected<TlsServer, std::string> TlsServer::make(std::span<const Certificate> certificates) {
  if (certificates.empty()) return std::unexpected("TLS needs at least one certificate");
  SslContext context = make_context(::TLS_server_method());
  if (context == nullptr) return std::unexpected("TLS: " + take_error());
  for (const Certificate& files : certificates)
    if (const auto added = add_certificate(context.get(), files); !added)
      return std::unexpected(added.error());
  ::SSL_CTX_set_options(context.get(), SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  ::SSL_CTX_set_alpn_select_cb(context.get(), select_alpn, nullptr);
  ::SSL_CTX_set_num_tickets(context.get(), 1);  // two is OpenSSL's default: twice the work
  constexpr std::string_view kSessionContext = "millrace";
  ::SSL_CTX_set_session_id_context(context.get(),
                                   reinterpret_cast<const unsigned char*>(kSessionContext.data()),
                                   kSessionContext.size());
  return TlsServer(std::move(context));
}

SSL* TlsServer::make_ssl() {
  SSL* ssl = ::SSL_new(context_.get());
  if (ssl != nullptr) ::SSL_set_accept_state(ssl);
  return ssl;
}

std::string handshake_failure(const SSL* ssl) {
  const long result = ::SSL_get_verify_result(ssl);
  return result == X509_V_OK ? std::string() : ::X509_verify_cert_error_string(result);
}

}  // namespace millrace::net
