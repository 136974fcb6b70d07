// What a client gets from a listener: certificate, protocol, OCSP answer, and whether it gets in.
#include "net/tls_server.hpp"

#include "tls_fixture.hpp"

#include <iterator>

#include <openssl/ocsp.h>
#include <sys/stat.h>

namespace millrace::test {
namespace {

using net::ClientAuth;
using net::TlsServer;

class TlsServerTest : public TlsFixture {
 protected:
  Shaken with_alpn(TlsServer& server, std::string_view names) {
    SSL* ssl = client_ssl("origin.test");
    SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(names.data()),
                        static_cast<unsigned>(names.size()));
    return shake(server, ssl);
  }
  static std::string content(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
};

TEST_F(TlsServerTest, TheCertificateFollowsTheName) {
  const Identity first = ca_.issue({.name = "DNS:first.test"});
  const Identity wild = ca_.issue({.name = "DNS:*.wild.test,DNS:wild.test"});
  const Identity exact = ca_.issue({.name = "DNS:exact.wild.test"});
  const Identity by_cn = ca_.issue({.name = "", .subject = "cn.test"});
  const Identity cn_ignored = ca_.issue({.name = "DNS:san.test", .subject = "ignored.test"});
  auto server = make_server({&first, &wild, &exact, &by_cn, &cn_ignored});
  EXPECT_TRUE(shake(server, client_ssl(nullptr)).got(first));
  EXPECT_TRUE(shake(server, client_ssl("first.test")).got(first));
  EXPECT_TRUE(shake(server, client_ssl("a.wild.test")).got(wild));
  EXPECT_TRUE(shake(server, client_ssl("A.Wild.TEST")).got(wild));
  EXPECT_TRUE(shake(server, client_ssl("wild.test")).got(wild));
  EXPECT_TRUE(shake(server, client_ssl("exact.wild.test")).got(exact));
  EXPECT_TRUE(shake(server, client_ssl("a.b.wild.test")).got(first)) << "one label only";
  EXPECT_TRUE(shake(server, client_ssl("cn.test")).got(by_cn));
  EXPECT_TRUE(shake(server, client_ssl("san.test")).got(cn_ignored));
  EXPECT_TRUE(shake(server, client_ssl("ignored.test")).got(first));
  EXPECT_TRUE(shake(server, client_ssl("nobody.test")).got(first));
}

TEST_F(TlsServerTest, EachClientGetsTheKindOfKeyItKnows) {
  const Identity other = ca_.issue({.name = "DNS:other.test"});
  const Identity ecdsa = ca_.issue({});
  const Identity rsa = ca_.issue({.rsa = true});
  auto server = make_server({&other, &ecdsa, &rsa});
  EXPECT_TRUE(shake(server, client_ssl("origin.test")).got(ecdsa));
  SSL* only_rsa = client_ssl("origin.test");
  SSL_set1_sigalgs_list(only_rsa, "RSA-PSS+SHA256:RSA+SHA256");
  EXPECT_TRUE(shake(server, only_rsa).got(rsa));
  SSL* tls12 = client_ssl("origin.test");
  SSL_set_max_proto_version(tls12, TLS1_2_VERSION);
  SSL_set_cipher_list(tls12, "ECDHE-RSA-AES128-GCM-SHA256");
  EXPECT_TRUE(shake(server, tls12).got(rsa));
  auto default_pair = make_server({&rsa, &ecdsa});
  EXPECT_TRUE(shake(default_pair, client_ssl(nullptr)).got(ecdsa)) << "companions of the default";
}

TEST_F(TlsServerTest, TheProtocolIsOursToChooseOfTheirs) {
  const Identity id = ca_.issue({});
  auto server = make_server({&id});
  EXPECT_EQ(with_alpn(server, "\x02h2\x08http/1.1").alpn, "h2");
  EXPECT_EQ(with_alpn(server, "\x08http/1.1\x02h2").alpn, "h2");
  EXPECT_EQ(with_alpn(server,
                      "\x03"
                      "foo"
                      "\x08http/1.1")
                .alpn,
            "http/1.1");
  EXPECT_EQ(shake(server, client_ssl("origin.test")).alpn, "");
  const Shaken none = with_alpn(server,
                                "\x03"
                                "ftp");
  EXPECT_FALSE(none.server);
  EXPECT_FALSE(none.client);
  auto old = make_server({.certificates = {files(id)}, .http2 = false});
  EXPECT_EQ(with_alpn(old, "\x02h2\x08http/1.1").alpn, "http/1.1");
  EXPECT_FALSE(with_alpn(old, "\x02h2").server);
}

TEST_F(TlsServerTest, ClientsShowCertificatesWhereTheyMust) {
  TestCa others;
  const Identity id = ca_.issue({});
  const Identity member = ca_.issue({.subject = "Ann, \xC3\xA4\r\nEvil: 1"});
  const Identity stranger = others.issue({});
  const Identity expired = ca_.issue({.begins = -7200, .ends = -3600});
  const struct {
    ClientAuth auth;
    bool nobody, member, stranger;
  } rows[] = {{ClientAuth::kNone, true, true, true},
              {ClientAuth::kOptional, true, true, false},
              {ClientAuth::kRequired, false, true, false}};
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const auto& row : rows) {
      SCOPED_TRACE(version * 10 + static_cast<int>(row.auth));
      auto server = make_server({.certificates = {files(id)},
                                 .client_auth = row.auth,
                                 .client_ca_file = ca_.root().certificate_file});
      const auto as = [&](const Identity* who) {
        SSL* ssl = client_ssl("origin.test");
        SSL_set_max_proto_version(ssl, version);
        if (who != nullptr) show(ssl, *who);
        return shake(server, ssl);
      };
      EXPECT_EQ(as(nullptr).good(), row.nobody);
      EXPECT_EQ(as(&stranger).good(), row.stranger);
      EXPECT_EQ(as(&expired).good(), row.stranger);
      const Shaken in = as(&member);
      EXPECT_EQ(in.good(), row.member);
      EXPECT_EQ(in.client_subject,
                row.auth == ClientAuth::kNone ? "" : "CN=Ann\\, \\C3\\83\\C2\\A4\\0D\\0AEvil: 1");
    }
  }
}

