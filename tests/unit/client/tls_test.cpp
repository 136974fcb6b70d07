// https origins: who is believed, and what happens to those who are not.
#include "client_fixture.hpp"
#include "support/test_ca.hpp"

namespace millrace::test {
namespace {

using client::Request;
using Peer = RawOrigin::Peer;

class TlsTest : public ClientTest {
 protected:
  /// One request to an origin that shows `id`, dialled by address and verified as `name`.
  Result<std::string> fetch(const Identity& id, std::string name, bool verify = true,
                            std::string ca = {}) {
    RawOrigin origin([&](Peer& peer, int) {
      BlockingTls tls(peer.fd(), id);
      if (!tls.accept()) return;
      server_name_ = tls.server_name();
      while (!tls.read_head().empty()) tls.send(ok("secret"));
    });
    Result<std::string> result = fail(Errc::kInternal);
    run([&]() -> Task<void> {
      Request request;
      request.origin =
          client
              ->origin({.tls = true,
                        .host = "127.0.0.1",
                        .port = origin.port(),
                        .tls_name = name,
                        .tls_options = {.ca_file = ca.empty() ? ca_.root().certificate_file : ca,
                                        .verify = verify}})
              .value();
      request.host = name;
      result = co_await fetch_text(request);
      cause_ = request.trace.tls_cause;
      if (result) {
        EXPECT_GT(request.trace.timings.of(Phase::kTls), 0ns);
        Request again;
        again.origin = request.origin;
        again.host = name;
        EXPECT_EQ(co_await fetch_text(again), "secret");
        EXPECT_TRUE(again.trace.reused);  // session tickets came meanwhile
      }
      client->close_idle();
    });
    return result;
  }

