// Session tickets: who comes back where, and for how long.
#include "net/tls_tickets.hpp"

#include "tls_fixture.hpp"

#include <thread>

namespace millrace::test {
namespace {

using namespace std::chrono_literals;
using net::ClientAuth;
using net::TicketKeys;
using net::TlsServer;

class TlsTicketsTest : public TlsFixture {
 protected:
  std::shared_ptr<TicketKeys> ring() {
    return std::make_shared<TicketKeys>(
        TicketKeys::Options{.period = 12h, .now = [this] { return now_; }});
  }
  TlsServer server_with(std::shared_ptr<TicketKeys> keys) {
    return make_server({.certificates = {files(id_)}, .tickets = std::move(keys)});
  }
  Shaken come(TlsServer& server, SSL_SESSION* session, int version = TLS1_3_VERSION) {
    SSL* ssl = client_ssl("origin.test");
    SSL_set_max_proto_version(ssl, version);
    if (session != nullptr) SSL_set_session(ssl, session);
    Shaken out = shake(server, ssl);
    EXPECT_TRUE(out.good());
    return out;
  }

  TicketKeys::Clock::time_point now_ = TicketKeys::Clock::now();
  const Identity id_ = ca_.issue({});
};

TEST_F(TlsTicketsTest, AClientResumesOnAnyThread) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const auto keys = ring();
    auto one = server_with(keys);
    auto two = server_with(keys);
    auto stranger = server_with(ring());
    const Shaken first = come(one, nullptr, version);
    EXPECT_FALSE(first.resumed);
    EXPECT_EQ(SSL_SESSION_has_ticket(first.session.get()), 1);
    EXPECT_TRUE(come(two, first.session.get(), version).resumed);
    EXPECT_FALSE(come(stranger, first.session.get(), version).resumed);
  }
}

TEST_F(TlsTicketsTest, KeysLastTwoPeriodsAndOldTicketsAreRenewed) {
  auto server = server_with(ring());
  const Shaken first = come(server, nullptr, TLS1_2_VERSION);
  now_ += 12h + 1s;
  const Shaken second = come(server, first.session.get(), TLS1_2_VERSION);
  EXPECT_TRUE(second.resumed);
  now_ += 12h;
  EXPECT_FALSE(come(server, first.session.get(), TLS1_2_VERSION).resumed) << "its key is gone";
  EXPECT_TRUE(come(server, second.session.get(), TLS1_2_VERSION).resumed) << "it got a fresh one";
  now_ += 48h;
  EXPECT_FALSE(come(server, second.session.get(), TLS1_2_VERSION).resumed);
}

TEST_F(TlsTicketsTest, Tls13ClientsGetAFreshTicketEachTime) {
  auto server = server_with(ring());
  const auto ticket = [](const Shaken& shaken) {
    const unsigned char* bytes = nullptr;
    std::size_t size = 0;
    SSL_SESSION_get0_ticket(shaken.session.get(), &bytes, &size);
    return std::string(reinterpret_cast<const char*>(bytes), size);
  };
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const Shaken first = come(server, nullptr, version);
    const Shaken second = come(server, first.session.get(), version);
    EXPECT_TRUE(second.resumed);
    EXPECT_EQ(ticket(first) != ticket(second), version == TLS1_3_VERSION);
    EXPECT_NE(ticket(second), "");
  }
}

TEST_F(TlsTicketsTest, TheRingKeepsTwoKeys) {
  TicketKeys keys({.period = 12h, .now = [this] { return now_; }});
  const auto first = keys.newest();
  EXPECT_EQ(keys.find(first->name), first);
  now_ += 12h - 1s;
  EXPECT_EQ(keys.newest(), first);
  now_ += 1s;
  const auto second = keys.newest();
  EXPECT_NE(second->name, first->name);
  EXPECT_NE(second->cipher, first->cipher);
  EXPECT_EQ(keys.find(first->name), first);
  const std::weak_ptr<const TicketKeys::Key> gone = second;
  now_ += 12h;
  EXPECT_EQ(keys.find(first->name), nullptr);
  now_ += 24h;
  keys.tend();
  EXPECT_EQ(keys.find(second->name), nullptr);
  EXPECT_EQ(gone.use_count(), 1) << "only the test holds it";
}

TEST_F(TlsTicketsTest, ATicketIsNoWayAroundClientCertificates) {
  const auto keys = ring();
  const Identity member = ca_.issue({});
  TestCa other_ca;
  const auto with = [&](ClientAuth auth, const TestCa& ca) {
    return make_server({.certificates = {files(id_)},
                        .client_auth = auth,
                        .client_ca_file = ca.root().certificate_file,
                        .tickets = keys});
  };
  auto open = with(ClientAuth::kNone, ca_);
  auto optional = with(ClientAuth::kOptional, ca_);
  auto required = with(ClientAuth::kRequired, ca_);
  auto others = with(ClientAuth::kRequired, other_ca);
  const auto attempt = [&](TlsServer& server, SSL_SESSION* session, bool shows) {
    SSL* ssl = client_ssl("origin.test");
    if (session != nullptr) SSL_set_session(ssl, session);
    if (shows) show(ssl, member);
    return shake(server, ssl);
  };
  const Shaken anonymous = attempt(open, nullptr, false);
  EXPECT_FALSE(attempt(required, anonymous.session.get(), false).good());
  EXPECT_FALSE(attempt(optional, anonymous.session.get(), false).resumed);
  const Shaken known = attempt(required, nullptr, true);
  const Shaken again = attempt(required, known.session.get(), false);
  EXPECT_TRUE(again.resumed);
  EXPECT_EQ(again.client_subject, "CN=leaf") << "the ticket remembers";
  EXPECT_FALSE(attempt(others, known.session.get(), false).good());
}

TEST_F(TlsTicketsTest, ATicketIsForTheNamesOfItsListener) {
  const auto keys = ring();
  const Identity other = ca_.issue({.name = "DNS:other.test"});
  const Identity renewed = ca_.issue({});
  auto here = server_with(keys);
  auto there = make_server({.certificates = {files(other)}, .tickets = keys});
  auto later = make_server({.certificates = {files(renewed)}, .tickets = keys});
  const Shaken first = come(here, nullptr);
  EXPECT_FALSE(come(there, first.session.get()).resumed);
  EXPECT_TRUE(come(later, first.session.get()).resumed) << "a renewal keeps the tickets";
}

TEST_F(TlsTicketsTest, ThreadsShareTheRing) {
  TicketKeys keys({.period = 1ms});
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&keys] {
      for (int i = 0; i < 2000; ++i) {
        const auto key = keys.newest();
        (void)keys.find(key->name);
      }
    });
}

}  // namespace
}  // namespace millrace::test