TEST_F(TlsServerTest, AMissingAuthorityFileIsNamed) {
  const Identity id = ca_.issue({});
  const auto made = TlsServer::make({.certificates = {files(id)},
                                     .client_auth = ClientAuth::kOptional,
                                     .client_ca_file = "/nonexistent.pem"});
  ASSERT_FALSE(made);
  EXPECT_TRUE(made.error().starts_with("/nonexistent.pem: cannot load")) << made.error();
}

TEST_F(TlsServerTest, SessionsKnowTheNameAndWhatTheCertificateIsFor) {
  const Identity first = ca_.issue({.name = "DNS:first.test"});
  const Identity id = ca_.issue({.name = "DNS:origin.test,DNS:*.origin.test,IP:127.0.0.1,IP:::1"});
  auto server = make_server({&first, &id});
  asked_hosts_ = {"origin.test", "A.ORIGIN.test", "a.b.origin.test", "first.test", "127.0.0.1",
                  "127.0.0.2",   "::1",           "0:0:0:0:0:0:0:1"};
  const Shaken in = shake(server, client_ssl("Origin.Test"));
  EXPECT_EQ(in.server_name, "origin.test");
  EXPECT_EQ(in.covered, (std::vector<bool>{true, true, false, false, true, false, true, true}));
  SSL* again = client_ssl("origin.test");
  SSL_set_session(again, in.session.get());
  const Shaken resumed = shake(server, again);
  EXPECT_TRUE(resumed.resumed);
  EXPECT_EQ(resumed.covered, in.covered);
  EXPECT_EQ(shake(server, client_ssl(nullptr)).server_name, "");
}

TEST_F(TlsServerTest, ANewServerTakesTheOldOnesPlaceBeneathConnections) {
  const Identity old_id = ca_.issue({});
  const Identity new_id = ca_.issue({});
  auto server = make_server({&old_id});
  SSL* early = server.make_ssl();  // accepted before the change, shakes hands after it
  server = make_server({&new_id});
  EXPECT_TRUE(shake(server, client_ssl("origin.test")).got(new_id));
  std::array<int, 2> fds{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()), 0);
  on_io(io_, [&]() -> Task<void> {
    net::Stream s(fds[0]);
    net::Stream c(fds[1]);
    TaskGroup group;
    Shaken out;
    group.spawn(serve(s, early, nullptr, out));
    EXPECT_TRUE(co_await c.handshake(client_ssl("origin.test")));
    c.close();
    co_await group.join();
    EXPECT_TRUE(out.server);
    EXPECT_EQ(out.server_name, "origin.test");
  });
}

