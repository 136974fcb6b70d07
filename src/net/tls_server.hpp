// TLS towards clients: which certificate each one gets, what it may speak, whether it has to show a
// certificate itself, and how it comes back without a whole handshake.
//
// TLS 1.2 or newer, AEAD ciphers with forward secrecy only. Certificates are chosen by the name
// that a client asks for (certificate_choice.hpp). Sessions are resumed by tickets alone; nothing
// is kept here for clients that are gone. A ticket is good only where the same clients are let in
// (client_auth, client_ca) and the same names are served. ALPN is strict: without a protocol in
// common the handshake fails, without the extension it is HTTP/1.1.
//
// One per io thread and listener: OpenSSL's reference counts and locks hurt across threads.
//
// Ownership: the SSL objects made from it may outlive it: a new one can take its place while old
// connections live on. Thread rule: made anywhere, then used on one io thread.
#pragma once

#include "net/key_log.hpp"
#include "net/tls_context.hpp"
#include "net/tls_tickets.hpp"

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

namespace millrace::net {

/// Must clients show a certificate of the authorities? kOptional: they may, and a bad one is
/// refused all the same.
enum class ClientAuth : std::uint8_t { kNone, kOptional, kRequired };

class TlsServer {
 public:
  struct Certificate {
    std::string certificate_file;  ///< PEM: the leaf, then its chain
    std::string key_file;          ///< PEM
    std::string ocsp_file;         ///< DER, stapled; empty: none
  };
  struct Options {
    std::vector<Certificate> certificates;  ///< at least one; the first is the default
    ClientAuth client_auth = ClientAuth::kNone;
    std::string client_ca_file;  ///< PEM; needed unless kNone
    bool http2 = true;           ///< offers h2 before http/1.1
    /// Keys of tickets, of the whole process. nullptr: keys of its own.
    std::shared_ptr<TicketKeys> tickets;
    /// nullptr: secrets are told to nobody.
    std::shared_ptr<KeyLog> key_log;
  };

  /// The error is "FILE: why".
  [[nodiscard]] static std::expected<TlsServer, std::string> make(const Options& options);

  /// For one accepted connection; Stream::handshake takes ownership. nullptr: out of memory.
  [[nodiscard]] SSL* make_ssl();

 private:
  explicit TlsServer(detail::SslContext context) noexcept : context_(std::move(context)) {}
  /// The context of clients that ask for no name. It owns everything else.
  detail::SslContext context_;
};

}  // namespace millrace::net
