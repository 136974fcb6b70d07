#include "net/tls_context.hpp"

#include "net/dialer.hpp"
#include "net/stream.hpp"
#include "support/on_io.hpp"
#include "support/test_ca.hpp"

#include <array>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/socket.h>

namespace millrace::test {
namespace {

using net::Stream;
using net::TlsClient;
using net::TlsServer;

class TlsContextTest : public ::testing::Test {
 protected:
  std::string server_error(const std::string& certificate, const std::string& key) {
    const auto made = TlsServer::make(std::array{TlsServer::Certificate{certificate, key}});
    return made ? "" : made.error();
  }
  /// Both ends of a connection shake hands; what each got.
  std::pair<Result<void>, Result<void>> shake(TlsServer& server, SSL* client_ssl) {
    std::array<int, 2> fds{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()), 0);
    std::pair<Result<void>, Result<void>> results;
    on_io(io_, [&]() -> Task<void> {
      Stream s(fds[0]);
      Stream c(fds[1]);
      TaskGroup group;
      group.spawn([](Stream& stream, SSL* ssl, Result<void>& out) -> Task<void> {
        out = co_await stream.handshake(ssl);
        if (!out) stream.close();
      }(s, server.make_ssl(), results.first));
      results.second = co_await c.handshake(client_ssl);
      alpn_ = c.alpn();
      key_type_ = EVP_PKEY_NONE;
      if (X509* peer = results.second ? SSL_get0_peer_certificate(client_ssl) : nullptr)
        key_type_ = EVP_PKEY_get_base_id(X509_get0_pubkey(peer));
      c.close();
      co_await group.join();
    });
    return results;
  }

  IoThread io_{0};
  TestCa ca_;
  std::string alpn_;
  int key_type_ = 0;
};

TEST_F(TlsContextTest, BadFilesAreNamed) {
  const Identity good = ca_.issue({});
  const Identity other = ca_.issue({});
  EXPECT_EQ(server_error(good.certificate_file, good.key_file), "");
  EXPECT_EQ(server_error("/nonexistent.pem", good.key_file),
            "/nonexistent.pem: cannot load the certificate: No such file or directory");
  EXPECT_EQ(server_error(good.certificate_file, "/nonexistent.key"),
            "/nonexistent.key: cannot load the private key: No such file or directory");
  EXPECT_TRUE(server_error(good.certificate_file, other.key_file)
                  .starts_with(other.key_file + ": cannot load the private key"))
      << server_error(good.certificate_file, other.key_file);
  const std::string text = ca_.folder() / "text.pem";
  std::ofstream(text) << "not a certificate\n";
  EXPECT_TRUE(
      server_error(text, good.key_file).starts_with(text + ": cannot load the certificate"));
  EXPECT_FALSE(TlsServer::make({}));
}

TEST_F(TlsContextTest, AnEncryptedKeyIsAnErrorAndNotAQuestion) {
  const Identity id = ca_.issue({});
  const std::string file = ca_.folder() / "locked.key";
  std::FILE* out = std::fopen(file.c_str(), "w");
  unsigned char phrase[] = "phrase";
  PEM_write_PrivateKey(out, id.key.get(), EVP_aes_128_cbc(), phrase, 6, nullptr, nullptr);
  std::fclose(out);
  EXPECT_TRUE(server_error(id.certificate_file, file).starts_with(file + ": cannot load"));
}

TEST_F(TlsContextTest, EachClientGetsTheCertificateItCanUse) {
  const Identity ecdsa = ca_.issue({});
  const Identity rsa = ca_.issue({.rsa = true});
  auto server =
      TlsServer::make(std::array{TlsServer::Certificate{ecdsa.certificate_file, ecdsa.key_file},
                                 TlsServer::Certificate{rsa.certificate_file, rsa.key_file}});
  ASSERT_TRUE(server);
  auto client = TlsClient::make({.ca_file = ca_.root().certificate_file});
  ASSERT_TRUE(client);

  const auto both = shake(*server, client->make_ssl("origin.test"));
  EXPECT_TRUE(both.first && both.second);
  EXPECT_EQ(key_type_, EVP_PKEY_EC);
  EXPECT_EQ(alpn_, "http/1.1");

  SSL* only_rsa = client->make_ssl("origin.test");
  SSL_set1_sigalgs_list(only_rsa, "RSA-PSS+SHA256:RSA+SHA256");
  EXPECT_TRUE(shake(*server, only_rsa).second);
  EXPECT_EQ(key_type_, EVP_PKEY_RSA);
}

TEST_F(TlsContextTest, OldProtocolsAndWeakCiphersAreRefused) {
  const Identity id = ca_.issue({.rsa = true});
  auto server =
      TlsServer::make(std::array{TlsServer::Certificate{id.certificate_file, id.key_file}});
  auto client = TlsClient::make({.ca_file = ca_.root().certificate_file});

  SSL* tls12 = client->make_ssl("origin.test");
  SSL_set_max_proto_version(tls12, TLS1_2_VERSION);
  EXPECT_TRUE(shake(*server, tls12).first);

  SSL* old = client->make_ssl("origin.test");
  SSL_set_security_level(old, 0);
  SSL_set_min_proto_version(old, TLS1_1_VERSION);
  SSL_set_max_proto_version(old, TLS1_1_VERSION);
  EXPECT_FALSE(shake(*server, old).first);

  for (const char* ciphers : {"AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA256"}) {
    SSL* weak = client->make_ssl("origin.test");
    SSL_set_max_proto_version(weak, TLS1_2_VERSION);
    EXPECT_EQ(SSL_set_cipher_list(weak, ciphers), 1);
    EXPECT_FALSE(shake(*server, weak).first) << ciphers;
  }
}

TEST_F(TlsContextTest, AClientThatSpeaksNothingOfOursIsRefused) {
  const Identity id = ca_.issue({});
  auto server =
      TlsServer::make(std::array{TlsServer::Certificate{id.certificate_file, id.key_file}});
  auto client = TlsClient::make({.ca_file = ca_.root().certificate_file});
  SSL* ftp = client->make_ssl("origin.test");
  const unsigned char names[] = {3, 'f', 't', 'p'};
  SSL_set_alpn_protos(ftp, names, sizeof names);
  EXPECT_FALSE(shake(*server, ftp).first);
  SSL* silent = client->make_ssl("origin.test");
  SSL_set_alpn_protos(silent, nullptr, 0);
  EXPECT_TRUE(shake(*server, silent).first);
}

TEST_F(TlsContextTest, NamesThatCannotBeOneGiveNothing) {
  auto client = TlsClient::make({});
  EXPECT_EQ(client->make_ssl(""), nullptr);
  EXPECT_EQ(client->make_ssl(std::string_view("a\0b", 3)), nullptr);
  EXPECT_EQ(client->make_ssl(std::string(300, 'a')), nullptr);
}

}  // namespace
}  // namespace millrace::test
