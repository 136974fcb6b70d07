// TLS towards upstreams: TLS 1.2 or newer, AEAD ciphers with forward secrecy only.
//
// One context per io thread: OpenSSL's reference counts and locks hurt across threads. Errors at
// making one are texts fit for "FILE: why" lines of the configuration and of start-up.
//
// Ownership: it owns its SSL_CTX; the SSL objects made from it may outlive it. Thread rule: made
// anywhere, then used on one io thread.
#pragma once

#include <compare>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

typedef struct ssl_st SSL;          // NOLINT: OpenSSL's own forward declarations
typedef struct ssl_ctx_st SSL_CTX;  // NOLINT

namespace millrace::net {

namespace detail {
struct FreeSslContext {
  void operator()(SSL_CTX* context) const noexcept;
};
using SslContext = std::unique_ptr<SSL_CTX, FreeSslContext>;
}  // namespace detail

/// What a client trusts.
class TlsClient {
 public:
  struct Options {
    /// PEM file of the certificate authorities to trust; empty: the system's.
    std::string ca_file;
    /// Another number means other contents of that file: it is read again.
    std::uint64_t ca_version = 0;
    /// Off: encrypted, but with anybody. Only where the operator says so.
    bool verify = true;
    /// What is offered by ALPN (RFC 7301).
    enum class Alpn : std::uint8_t { kHttp1, kHttp2, kBoth } alpn = Alpn::kHttp1;
    friend std::strong_ordering operator<=>(const Options&, const Options&) = default;
  };

  [[nodiscard]] static std::expected<TlsClient, std::string> make(const Options& options);

  /// For one connection to `name`, a host name or an IP literal without brackets: SNI for names,
  /// and the certificate must be for it. For Stream::handshake, which takes ownership. nullptr: out
  /// of memory, or a name that cannot be one.
  [[nodiscard]] SSL* make_ssl(std::string_view name);

 private:
  explicit TlsClient(detail::SslContext context, bool verify) noexcept
      : context_(std::move(context)), verify_(verify) {}
  detail::SslContext context_;
  bool verify_ = true;
};

/// Why the handshake of `ssl` failed, as far as the certificate is to blame: "certificate has
/// expired". Empty otherwise.
[[nodiscard]] std::string handshake_failure(const SSL* ssl);

}  // namespace millrace::net
