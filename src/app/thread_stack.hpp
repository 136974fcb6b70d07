// Everything that one io thread serves with: handlers, pipeline, connections. Nothing of it is
// shared.
//
// Made and destroyed on its thread.
#pragma once

#include "app/fetch_retries.hpp"
#include "app/proxy_options.hpp"
#include "base/log.hpp"
#include "client/client.hpp"
#include "client/url_fetcher.hpp"
#include "config/config.hpp"
#include "endpoints/endpoint.hpp"
#include "endpoints/url_inputs.hpp"
#include "net/address_guard.hpp"
#include "net/resolver.hpp"
#include "net/tls_server.hpp"
#include "proxy/connect_handler.hpp"
#include "proxy/egress.hpp"
#include "proxy/reverse_proxy.hpp"
#include "proxy/target_board.hpp"
#include "proxy/upstream.hpp"
#include "runtime/offload.hpp"
#include "server/connections.hpp"
#include "server/pipeline.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace millrace::app {

/// What one [[egress]] listener serves with, on one thread.
struct EgressStack {
  struct Options {
    client::UrlFetcher::Options fetch;
    proxy::ConnectHandler::Options connect;
    ConnectionLimits limits;
  };
  EgressStack(client::Client& client, net::Resolver& resolver, const net::AddressGuard& guard,
              log::Logger& log, Options options);

  client::UrlFetcher fetcher;
  proxy::ConnectHandler connect;
  proxy::Egress handler{fetcher, connect};
  server::ServerPipeline pipeline;
};

/// Whose listener it is; both null: the routes'.
struct ListenerRole {
  const config::TlsListener* tls = nullptr;
  const config::Egress* egress = nullptr;
};

class ThreadStack {
 public:
  struct Shared {
    const config::Config& config;
    Offload& offload;
    log::Logger& log;
    const net::AddressGuard& guard;
    proxy::TargetBoard& targets;
    const UpstreamLimitsMap& limits;
    unsigned thread;   ///< index of this one
    unsigned threads;  ///< of all
  };

  explicit ThreadStack(const Shared& shared);
  ThreadStack(const ThreadStack&) = delete;
  ThreadStack& operator=(const ThreadStack&) = delete;

  /// A TLS listener's certificates, for handshakes from now on; before it is listened on.
  void set_tls(const config::TlsListener& tls, net::TlsServer server);
  void listen(int fd, const net::SocketAddress& address, ListenerRole role);
  /// Of every listener's answers: `Connection: close` from now on.
  void set_draining() noexcept;
  [[nodiscard]] net::Resolver& resolver() noexcept { return resolver_; }
  [[nodiscard]] server::Connections& connections() noexcept { return *connections_; }

 private:
  [[nodiscard]] server::Router make_router();
  [[nodiscard]] std::unique_ptr<Handler> make_handler(const config::Route& route);
  [[nodiscard]] std::unique_ptr<Handler> make_reverse_proxy(const config::Route& route);
  [[nodiscard]] endpoints::EndpointContext endpoint_context();
  void make_upstreams();
  void make_egress(const config::Egress& egress);

  const Shared shared_;
  BodyAllowances allowances_;
  net::Resolver resolver_;
  client::Client client_;
  FetchRetries fetch_retries_;
  client::UrlFetcher fetcher_;
  endpoints::UrlInputs inputs_;
  std::map<std::string, std::unique_ptr<proxy::Upstream>, std::less<>> upstreams_;
  std::vector<std::unique_ptr<Handler>> handlers_;
  std::map<const config::TlsListener*, net::TlsServer> tls_;
  std::map<const config::Egress*, std::unique_ptr<EgressStack>> egress_;
  std::unique_ptr<server::ServerPipeline> pipeline_;
  std::unique_ptr<server::Connections> connections_;
};

/// Publishes the targets of every upstream: before the first stack is made, and on a reload.
void publish_targets(const config::Config& config, proxy::TargetBoard& board);
/// The configuration's address as a socket address.
[[nodiscard]] net::SocketAddress to_socket_address(const config::Address& address);
[[nodiscard]] ConnectionLimits to_connection_limits(const config::Config& config);
[[nodiscard]] std::vector<net::Network> to_networks(const std::vector<config::Network>& networks);

}  // namespace millrace::app
