// What both TLS roles ask of OpenSSL. Private to src/net/tls_*.
#pragma once

#include "net/tls_context.hpp"

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <openssl/ssl.h>

namespace millrace::net::detail {

template <auto Free>
struct OpensslFree {
  template <class T>
  void operator()(T* p) const noexcept {
    Free(p);
  }
};
using BioPtr = std::unique_ptr<BIO, OpensslFree<&BIO_free_all>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, OpensslFree<&EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, OpensslFree<&X509_free>>;

/// In ALPN's form: each name behind its length.
inline constexpr std::array<unsigned char, 9> kAlpnHttp1{8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
inline constexpr std::array<unsigned char, 12> kAlpnHttp2AndHttp1{2,   'h', '2', 8,   'h', 't',
                                                                  't', 'p', '/', '1', '.', '1'};

/// TLS 1.2 or newer, forward secrecy, AEAD; nullptr: see take_openssl_error().
[[nodiscard]] SslContext make_ssl_context(const SSL_METHOD* method);

/// The reason of OpenSSL's oldest queued error, which is the cause of the others; empties the
/// queue.
[[nodiscard]] std::string take_openssl_error();

/// "FILE: what: why"
[[nodiscard]] std::string file_error(const std::string& file, std::string_view what);

/// Without it OpenSSL asks for the pass phrase of an encrypted key on the terminal.
int no_pass_phrase(char*, int, int, void*) noexcept;

}  // namespace millrace::net::detail
