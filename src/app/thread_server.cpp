#include "app/thread_server.hpp"

#include "app/post_alert.hpp"
#include "app/upstream_options.hpp"
#include "runtime/task_group.hpp"

#include <algorithm>
#include <exception>
#include <iterator>
#include <utility>

namespace millrace::app {
namespace {

constexpr std::size_t kAlertsAtOnceMax = 16;

client::Client::Options to_client_options(const net::AddressGuard& guard) {
  client::Client::Options options;
  options.guard = &guard;
  return options;
}

server::Connections::Options to_connections_options(const config::Config& config,
                                                    unsigned threads) {
  return {.connections_max = std::max<std::size_t>(config.limits.connections / threads, 1),
          .trusted_proxies = to_networks(config.server.trusted_proxies),
          .proxy_protocol = config.server.proxy_protocol};
}

}  // namespace

ThreadServer::ThreadServer(const Shared& shared)
    : shared_(shared),
      client_(resolver_, to_client_options(guard_)),
      connections_(server::Connections::Options{}) {}

ThreadServer::~ThreadServer() = default;

std::expected<void, std::string> ThreadServer::prepare(
    std::shared_ptr<const config::Config> config, std::shared_ptr<const UpstreamLimitsMap> limits) {
  const ThreadStack::Shared shared{.offload = shared_.offload,
                                   .log = shared_.log,
                                   .guard = guard_,
                                   .targets = shared_.targets,
                                   .resolver = resolver_,
                                   .client = client_,
                                   .thread = shared_.thread,
                                   .threads = shared_.threads,
                                   .aside =
                                       [this](Task<void> task) {
                                         if (ending_) return false;
                                         copies_.spawn(std::move(task));
                                         return true;
                                       },
                                   .when_unused = *this};
  try {
    next_ = std::make_unique<ThreadStack>(shared, std::move(config), std::move(limits));
  } catch (const std::exception& error) {
    abandon();
    return std::unexpected(error.what());
  }
  return {};
}

void ThreadServer::abandon() noexcept {
  next_.reset();
  if (!stacks_.empty()) current().limit_idle();
}

void ThreadServer::swap_stacks() {
  stacks_.push_back(std::move(next_));
  current().limit_idle();
  client_.limit_heads(to_answer_limits(current().config()));
  connections_.change(to_connections_options(current().config(), shared_.threads));
}

Task<void> ThreadServer::commit(Surroundings with) {
  ThreadStack* const before = stacks_.empty() ? nullptr : &current();
  guard_ = std::move(with.guard);
  swap_stacks();
  tls_.clear();
  for (net::TlsServer& server : with.tls)
    tls_.push_back(std::make_shared<net::TlsServer>(std::move(server)));
  TaskGroup closing;
  std::erase_if(open_, [&](const Open& open) {
    const auto wanted = std::ranges::find(with.listeners, open.number, &Listener::number);
    if (wanted != with.listeners.end()) return false;
    open.pipeline->keep_rules();
    open.pipeline->set_draining();
    closing.spawn(connections_.retire(open.id, current().config().server.drain_timeout));
    return true;
  });
  for (const Listener& listener : with.listeners) follow(listener);
  if (before != nullptr) before->retire();
  for (const auto& [name, upstream] : current().config().upstreams) targets_changed(name);
  co_await change_keepers();
  co_await closing.join();
}

Task<void> ThreadServer::change_keepers() {
  if (shared_.thread != 0 || ending_) co_return;
  co_await stop_keepers();
  if (ending_) co_return;
  keepers_ = std::make_unique<proxy::UpstreamKeepers>(resolver_);
  for (const auto& [name, upstream] : current().config().upstreams) {
    const auto state = shared_.targets.upstream(name);
    // Those of before may have published theirs once more.
    if (!upstream.targets.empty()) proxy::publish_known(*state, to_sources(upstream));
    keepers_->keep(state, {.sources = to_sources(upstream), .health = to_health(upstream.health)});
  }
}

// Checks and followed names of upstreams.
Task<void> ThreadServer::stop_keepers() {
  const auto keepers = std::move(keepers_);
  if (keepers != nullptr) co_await keepers->stop();
}

void ThreadServer::targets_changed(std::string_view upstream) noexcept {
  for (const auto& stack : stacks_) stack->targets_changed(upstream);
}

std::vector<std::string> ThreadServer::requests_at(std::string_view upstream,
                                                   std::string_view target) const {
  std::vector<std::string> out;
  for (const auto& stack : stacks_)
    std::ranges::move(stack->requests_at(upstream, target), std::back_inserter(out));
  return out;
}

void ThreadServer::post_json(std::string url, std::string json) {
  if (ending_ || asides_.size() == kAlertsAtOnceMax) return;
  asides_.spawn(post_alert(client_, std::move(url), std::move(json)));
}

Task<void> ThreadServer::end_asides() {
  ending_ = true;
  asides_.cancel();
  copies_.cancel();
  co_await asides_.join();
  co_await copies_.join();
  co_await stop_keepers();
}

void ThreadServer::follow(const Listener& listener) {
  const auto open = std::ranges::find(open_, listener.number, &Open::number);
  if (open != open_.end()) {
    open->role = listener.role;
    open->pipeline->use(current().rules(listener.role));
    return connections_.change(open->id, share_of(listener.role, open->pipeline));
  }
  auto pipeline = std::make_shared<server::ServerPipeline>(current().rules(listener.role));
  server::ListenerShare share = share_of(listener.role, pipeline);
  share.fd = listener.fd;
  share.address = listener.address;
  share.shared = listener.shared;
  const auto id = connections_.listen(std::move(share));
  open_.push_back({listener.number, listener.role, std::move(pipeline), id});
}

server::ListenerShare ThreadServer::share_of(const ListenerRole& role,
                                             std::shared_ptr<server::ServerPipeline> pipeline) {
  server::ListenerShare share;
  share.pipeline = std::move(pipeline);
  share.proxy_protocol = !role.egress;
  if (!role.tls) return share;
  share.tls = tls_[*role.tls];
  share.handshake_timeout = current().config().server.tls[*role.tls].handshake_timeout;
  return share;
}

void ThreadServer::end_of_turn() noexcept {
  const ThreadStack* const in_use = &current();
  std::erase_if(stacks_, [&](const std::unique_ptr<ThreadStack>& stack) {
    return stack.get() != in_use && !stack->in_use();
  });
}

void ThreadServer::set_tls(std::size_t index, net::TlsServer server) {
  if (index < tls_.size()) *tls_[index] = std::move(server);
}

void ThreadServer::set_draining() noexcept {
  for (const Open& open : open_) open.pipeline->set_draining();
}

}  // namespace millrace::app