  TestCa ca_;
  std::string server_name_;
  std::string cause_;
};

const Result<std::string> kRefused = fail(Errc::kTlsFailed);

TEST_F(TlsTest, ACertificateOfTheAuthorityForTheNameIsBelieved) {
  EXPECT_EQ(fetch(ca_.issue({}), "origin.test"), "secret");
  EXPECT_EQ(server_name_, "origin.test");
}

TEST_F(TlsTest, RsaWorksToo) {
  EXPECT_EQ(fetch(ca_.issue({.rsa = true}), "origin.test"), "secret");
}

TEST_F(TlsTest, AddressesAreVerifiedAndNotSentAsServerName) {
  EXPECT_EQ(fetch(ca_.issue({.name = "IP:127.0.0.1"}), "127.0.0.1"), "secret");
  EXPECT_EQ(server_name_, "");
  EXPECT_EQ(fetch(ca_.issue({.name = "IP:127.0.0.2"}), "127.0.0.1"), kRefused);
  EXPECT_EQ(fetch(ca_.issue({.name = "DNS:127.0.0.1"}), "127.0.0.1"), kRefused);
}

TEST_F(TlsTest, AnotherNameIsRefused) {
  EXPECT_EQ(fetch(ca_.issue({.name = "DNS:other.test"}), "origin.test"), kRefused);
  EXPECT_EQ(cause_, "hostname mismatch");
}

TEST_F(TlsTest, AnExpiredCertificateIsRefused) {
  EXPECT_EQ(fetch(ca_.issue({.begins = -7200, .ends = -3600}), "origin.test"), kRefused);
  EXPECT_EQ(cause_, "certificate has expired");
}

TEST_F(TlsTest, ACertificateOfTomorrowIsRefused) {
  EXPECT_EQ(fetch(ca_.issue({.begins = 3600, .ends = 7200}), "origin.test"), kRefused);
  EXPECT_EQ(cause_, "certificate is not yet valid");
}

TEST_F(TlsTest, ASelfSignedCertificateIsRefused) {
  EXPECT_EQ(fetch(ca_.issue({.self_signed = true}), "origin.test"), kRefused);
  EXPECT_EQ(cause_, "self-signed certificate");
}

TEST_F(TlsTest, AnotherAuthorityIsRefused) {
  TestCa other;
  EXPECT_EQ(fetch(other.issue({}), "origin.test"), kRefused);
}

TEST_F(TlsTest, WithoutVerificationEverybodyIsBelieved) {
  EXPECT_EQ(fetch(ca_.issue({.self_signed = true}), "origin.test", false), "secret");
}

TEST_F(TlsTest, APlaintextAnswerIsRefused) {
  RawOrigin origin([&](Peer& peer, int) {
    peer.read_bytes(1);
    peer.send(ok("plain"));
  });
  run([&]() -> Task<void> {
    Request request;
    request.origin =
        client->origin({.tls = true, .host = "127.0.0.1", .port = origin.port()}).value();
    EXPECT_EQ(co_await fetch_text(request), kRefused);
  });
}

TEST_F(TlsTest, AStalledHandshakeTimesOut) {
  RawOrigin origin([&](Peer& peer, int) { peer.read_to_end(); });
  run([&]() -> Task<void> {
    Request request;
    request.origin =
        client->origin({.tls = true, .host = "127.0.0.1", .port = origin.port()}).value();
    request.timeouts.tls = 50ms;
    EXPECT_EQ(co_await fetch_text(request), fail(Errc::kTlsTimeout));
  });
}

TEST_F(TlsTest, OldVersionsAreRefused) {
  const Identity id = ca_.issue({});
  RawOrigin origin([&](Peer& peer, int) {
    BlockingTls tls(peer.fd(), id);
    SSL_CTX_set_security_level(tls.context(), 0);
    SSL_CTX_set_max_proto_version(tls.context(), TLS1_1_VERSION);
    (void)tls.accept();
  });
  run([&]() -> Task<void> {
    Request request;
    request.origin = client
                         ->origin({.tls = true,
                                   .host = "127.0.0.1",
                                   .port = origin.port(),
                                   .tls_name = "origin.test",
                                   .tls_options = {.ca_file = ca_.root().certificate_file}})
                         .value();
    EXPECT_EQ(co_await fetch_text(request), kRefused);
  });
}

TEST_F(TlsTest, ABodyUntilTheEndNeedsCloseNotify) {
  const Identity id = ca_.issue({});
  for (const bool clean : {true, false}) {
    RawOrigin origin([&](Peer& peer, int) {
      BlockingTls tls(peer.fd(), id);
      if (!tls.accept()) return;
      tls.read_head();
      tls.send("HTTP/1.1 200 OK\r\n\r\nhalf or whole");
      if (clean) tls.shutdown();
      peer.close();
    });
    run([&]() -> Task<void> {
      Request request;
      request.origin = client
                           ->origin({.tls = true,
                                     .host = "127.0.0.1",
                                     .port = origin.port(),
                                     .tls_name = "origin.test",
                                     .tls_options = {.ca_file = ca_.root().certificate_file}})
                           .value();
      const auto text = co_await fetch_text(request);
      EXPECT_EQ(text.has_value(), clean);
    });
  }
}

TEST_F(TlsTest, ALargeBodyComesThroughWhole) {
  const Identity id = ca_.issue({});
  const std::string body(2'000'003, 'b');
  RawOrigin origin([&](Peer& peer, int) {
    BlockingTls tls(peer.fd(), id);
    if (!tls.accept()) return;
    tls.read_head();
    tls.send(ok(body));
    peer.read_to_end();
  });
  run([&]() -> Task<void> {
    Request request;
    request.origin = client
                         ->origin({.tls = true,
                                   .host = "127.0.0.1",
                                   .port = origin.port(),
                                   .tls_name = "origin.test",
                                   .tls_options = {.ca_file = ca_.root().certificate_file}})
                         .value();
    const auto text = co_await fetch_text(request);
    EXPECT_EQ(text->size(), body.size());
    client->close_idle();
  });
}

TEST_F(TlsTest, AnAuthorityFileThatDoesNotLoadIsATextForTheStart) {
  const auto origin =
      client->origin({.tls = true, .host = "x", .tls_options = {.ca_file = "/nonexistent/ca.pem"}});
  ASSERT_FALSE(origin);
  EXPECT_EQ(
      origin.error(),
      "/nonexistent/ca.pem: cannot load the certificate authorities: No such file or directory");
}

}  // namespace
}  // namespace millrace::test
