#include "net/tls_context.hpp"

#include "tls_fixture.hpp"

namespace millrace::test {
namespace {

using net::TlsClient;
using net::TlsServer;

class TlsContextTest : public TlsFixture {
 protected:
  static std::string server_error(const std::string& certificate, const std::string& key) {
    const auto made = TlsServer::make({.certificates = {{certificate, key, {}}}});
    return made ? "" : made.error();
  }
};

TEST_F(TlsContextTest, BadFilesAreNamed) {
  const Identity good = ca_.issue({});
  const Identity other = ca_.issue({});
  EXPECT_EQ(server_error(good.certificate_file, good.key_file), "");
  EXPECT_EQ(server_error("/nonexistent.pem", good.key_file),
            "/nonexistent.pem: cannot load the certificate: No such file or directory");
  EXPECT_EQ(server_error(good.certificate_file, "/nonexistent.key"),
            "/nonexistent.key: cannot load the private key: No such file or directory");
  EXPECT_EQ(server_error(good.certificate_file, other.key_file),
            other.key_file + ": is not the key of " + good.certificate_file);
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

TEST_F(TlsContextTest, AClientOffersHttp1AndVerifies) {
  const Identity good = ca_.issue({});
  const Identity bad = ca_.issue({.name = "DNS:other.test"});
  auto client = TlsClient::make({.ca_file = ca_.root().certificate_file});
  ASSERT_TRUE(client);
  auto server = make_server({&good});
  const Shaken shaken = shake(server, client->make_ssl("origin.test"));
  EXPECT_TRUE(shaken.good());
  EXPECT_EQ(shaken.alpn, "http/1.1");
  auto impostor = make_server({&bad});
  EXPECT_FALSE(shake(impostor, client->make_ssl("origin.test")).client);
}

TEST_F(TlsContextTest, OldProtocolsAndWeakCiphersAreRefused) {
  const Identity id = ca_.issue({.rsa = true});
  auto server = make_server({&id});

  SSL* tls12 = client_ssl(nullptr);
  SSL_set_max_proto_version(tls12, TLS1_2_VERSION);
  EXPECT_TRUE(shake(server, tls12).good());

  SSL* old = client_ssl(nullptr);
  SSL_set_security_level(old, 0);
  SSL_set_min_proto_version(old, TLS1_1_VERSION);
  SSL_set_max_proto_version(old, TLS1_1_VERSION);
  EXPECT_FALSE(shake(server, old).server);

  for (const char* ciphers : {"AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA256"}) {
    SSL* weak = client_ssl(nullptr);
    SSL_set_max_proto_version(weak, TLS1_2_VERSION);
    EXPECT_EQ(SSL_set_cipher_list(weak, ciphers), 1);
    EXPECT_FALSE(shake(server, weak).server) << ciphers;
  }
}

TEST_F(TlsContextTest, NamesThatCannotBeOneGiveNothing) {
  auto client = TlsClient::make({});
  EXPECT_EQ(client->make_ssl(""), nullptr);
  EXPECT_EQ(client->make_ssl(std::string_view("a\0b", 3)), nullptr);
  EXPECT_EQ(client->make_ssl(std::string(300, 'a')), nullptr);
}

}  // namespace
}  // namespace millrace::test
