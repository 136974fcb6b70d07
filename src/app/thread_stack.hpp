// What one configuration gives one io thread to serve with: upstreams, handlers, routes, rules.
// Nothing of it is shared.
//
// A reload makes a new one beside it; it lives until its last exchange has ended. What outlives
// configurations (client, resolver, connections) is ThreadServer's.
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
#include "proxy/connect_handler.hpp"
#include "proxy/egress.hpp"
#include "proxy/mirror.hpp"
#include "proxy/reverse_proxy.hpp"
#include "proxy/target_board.hpp"
#include "proxy/upstream.hpp"
#include "runtime/io_thread.hpp"
#include "runtime/offload.hpp"
#include "server/pipeline_rules.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
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
              log::Logger* log, server::RulesInUse& use, Options options);

  client::UrlFetcher fetcher;
  proxy::ConnectHandler connect;
  proxy::Egress handler{fetcher, connect};
  server::PipelineRules rules;
};

/// Whose listener it is, by index into the configuration's lists; both empty: the routes'.
struct ListenerRole {
  std::optional<std::size_t> tls = std::nullopt;
  std::optional<std::size_t> egress = std::nullopt;
};

class ThreadStack final : public server::RulesInUse {
 public:
  /// What outlives configurations.
  struct Shared {
    Offload& offload;
    log::Logger& log;
    const net::AddressGuard& guard;
    proxy::TargetBoard& targets;
    net::Resolver& resolver;
    client::Client& client;
    unsigned thread;   ///< index of this one
    unsigned threads;  ///< of all
    /// Runs a task beside the connections, to its end or the server's; false: that has begun.
    std::function<bool(Task<void>)> aside;
    /// Runs at the end of the turn in which this stack became unused.
    TurnHook& when_unused;
  };

  /// Throws std::runtime_error, with a line for a person: a file that does not load.
  ThreadStack(const Shared& shared, std::shared_ptr<const config::Config> config,
              std::shared_ptr<const UpstreamLimitsMap> limits);
  ThreadStack(const ThreadStack&) = delete;
  ThreadStack& operator=(const ThreadStack&) = delete;

  /// For a listener of this role.
  [[nodiscard]] server::PipelineRules& rules(const ListenerRole& role) noexcept;
  /// Of origins that it shares with other configurations its own limits count again.
  void limit_idle() noexcept;
  [[nodiscard]] const config::Config& config() const noexcept { return *config_; }
  /// The targets of `upstream` have been published anew: those who wait for one look again.
  void targets_changed(std::string_view upstream) noexcept;
  /// Ids of the requests at a target of `upstream`.
  [[nodiscard]] std::vector<std::string> requests_at(std::string_view upstream,
                                                     std::string_view target) const;

 private:
  // server::RulesInUse
  void unused() noexcept override;

  [[nodiscard]] server::Router make_router();
  [[nodiscard]] std::unique_ptr<Handler> make_handler(const config::Route& route);
  [[nodiscard]] std::unique_ptr<Handler> make_reverse_proxy(const config::Route& route,
                                                            const std::string& upstream,
                                                            proxy::Mirror* mirror);
  [[nodiscard]] std::unique_ptr<Handler> make_passing(const config::Route& route);
  [[nodiscard]] std::unique_ptr<Handler> make_split(const config::Route& route,
                                                    proxy::Mirror* mirror);
  [[nodiscard]] proxy::Mirror* make_mirror(const config::Route& route);
  [[nodiscard]] endpoints::EndpointContext endpoint_context();
  /// nullptr: this configuration wants no access log.
  [[nodiscard]] log::Logger* access_log() const noexcept;
  void check_targets(const std::string& name, const config::Upstream& upstream);
  void make_upstreams();
  void make_egress(const config::Egress& egress);

  const Shared shared_;
  const std::shared_ptr<const config::Config> config_;
  const std::shared_ptr<const UpstreamLimitsMap> limits_;
  BodyAllowances allowances_;
  std::vector<client::OriginPtr> origins_;  // of its targets: what was built is there
  FetchRetries fetch_retries_;
  client::UrlFetcher fetcher_;
  endpoints::UrlInputs inputs_;
  std::map<std::string, std::unique_ptr<proxy::Upstream>, std::less<>> upstreams_;
  std::vector<std::unique_ptr<Handler>> handlers_;
  std::vector<std::unique_ptr<proxy::Mirror>> mirrors_;
  std::vector<std::unique_ptr<EgressStack>> egress_;
  std::unique_ptr<server::PipelineRules> rules_;
};

/// The configuration's address as a socket address.
[[nodiscard]] net::SocketAddress to_socket_address(const config::Address& address);
/// Of heads of upstreams' answers.
[[nodiscard]] http::HeadLimits to_answer_limits(const config::Config& config);
[[nodiscard]] ConnectionLimits to_connection_limits(const config::Config& config);
[[nodiscard]] std::vector<net::Network> to_networks(const std::vector<config::Network>& networks);

}  // namespace millrace::app
