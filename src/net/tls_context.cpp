#include "net/tls_context.hpp"

#include "net/address.hpp"
#include "net/tls_openssl.hpp"

#include <cstring>
#include <span>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace millrace::net {

namespace detail {
namespace {

// TLS 1.2: forward secrecy and AEAD. TLS 1.3 has nothing else.
constexpr const char* kTls12Ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!PSK:!SRP";

}  // namespace

void FreeSslContext::operator()(SSL_CTX* context) const noexcept {
  ::SSL_CTX_free(context);
}

std::string take_openssl_error() {
  const unsigned long code = ::ERR_get_error();
  ::ERR_clear_error();
  const char* reason = code != 0 ? ::ERR_reason_error_string(code) : nullptr;
  if (reason == nullptr && ERR_SYSTEM_ERROR(code)) reason = std::strerror(ERR_GET_REASON(code));
  return reason != nullptr ? reason : "unknown error";
}

std::string file_error(const std::string& file, std::string_view what) {
  return file + ": " + std::string(what) + ": " + take_openssl_error();
}

int no_pass_phrase(char*, int, int, void*) noexcept {
  return -1;
}

SslContext make_ssl_context(const SSL_METHOD* method) {
  ::ERR_clear_error();
  SslContext context(::SSL_CTX_new(method));
  if (context == nullptr) return context;
  ::SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  ::SSL_CTX_set_cipher_list(context.get(), kTls12Ciphers);
  ::SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // A record comes in one recv instead of two; the buffer is released when it is empty.
  ::SSL_CTX_set_read_ahead(context.get(), 1);
  ::SSL_CTX_set_default_passwd_cb(context.get(), no_pass_phrase);
  // Renegotiation would make reads write and writes read; compression leaks (CRIME).
  ::SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  return context;
}

}  // namespace detail

namespace {

constexpr std::size_t kClientReadBytes = 64 * 1024;

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

std::span<const unsigned char> alpn_of(TlsClient::Options::Alpn alpn) noexcept {
  using enum TlsClient::Options::Alpn;
  const std::span<const unsigned char> both(detail::kAlpnHttp2AndHttp1);
  switch (alpn) {
    case kHttp2:
      return both.first(3);
    case kBoth:
      return both;
    case kHttp1:
      break;
  }
  return detail::kAlpnHttp1;
}

std::expected<TlsClient, std::string> TlsClient::make(const Options& options) {
  detail::SslContext context = detail::make_ssl_context(::TLS_client_method());
  if (context == nullptr) return std::unexpected("TLS: " + detail::take_openssl_error());
  const std::span<const unsigned char> alpn = alpn_of(options.alpn);
  ::SSL_CTX_set_alpn_protos(context.get(), alpn.data(), static_cast<unsigned>(alpn.size()));
  // Downloads come in fewer recvs; servers, whose peers are strangers, keep to a record each.
  ::SSL_CTX_set_default_read_buffer_len(context.get(), kClientReadBytes);
  ::SSL_CTX_set_verify(context.get(), options.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (!options.ca_file.empty()) {
    if (::SSL_CTX_load_verify_file(context.get(), options.ca_file.c_str()) != 1)
      return std::unexpected(
          detail::file_error(options.ca_file, "cannot load the certificate authorities"));
  } else if (options.verify && ::SSL_CTX_set_default_verify_paths(context.get()) != 1) {
    return std::unexpected("the system's certificate authorities: " + detail::take_openssl_error());
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

std::string handshake_failure(const SSL* ssl) {
  const long result = ::SSL_get_verify_result(ssl);
  return result == X509_V_OK ? std::string() : ::X509_verify_cert_error_string(result);
}

}  // namespace millrace::net
