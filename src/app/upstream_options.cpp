#include "app/upstream_options.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <utility>

#include <sys/stat.h>

namespace millrace::app {
namespace {

proxy::HostPolicy to_host_policy(config::HostPolicy::Kind kind) {
  switch (kind) {
    case config::HostPolicy::Kind::kUpstream:
      return proxy::HostPolicy::kTarget;
    case config::HostPolicy::Kind::kFixed:
      return proxy::HostPolicy::kName;
    default:
      return proxy::HostPolicy::kPreserve;
  }
}

std::string to_balancer(config::Balance balance) {
  switch (balance) {
    case config::Balance::kRoundRobin:
      return "round_robin";
    case config::Balance::kLeastRequests:
      return "least_requests";
    case config::Balance::kRingHash:
      return "ring_hash";
    case config::Balance::kRandomTwo:
      break;
  }
  return "random_two";
}

/// A name that has several targets. localhost has two addresses of one server, and mostly only one
/// of them is listened at.
bool is_followed(const config::Target& target, config::Resolve resolve) {
  if (target.kind == config::Target::Kind::kSrv) return true;
  const bool local = target.host == "localhost" || target.host.ends_with(".localhost");
  return target.kind == config::Target::Kind::kName && resolve == config::Resolve::kEach && !local;
}

proxy::HealthPolicy to_policy(const config::Upstream& upstream) {
  const config::Outlier& o = upstream.outlier;
  proxy::HealthPolicy policy;
  policy.outlier = {.failures = o.failures,
                    .error_percent = o.error_percent,
                    .slow_factor = o.slow_factor,
                    .interval = o.interval,
                    .requests_min = o.requests_min,
                    .eject = o.eject,
                    .eject_max = o.eject_max,
                    .ejected_percent_max = o.ejected_percent_max};
  if (upstream.breaker)
    policy.breaker = {.failures = upstream.breaker->failures, .open = upstream.breaker->open};
  if (upstream.slow_start) policy.slow_start = *upstream.slow_start;
  return policy;
}

proxy::StickyOptions to_sticky(const config::Sticky& sticky, const std::string& own_secret) {
  proxy::StickyOptions options{.cookie = sticky.cookie, .ttl = std::nullopt, .secret = own_secret};
  if (sticky.ttl) options.ttl = std::chrono::duration_cast<std::chrono::seconds>(*sticky.ttl);
  if (sticky.secret) options.secret = *sticky.secret;
  return options;
}

}  // namespace

proxy::RequestKey to_request_key(const config::HashKey& hash) {
  using From = proxy::RequestKey::From;
  if (!hash.header.empty()) return {.from = From::kHeader, .name = hash.header};
  if (!hash.cookie.empty()) return {.from = From::kCookie, .name = hash.cookie};
  return {.from = hash.path ? From::kPath : From::kAddress, .name = {}};
}

std::uint64_t file_version(const std::filesystem::path& file) {
  struct stat info{};
  if (file.empty() || ::stat(file.c_str(), &info) != 0) return 0;
  std::uint64_t version = 1;
  for (const auto part :
       {static_cast<std::uint64_t>(info.st_ino), static_cast<std::uint64_t>(info.st_size),
        static_cast<std::uint64_t>(info.st_mtim.tv_sec),
        static_cast<std::uint64_t>(info.st_mtim.tv_nsec)})
    version = (version ^ part) * 0x9E3779B97F4A7C15;
  return version;
}

client::OriginSpec to_origin(const config::Target& target, const config::UpstreamTls& tls) {
  client::OriginSpec spec;
  if (target.kind == config::Target::Kind::kUnix) {
    spec.unix_path = target.host;
    return spec;
  }
  spec.tls = target.tls;
  spec.http = target.h2c ? client::HttpChoice::kHttp2 : client::HttpChoice::kHttp1;
  spec.host = target.host;
  spec.port = target.port;
  spec.tls_name = tls.server_name;
  spec.tls_options = {.ca_file = tls.ca, .ca_version = file_version(tls.ca), .verify = tls.verify};
  return spec;
}

proxy::TargetSources to_sources(const config::Upstream& upstream) {
  proxy::TargetSources sources;
  for (const config::Target& target : upstream.targets) {
    client::OriginSpec origin = to_origin(target, upstream.tls);
    if (is_followed(target, upstream.resolve))
      sources.named.push_back({.origin = std::move(origin),
                               .service = target.kind == config::Target::Kind::kSrv,
                               .weight = target.weight,
                               .priority = target.priority});
    else
      sources.fixed.push_back(
          {.origin = std::move(origin), .weight = target.weight, .priority = target.priority});
  }
  return sources;
}

std::optional<proxy::HealthChecker::Options> to_health(
    const std::optional<config::HealthCheck>& check) {
  if (!check) return std::nullopt;
  return proxy::HealthChecker::Options{
      .path = check->path,
      .host = check->host,
      .status_min = check->status.first,
      .status_max = check->status.last,
      .interval = check->interval,
      .timeout = check->timeout,
      .thresholds = {.healthy = check->healthy, .unhealthy = check->unhealthy}};
}

proxy::Upstream::Options to_upstream(const std::string& name, const config::Upstream& upstream,
                                     const proxy::TargetBoard& board) {
  proxy::Upstream::Options options;
  options.name = name;
  options.balance = to_balancer(upstream.balance);
  if (upstream.hash) options.key = to_request_key(*upstream.hash);
  options.panic_share = upstream.panic_percent / 100.0;
  options.idle_max = upstream.keepalive.idle_max;
  options.idle_age_max = upstream.keepalive.idle_timeout;
  options.exchanges_max = upstream.concurrency;
  options.host = to_host_policy(upstream.host.kind);
  options.host_name = upstream.host.name;
  if (upstream.sticky) options.sticky = to_sticky(*upstream.sticky, board.sticky_secret());
  return options;
}

void publish_targets(const config::Config& config, proxy::TargetBoard& board) {
  for (const auto& [name, upstream] : config.upstreams) {
    const auto state = board.upstream(name);
    state->set_policy(to_policy(upstream));
    // The instances of a process are published when they are ready.
    state->expect(upstream.process ? std::optional(std::chrono::seconds(0)) : std::nullopt);
    // Without any of its own somebody else publishes them.
    if (!upstream.targets.empty()) proxy::publish_known(*state, to_sources(upstream));
  }
  board.retain([&](const std::string& name) { return config.upstreams.contains(name); });
}

}  // namespace millrace::app
