#include "server/connections.hpp"

#include "net/listener.hpp"
#include "server/pipeline.hpp"
#include "support/on_io.hpp"
#include "support/wire_client.hpp"

#include <filesystem>
#include <list>
#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <time.h>

namespace millrace::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Ending;
using test::on_io;
using test::WireClient;

constexpr std::string_view kGet = "GET /peer HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::string_view kGetWait = "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n";

constexpr std::string_view kAnswerEnd = " at 127.0.0.1\n";

/// "/peer" tells what is known of the peer, "/wait" never answers.
class Handlers final : public Handler {
 public:
  Task<Result<void>> handle(Exchange& e) override {
    if (e.request.path == "/wait") {
      ++waiting;
      if (auto slept = co_await sleep_for(std::chrono::hours(1)); !slept) co_return slept;
    }
    http::ResponseHead head;
    std::string body(e.peer.address);
    body += e.peer.loopback ? " loopback" : "";
    body += e.peer.trusted_proxy ? " trusted" : "";
    body += " at " + std::string(e.peer.local_address) + "\n";
    e.respond(head, body);
    co_return Result<void>{};
  }
  int waiting = 0;
};

/// A connected client; its server's end is not known, only what arrives.
int connect_to(const net::SocketAddress& address) {
  const net::RawSocketAddress raw = address.to_raw();
  const int fd = ::socket(address.native_family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(fd, raw.get(), raw.length) != 0) {
    ::close(fd);
    return -1;
  }
  ::fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

class ConnectionsTest : public testing::Test {
 protected:
  ConnectionsTest() : pipeline_(ConnectionLimits{}, make_router(), {}) {}

  Router make_router() {
    Router router;
    router.add({}, handlers_);
    return router;
  }
  net::Listener bind(std::string_view text = "127.0.0.1", unsigned threads = 1) {
    return net::Listener::bind({net::IpAddress::parse(text).value(), 0}, threads).value();
  }
  template <class F>
  void run(F body) {
    on_io(io_, body);
  }

  IoThread io_{0};
  Handlers handlers_;
  ServerPipeline pipeline_;
};

/// Asks once and keeps the connection.
Task<std::string> ask(WireClient& client, std::string_view request = kGet) {
  client.received().clear();
  EXPECT_TRUE(co_await client.send(request));
  (void)co_await client.receive_until(kAnswerEnd);
  co_return client.received();
}

Task<void> end(Connections& connections) {
  co_await connections.stop_accepting();
  co_await connections.finish(seconds(0));
}

TEST_F(ConnectionsTest, ServesAndTellsWhoAsks) {
  run([&]() -> Task<void> {
    net::Listener listener = bind();
    Connections connections(pipeline_, {});
    connections.listen({.fd = listener.take(0), .address = listener.address()});
    WireClient client({.client = connect_to(listener.address())});
    const std::string got = co_await ask(client);
    EXPECT_TRUE(got.ends_with("127.0.0.1 loopback at 127.0.0.1\n")) << got;
    EXPECT_EQ(connections.open(), 1u);
    client.close();
    for (int turn = 0; turn < 1000 && connections.open() != 0; ++turn)
      (void)co_await WireClient::next_turn();
    EXPECT_EQ(connections.open(), 0u);
    co_await end(connections);
  });
}

TEST_F(ConnectionsTest, TrustedProxiesAreThoseOfTheNetworks) {
  run([&]() -> Task<void> {
    net::Listener listener = bind();
    Connections connections(pipeline_,
                            {.trusted_proxies = {net::Network::parse("127.0.0.0/8").value()}});
    connections.listen({.fd = listener.take(0), .address = listener.address()});
    WireClient client({.client = connect_to(listener.address())});
    const std::string got = co_await ask(client);
    EXPECT_TRUE(got.ends_with("127.0.0.1 loopback trusted at 127.0.0.1\n")) << got;
    co_await end(connections);
  });
}

TEST_F(ConnectionsTest, ThePeerIsWhomTheProxyHeaderTells) {
  run([&]() -> Task<void> {
    net::Listener listener = bind();
    Connections connections(pipeline_,
                            {.trusted_proxies = {net::Network::parse("127.0.0.0/8").value()},
                             .proxy_protocol = config::ProxyProtocol::kOptional});
    connections.listen({.fd = listener.take(0), .address = listener.address()});
    const auto answer = [&](std::string header) -> Task<std::string> {
      WireClient client({.client = connect_to(listener.address())});
      co_return co_await ask(client, header += kGet);
    };
    // Whether it is trusted, and on loopback, is judged anew.
    std::string got = co_await answer("PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n");
    EXPECT_TRUE(got.ends_with("\n192.0.2.7 at 127.0.0.1\n")) << got;
    got = co_await answer("PROXY TCP6 ::ffff:192.0.2.7 ::ffff:127.0.0.1 1 2\r\n");
    EXPECT_TRUE(got.ends_with("\n192.0.2.7 at 127.0.0.1\n")) << got;
    got = co_await answer("PROXY TCP4 127.0.0.9 127.0.0.1 1 2\r\n");
    EXPECT_TRUE(got.ends_with("\n127.0.0.9 loopback trusted at 127.0.0.1\n")) << got;
    got = co_await answer("PROXY UNKNOWN\r\n");
    EXPECT_TRUE(got.ends_with("\n127.0.0.1 loopback trusted at 127.0.0.1\n")) << got;
    got = co_await answer("");
    EXPECT_TRUE(got.ends_with("\n127.0.0.1 loopback trusted at 127.0.0.1\n")) << got;
    co_await end(connections);
  });
}

TEST_F(ConnectionsTest, AProxyHeaderIsABadRequestWhereNobodyAskedForIt) {
  for (const auto wanted : {config::ProxyProtocol::kOff, config::ProxyProtocol::kOptional}) {
    run([&]() -> Task<void> {
      net::Listener listener = bind();
      Connections connections(pipeline_, {.proxy_protocol = wanted});  // nobody is trusted
      connections.listen({.fd = listener.take(0), .address = listener.address()});
      WireClient client({.client = connect_to(listener.address())});
      EXPECT_TRUE(co_await client.send("PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n"));
      EXPECT_TRUE(co_await client.send(kGet));
      EXPECT_EQ(co_await client.receive_all(), Ending::kClosed);
      EXPECT_TRUE(client.received().starts_with("HTTP/1.1 400 ")) << client.received();
      co_await end(connections);
    });
  }
}

TEST_F(ConnectionsTest, AtTheLimitTheNextOneWaits) {
  run([&]() -> Task<void> {
    net::Listener listener = bind();
    Connections connections(pipeline_, {.connections_max = 2});
    connections.listen({.fd = listener.take(0), .address = listener.address()});
    WireClient first({.client = connect_to(listener.address())});
    WireClient second({.client = connect_to(listener.address())});
    WireClient third({.client = connect_to(listener.address())});
    (void)co_await ask(first);
    (void)co_await ask(second);
    EXPECT_TRUE(co_await third.send(kGet));
    for (int turn = 0; turn < 50; ++turn) (void)co_await WireClient::next_turn();
    EXPECT_EQ(connections.open(), 2u);
    char byte = 0;
    EXPECT_TRUE(third.stream().read_some({&byte, 1}).would_block());
    first.close();
    EXPECT_TRUE(co_await third.receive_until(kAnswerEnd));
    EXPECT_LE(connections.open(), 2u);
    co_await end(connections);
  });
}

double thread_cpu_seconds() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

TEST_F(ConnectionsTest, OutOfDescriptorsAcceptingRestsAndRecovers) {
  run([&]() -> Task<void> {
    net::Listener listener = bind();
    Connections connections(pipeline_, {});
    connections.listen({.fd = listener.take(0), .address = listener.address()});
    WireClient client({.client = connect_to(listener.address())});
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    const rlimit none{.rlim_cur = 0, .rlim_max = before.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
    EXPECT_TRUE(co_await client.send(kGet));
    const double began = thread_cpu_seconds();
    (void)co_await sleep_for(milliseconds(500));
    const double used = thread_cpu_seconds() - began;
    EXPECT_EQ(connections.open(), 0u);
    ::setrlimit(RLIMIT_NOFILE, &before);
    EXPECT_LT(used, 0.1) << "it spins";
    const TimePoint recovered = Clock::now();
    EXPECT_TRUE(co_await client.receive_until(kAnswerEnd));
    EXPECT_LT(Clock::now() - recovered, seconds(10));
    co_await end(connections);
  });
}

/// Connections that wait in the queues when the drain begins: each gets its answer, with close.
Task<void> drain_queued(Connections& connections, std::vector<ListenerShare> shares,
                        const net::SocketAddress& address, ServerPipeline& pipeline) {
  constexpr int kClients = 100;
  std::list<WireClient> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back(test::TcpPair{.client = connect_to(address)});
    EXPECT_TRUE(co_await clients.back().send(kGet));
  }
  for (ListenerShare& share : shares) connections.listen(std::move(share));
  pipeline.set_draining();
  co_await connections.stop_accepting();
  EXPECT_EQ(connect_to(address), -1) << "nobody listens any more";
  for (WireClient& client : clients) {
    EXPECT_EQ(co_await client.receive_all(), Ending::kClosed);
    EXPECT_TRUE(client.received().starts_with("HTTP/1.1 200 OK\r\n")) << client.received();
    EXPECT_NE(client.received().find("Connection: close\r\n"), std::string::npos);
    client.close();
  }
  co_await connections.finish(seconds(20));
}

TEST_F(ConnectionsTest, QueuedConnectionsOfTwoListenersAreAnsweredInTheDrain) {
  run([&]() -> Task<void> {
    net::Listener listener = bind("127.0.0.1", 2);
    Connections connections(pipeline_, {});
    std::vector<ListenerShare> shares{{.fd = listener.take(0), .address = listener.address()},
                                      {.fd = listener.take(1), .address = listener.address()}};
    co_await drain_queued(connections, std::move(shares), listener.address(), pipeline_);
  });
}

TEST_F(ConnectionsTest, QueuedConnectionsOfAUnixListenerAreAnsweredInTheDrain) {
  const std::string path =
      std::filesystem::temp_directory_path() / ("millrace-" + std::to_string(::getpid()) + ".sock");
  run([&]() -> Task<void> {
    net::Listener listener =
        net::Listener::bind(net::SocketAddress::unix_path(path).value(), 2).value();
    Connections connections(pipeline_, {});
    std::vector<ListenerShare> shares{{.fd = listener.take(0), .address = listener.address()},
                                      {.fd = listener.take(1), .address = listener.address()}};
    co_await drain_queued(connections, std::move(shares), listener.address(), pipeline_);
  });
}

TEST_F(ConnectionsTest, TheDrainWaitsForRunningRequestsAndEndsAtItsDeadline) {
  run([&]() -> Task<void> {
    net::Listener listener = bind();
    Connections connections(pipeline_, {});
    connections.listen({.fd = listener.take(0), .address = listener.address()});
    WireClient idle({.client = connect_to(listener.address())});
    WireClient busy({.client = connect_to(listener.address())});
    (void)co_await ask(idle);
    EXPECT_TRUE(co_await busy.send(kGetWait));
    while (handlers_.waiting == 0) (void)co_await WireClient::next_turn();
    pipeline_.set_draining();
    co_await connections.stop_accepting();
    const TimePoint began = Clock::now();
    co_await connections.finish(milliseconds(300));
    EXPECT_GE(Clock::now() - began, milliseconds(300));
    EXPECT_LT(Clock::now() - began, seconds(5));
    EXPECT_EQ(connections.open(), 0u);
    idle.received().clear();
    EXPECT_EQ(co_await idle.receive_all(), Ending::kClosed);
    EXPECT_EQ(idle.received(), "");
    (void)co_await busy.receive_all();
    EXPECT_TRUE(busy.received().starts_with("HTTP/1.1 503 ")) << busy.received();
  });
}

TEST_F(ConnectionsTest, CancelEndsTheDrainAtOnce) {
  run([&]() -> Task<void> {
    net::Listener listener = bind();
    Connections connections(pipeline_, {});
    connections.listen({.fd = listener.take(0), .address = listener.address()});
    WireClient busy({.client = connect_to(listener.address())});
    EXPECT_TRUE(co_await busy.send(kGetWait));
    while (handlers_.waiting == 0) (void)co_await WireClient::next_turn();
    co_await connections.stop_accepting();
    connections.cancel();
    const TimePoint began = Clock::now();
    co_await connections.finish(std::chrono::hours(1));
    EXPECT_LT(Clock::now() - began, seconds(10));
  });
}

TEST_F(ConnectionsTest, OneListenerGoesAndTheOtherStays) {
  run([&]() -> Task<void> {
    net::Listener one = bind(), two = bind();
    const auto own = std::make_shared<ServerPipeline>(ConnectionLimits{}, make_router(),
                                                      std::vector<std::unique_ptr<Middleware>>());
    Connections connections(pipeline_, {});
    const auto gone =
        connections.listen({.fd = one.take(0), .address = one.address(), .pipeline = own});
    connections.listen({.fd = two.take(0), .address = two.address()});
    WireClient idle({.client = connect_to(one.address())});
    WireClient busy({.client = connect_to(one.address())});
    WireClient other({.client = connect_to(two.address())});
    (void)co_await ask(idle);
    (void)co_await ask(other);
    EXPECT_TRUE(co_await busy.send(kGetWait));
    while (handlers_.waiting == 0) (void)co_await WireClient::next_turn();
    own->set_draining();
    co_await connections.retire(gone, milliseconds(300));
    EXPECT_EQ(connect_to(one.address()), -1);
    const std::string last = co_await ask(idle);
    EXPECT_NE(last.find("Connection: close\r\n"), std::string::npos) << last;
    EXPECT_EQ(co_await busy.receive_all(), Ending::kClosed);
    EXPECT_TRUE(busy.received().starts_with("HTTP/1.1 503 ")) << busy.received();
    EXPECT_EQ((co_await ask(other)).find("Connection: close"), std::string::npos);
    for (int turn = 0; turn < 1000 && connections.open() != 1; ++turn)
      (void)co_await WireClient::next_turn();
    EXPECT_EQ(connections.open(), 1u);
    co_await end(connections);
  });
}

TEST_F(ConnectionsTest, OptionsChangeForWhatIsAcceptedFromThenOn) {
  run([&]() -> Task<void> {
    net::Listener listener = bind();
    Connections connections(pipeline_, {.connections_max = 1});
    connections.listen({.fd = listener.take(0), .address = listener.address()});
    WireClient first({.client = connect_to(listener.address())});
    WireClient second({.client = connect_to(listener.address())});
    EXPECT_TRUE((co_await ask(first)).ends_with("127.0.0.1 loopback at 127.0.0.1\n"));
    connections.change(Connections::Options{
        .connections_max = 2, .trusted_proxies = {net::Network::parse("127.0.0.0/8").value()}});
    EXPECT_TRUE((co_await ask(second)).ends_with(" trusted at 127.0.0.1\n"));
    EXPECT_TRUE((co_await ask(first)).ends_with("127.0.0.1 loopback at 127.0.0.1\n"));
    co_await end(connections);
  });
}

}  // namespace
}  // namespace millrace::server
