#include "app/thread_stack.hpp"

#include "app/upstream_options.hpp"
#include "middleware/table.hpp"
#include "proxy/split.hpp"
#include "server/actions.hpp"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <random>
#include <stdexcept>
#include <utility>

namespace millrace::app {
namespace {

std::function<bool(std::string_view)> to_host_judge(
    const std::vector<config::HostPattern>& patterns) {
  return [patterns](std::string_view host) {
    return std::ranges::any_of(patterns,
                               [&](const config::HostPattern& p) { return p.matches(host); });
  };
}

client::UrlFetcher::Options to_fetcher_options(const config::Fetch& fetch, FetchRetries& retries) {
  client::UrlFetcher::Options options;
  options.redirects_max = fetch.redirects_max;
  options.tls.ca_file = fetch.tls.ca;
  options.tls.ca_version = file_version(fetch.tls.ca);
  options.timeouts = to_timeouts(fetch.timeout);
  options.total = or_never(fetch.timeout.total);
  options.allow_host = to_host_judge(fetch.allow_hosts);
  retries.put_into(options);
  return options;
}

client::UrlFetcher::Options to_egress_fetcher(const config::Fetch& fetch, FetchRetries& retries,
                                              const config::Egress& egress) {
  client::UrlFetcher::Options options = to_fetcher_options(fetch, retries);
  options.redirects_max = 0;  // they are the client's own business
  options.allow_host = to_host_judge(egress.allow_hosts);
  options.timeouts.tunnel = egress.tunnel_timeout;
  return options;
}

proxy::ConnectHandler::Options to_connect(const config::Fetch& fetch,
                                          const config::Egress& egress) {
  return {.allow_host = to_host_judge(egress.allow_hosts),
          .ports = egress.connect_ports,
          .connect_timeout = fetch.timeout.connect,
          .tunnel = {.idle = egress.tunnel_timeout, .half_closed = or_never(fetch.timeout.idle)}};
}

endpoints::BatchLimits to_batch_limits(const config::FetchBatch& batch) {
  endpoints::BatchLimits limits;
  limits.body_bytes_max = batch.body_bytes_max;
  limits.items_max = batch.items_max;
  limits.item_bytes_max = batch.item_bytes_max;
  limits.held_bytes_max = batch.held_bytes_max;
  return limits;
}

/// Keeps the stack until the task is done.
Task<void> run_held(Task<void> task, ThreadStack* stack) {
  co_await std::move(task);
  stack->release();
}

/// Threads and starts differ.
std::uint64_t seed() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

}  // namespace

std::vector<net::Network> to_networks(const std::vector<config::Network>& networks) {
  std::vector<net::Network> out;
  for (const config::Network& n : networks) out.push_back(net::Network::parse(n.text()).value());
  return out;
}

net::SocketAddress to_socket_address(const config::Address& address) {
  if (address.is_unix()) return net::SocketAddress::unix_path(address.host).value();
  return {net::IpAddress::parse(address.host).value(), address.port};
}

ConnectionLimits to_connection_limits(const config::Config& config) {
  ConnectionLimits limits;
  limits.head = {.head_bytes_max = config.limits.head_bytes,
                 .fields_max = config.limits.fields,
                 .target_bytes_max = config.limits.target_bytes};
  limits.head_timeout = config.server.head_timeout;
  limits.idle_timeout = config.server.idle_timeout;
  limits.write_stall_timeout = config.server.write_timeout;
  limits.body_rate_min = config.server.body_rate_min_bytes;
  limits.body_rate_grace = config.server.body_rate_grace;
  limits.body_bytes_max = config.limits.body_bytes.value_or(UINT64_MAX);
  return limits;
}

http::HeadLimits to_answer_limits(const config::Config& config) {
  http::HeadLimits limits;
  limits.head_bytes_max = config.limits.head_bytes;
  limits.fields_max = config.limits.fields;
  return limits;
}

EgressStack::EgressStack(client::Client& client, net::Resolver& resolver,
                         const net::AddressGuard& guard, log::Logger* log, server::RulesInUse& use,
                         Options options)
    : fetcher(client, std::move(options.fetch)),
      connect(resolver, guard, std::move(options.connect)),
      rules(options.limits, server::Router(),
            middleware::make_all({.log = log, .forward_proxy = true}), &handler, &use) {}

ThreadStack::ThreadStack(const Shared& shared, std::shared_ptr<const config::Config> config,
                         std::shared_ptr<const UpstreamLimitsMap> limits)
    : shared_(shared),
      config_(std::move(config)),
      limits_(std::move(limits)),
      allowances_(config_->limits, shared.threads),
      fetch_retries_(config_->fetch.retry),
      fetcher_(shared.client, to_fetcher_options(config_->fetch, fetch_retries_)),
      inputs_(fetcher_) {
  make_upstreams();
  for (const config::Egress& egress : config_->egress) make_egress(egress);
  rules_ = std::make_unique<server::PipelineRules>(to_connection_limits(*config_), make_router(),
                                                   middleware::make_all({.log = access_log()}),
                                                   nullptr, this);
}

log::Logger* ThreadStack::access_log() const noexcept {
  return config_->log.access.kind == config::AccessLog::Kind::kOff ? nullptr : &shared_.log;
}

// Targets are published once the configuration serves: too late to refuse it.
void ThreadStack::check_targets(const std::string& name, const config::Upstream& upstream) {
  for (const config::Target& target : upstream.targets) {
    auto origin = shared_.client.origin(to_origin(target, upstream.tls));
    if (!origin) throw std::runtime_error("upstream." + name + ": " + origin.error());
    origins_.push_back(std::move(*origin));
  }
}

void ThreadStack::make_upstreams() {
  for (const auto& [name, upstream] : config_->upstreams) {
    check_targets(name, upstream);
    proxy::Upstream::Options options = to_upstream(name, upstream, shared_.targets);
    options.state = shared_.targets.upstream(name);
    auto made = proxy::Upstream::make(shared_.client, std::move(options), shared_.thread);
    if (!made) throw std::runtime_error("upstream." + name + ": " + made.error());
    upstreams_.emplace(name, std::move(*made));
  }
}

void ThreadStack::make_egress(const config::Egress& egress) {
  EgressStack::Options options{.fetch = to_egress_fetcher(config_->fetch, fetch_retries_, egress),
                               .connect = to_connect(config_->fetch, egress),
                               .limits = to_connection_limits(*config_)};
  egress_.push_back(std::make_unique<EgressStack>(shared_.client, shared_.resolver, shared_.guard,
                                                  access_log(), *this, std::move(options)));
}

endpoints::EndpointContext ThreadStack::endpoint_context() {
  const config::Config& config = *config_;
  return {.offload = shared_.offload,
          .inputs = &inputs_,
          .fetcher = &fetcher_,
          .image_body_bytes_max = config.image.body_bytes_max,
          .image_pixels_max = config.image.pixels_max,
          .compute_body_bytes_max = config.compute.body_bytes_max,
          .batch = to_batch_limits(config.fetch.batch)};
}

server::Router ThreadStack::make_router() {
  server::Router router;
  for (const config::Route& route : config_->routes) {
    std::unique_ptr<Handler> handler = make_handler(route);
    router.add(route.match, *handler);
    handlers_.push_back(std::move(handler));
  }
  return router;
}

std::unique_ptr<Handler> ThreadStack::make_reverse_proxy(const config::Route& route,
                                                         const std::string& upstream,
                                                         proxy::Mirror* mirror) {
  proxy::ReverseProxy::Options options =
      to_proxy_options(route, config_->upstreams.at(upstream), shared_.offload, allowances_);
  options.mirror = mirror;
  return std::make_unique<proxy::ReverseProxy>(*upstreams_.at(upstream), *limits_->at(upstream),
                                               std::move(options));
}

proxy::Mirror* ThreadStack::make_mirror(const config::Route& route) {
  handlers_.push_back(make_reverse_proxy(route, route.mirror->upstream, nullptr));
  const auto spawn = [this](Task<void> task) {
    hold();
    const bool runs = shared_.aside(run_held(std::move(task), this));
    if (!runs) release();
    return runs;
  };
  const proxy::Mirror::Options options{.percent = route.mirror->percent,
                                       .seed = seed(),
                                       .spawn = spawn,
                                       .memory = &allowances_.memory};
  mirrors_.push_back(std::make_unique<proxy::Mirror>(*handlers_.back(), options));
  return mirrors_.back().get();
}

std::unique_ptr<Handler> ThreadStack::make_split(const config::Route& route,
                                                 proxy::Mirror* mirror) {
  std::vector<proxy::Split::Share> shares;
  for (const auto& [name, weight] : route.split->weights) {
    handlers_.push_back(make_reverse_proxy(route, name, mirror));
    shares.push_back({.weight = weight, .handler = handlers_.back().get()});
  }
  std::optional<proxy::RequestKey> key;
  if (route.split_by) key = to_request_key(*route.split_by);
  return std::make_unique<proxy::Split>(std::move(shares), std::move(key), seed());
}

std::unique_ptr<Handler> ThreadStack::make_passing(const config::Route& route) {
  proxy::Mirror* const mirror = route.mirror ? make_mirror(route) : nullptr;
  return route.split ? make_split(route, mirror)
                     : make_reverse_proxy(route, *route.upstream, mirror);
}

std::unique_ptr<Handler> ThreadStack::make_handler(const config::Route& route) {
  if (route.respond) return std::make_unique<server::RespondHandler>(*route.respond);
  if (route.redirect)
    return std::make_unique<server::RedirectHandler>(*route.redirect, route.match.path);
  if (route.upstream || route.split) return make_passing(route);
  auto endpoint = endpoints::make_endpoint(*route.endpoint, endpoint_context());
  if (endpoint == nullptr) throw std::logic_error("no endpoint of the name " + *route.endpoint);
  return endpoint;
}

server::PipelineRules& ThreadStack::rules(const ListenerRole& role) noexcept {
  return role.egress ? egress_[*role.egress]->rules : *rules_;
}

void ThreadStack::targets_changed(std::string_view upstream) noexcept {
  if (const auto at = upstreams_.find(upstream); at != upstreams_.end())
    at->second->targets_changed();
}

std::vector<std::string> ThreadStack::requests_at(std::string_view upstream,
                                                  std::string_view target) const {
  const auto at = upstreams_.find(upstream);
  if (at == upstreams_.end()) return {};
  return at->second->requests_at(target);
}

void ThreadStack::limit_idle() noexcept {
  for (const auto& [name, upstream] : upstreams_) upstream->limit_idle();
}

void ThreadStack::unused() noexcept {
  IoThread::current().at_end_of_turn(shared_.when_unused);
}

}  // namespace millrace::app