TEST_F(TlsServerTest, SecretsAreLoggedForWireshark) {
  const Identity id = ca_.issue({});
  const std::string file = ca_.folder() / "keys.log";
  std::ofstream(file) << "# kept\n";
  ::chmod(file.c_str(), 0600);
  auto log = net::KeyLog::open(file);
  ASSERT_TRUE(log);
  auto server = make_server({.certificates = {files(id)}, .key_log = *log});
  EXPECT_TRUE(shake(server, client_ssl("origin.test")).good());
  const std::string text = content(file);
  EXPECT_TRUE(text.starts_with("# kept\n"));
  EXPECT_NE(text.find("\nCLIENT_TRAFFIC_SECRET_0 "), std::string::npos) << text;
  EXPECT_TRUE(text.ends_with("\n"));
  EXPECT_EQ(net::KeyLog::open("/nonexistent/keys.log").error(),
            "/nonexistent/keys.log: cannot open the key log: No such file or directory");
  const std::string fresh = ca_.folder() / "fresh.log";
  ASSERT_TRUE(net::KeyLog::open(fresh));
  struct stat s{};
  ::stat(fresh.c_str(), &s);
  EXPECT_EQ(s.st_mode & 0777, 0600u);
}

// --- OCSP

using ResponsePtr = std::unique_ptr<OCSP_RESPONSE, OpensslFree<&OCSP_RESPONSE_free>>;
using BasicPtr = std::unique_ptr<OCSP_BASICRESP, OpensslFree<&OCSP_BASICRESP_free>>;

/// The authority's word on `id`, good from an hour ago until `ends` seconds from now.
std::string write_ocsp(const TestCa& ca, const Identity& id, long ends) {
  const BasicPtr basic(OCSP_BASICRESP_new());
  OCSP_CERTID* cert_id =
      OCSP_cert_to_id(EVP_sha1(), id.certificate.get(), ca.root().certificate.get());
  ASN1_TIME* from = X509_gmtime_adj(nullptr, -3600);
  ASN1_TIME* until = X509_gmtime_adj(nullptr, ends);
  OCSP_basic_add1_status(basic.get(), cert_id, V_OCSP_CERTSTATUS_GOOD, 0, nullptr, from, until);
  OCSP_basic_sign(basic.get(), ca.root().certificate.get(), ca.root().key.get(), EVP_sha256(),
                  nullptr, 0);
  const ResponsePtr response(OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic.get()));
  ASN1_TIME_free(from);
  ASN1_TIME_free(until);
  OCSP_CERTID_free(cert_id);
  unsigned char* der = nullptr;
  const int size = i2d_OCSP_RESPONSE(response.get(), &der);
  const std::string file = id.certificate_file + ".ocsp";
  std::ofstream(file, std::ios::binary).write(reinterpret_cast<char*>(der), size);
  OPENSSL_free(der);
  return file;
}

TEST_F(TlsServerTest, AnOcspAnswerIsStapledWhileItIsGood) {
  const Identity first = ca_.issue({.name = "DNS:first.test"});
  const Identity id = ca_.issue({});
  for (const long ends : {3600L, -60L}) {
    const std::string file = write_ocsp(ca_, id, ends);
    auto server =
        make_server({.certificates = {files(first), {id.certificate_file, id.key_file, file}}});
    const auto ask = [&](const char* name) {
      SSL* ssl = client_ssl(name);
      SSL_set_tlsext_status_type(ssl, TLSEXT_STATUSTYPE_ocsp);
      return shake(server, ssl);
    };
    EXPECT_EQ(ask("origin.test").ocsp, ends > 0 ? content(file) : "");
    EXPECT_EQ(ask("first.test").ocsp, "");
    EXPECT_EQ(shake(server, client_ssl("origin.test")).ocsp, "") << "nobody asked";
  }
}

TEST_F(TlsServerTest, AnOcspAnswerOfAnotherCertificateIsAnError) {
  const Identity id = ca_.issue({});
  const Identity other = ca_.issue({});
  const std::string file = write_ocsp(ca_, other, 3600);
  const auto made = TlsServer::make({.certificates = {{id.certificate_file, id.key_file, file}}});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error(), file + ": is for another certificate");
}

}  // namespace
}  // namespace millrace::test
