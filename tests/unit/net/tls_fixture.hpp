// Real handshakes between a TlsServer and a client over a socket pair, and what came of them.
#pragma once

#include "net/stream.hpp"
#include "net/tls_context.hpp"
#include "net/tls_server.hpp"
#include "net/tls_session.hpp"
#include "support/on_io.hpp"
#include "support/test_ca.hpp"

#include <array>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/socket.h>

namespace millrace::test {

using SessionPtr = std::unique_ptr<SSL_SESSION, OpensslFree<&SSL_SESSION_free>>;

struct Shaken {
  Result<void> server;
  Result<void> client;
  bool heard =
      false;  ///< the client has read a byte of the server's: tickets and alerts came first
  bool resumed = false;
  CertPtr shown;  ///< by the server; not after a resumption
  std::string alpn;
  std::string ocsp;
  SessionPtr session;
  std::string server_name;
  std::string client_subject;
  std::vector<bool> covered;  ///< as in TlsFixture::asked_hosts

  [[nodiscard]] bool good() const { return server.has_value() && client.has_value() && heard; }
  [[nodiscard]] bool got(const Identity& id) const {
    return shown != nullptr && X509_cmp(shown.get(), id.certificate.get()) == 0;
  }
};

class TlsFixture : public ::testing::Test {
 protected:
  static net::TlsServer::Certificate files(const Identity& id) {
    return {id.certificate_file, id.key_file, {}};
  }
  static net::TlsServer make_server(net::TlsServer::Options options) {
    auto made = net::TlsServer::make(options);
    if (!made) throw std::runtime_error(made.error());
    return std::move(*made);
  }
  static net::TlsServer make_server(std::initializer_list<const Identity*> ids) {
    net::TlsServer::Options options;
    for (const Identity* id : ids) options.certificates.push_back(files(*id));
    return make_server(std::move(options));
  }
  /// An end that asks for `name` (nullptr: for none) and believes anybody.
  SSL* client_ssl(const char* name) {
    SSL* ssl = SSL_new(client_context_.get());
    SSL_set_connect_state(ssl);
    if (name != nullptr) SSL_set_tlsext_host_name(ssl, name);
    return ssl;
  }
  static void show(SSL* ssl, const Identity& id) {
    SSL_use_certificate(ssl, id.certificate.get());
    SSL_use_PrivateKey(ssl, id.key.get());
  }

  Shaken shake(net::TlsServer& server, SSL* ssl, net::HandshakeGate* gate = nullptr) {
    std::array<int, 2> fds{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()), 0);
    Shaken out;
    on_io(io_, [&]() -> Task<void> {
      net::Stream s(fds[0]);
      net::Stream c(fds[1]);
      TaskGroup group;
      group.spawn(serve(s, server.make_ssl(), gate, out));
      out.client = co_await c.handshake(ssl);
      if (out.client) {
        look(ssl, out);
        std::array<char, 1> byte{};
        net::IoResult r = c.read_some(byte);
        while (r.would_block() && co_await c.wait(r.want)) r = c.read_some(byte);
        out.heard = r.done();
        out.session.reset(SSL_get1_session(ssl));
        SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
      }
      c.close();
      co_await group.join();
    });
    return out;
  }

  Task<void> serve(net::Stream& stream, SSL* ssl, net::HandshakeGate* gate, Shaken& out) {
    out.server = co_await stream.handshake(ssl, gate);
    if (!out.server) {
      stream.close();
      co_return;
    }
    const net::TlsSession session(ssl);
    out.server_name = session.server_name();
    out.client_subject = session.client_subject();
    for (const std::string& host : asked_hosts_) out.covered.push_back(session.covers(host));
    (void)stream.write_some("x");
    (void)co_await stream.wait(Direction::kRead);
  }

  static void look(SSL* ssl, Shaken& out) {
    out.resumed = SSL_session_reused(ssl) == 1;
    out.shown.reset(SSL_get1_peer_certificate(ssl));
    const unsigned char* text = nullptr;
    unsigned length = 0;
    SSL_get0_alpn_selected(ssl, &text, &length);
    out.alpn.assign(reinterpret_cast<const char*>(text), length);
    const long size = SSL_get_tlsext_status_ocsp_resp(ssl, &text);
    if (size > 0) out.ocsp.assign(reinterpret_cast<const char*>(text), static_cast<size_t>(size));
  }

  IoThread io_{0};
  TestCa ca_;
  std::vector<std::string> asked_hosts_;
  std::unique_ptr<SSL_CTX, OpensslFree<&SSL_CTX_free>> client_context_{
      SSL_CTX_new(TLS_client_method())};
};

}  // namespace millrace::test
