#include "app/proxy_options.hpp"

#include <system_error>

namespace millrace::app {
namespace {

proxy::UpstreamLimits::Options to_limits(const config::Upstream& upstream) {
  const config::Queue& queue = upstream.queue;
  return {.admission = {.limit = upstream.concurrency,
                        .waiting_max = queue.size,
                        .overload = {.patience = queue.timeout,
                                     .after = or_never(queue.overload_after),
                                     .timeout = queue.overload_timeout}},
          .per_target = upstream.target_concurrency,
          .targets = upstream.targets.size(),
          .budget = {.ratio = upstream.retry.budget, .min_per_second = upstream.retry.budget_min}};
}

proxy::Buffering to_buffering(config::RequestBuffer::Kind kind) {
  switch (kind) {
    case config::RequestBuffer::Kind::kOff:
      return proxy::Buffering::kOff;
    case config::RequestBuffer::Kind::kSpill:
      return proxy::Buffering::kSpill;
    case config::RequestBuffer::Kind::kMemory:
      break;
  }
  return proxy::Buffering::kMemory;
}

/// nullptr: there is none of that name.
std::shared_ptr<proxy::UpstreamLimits> find(const UpstreamLimitsMap* limits,
                                            const std::string& name) {
  if (limits == nullptr) return nullptr;
  const auto found = limits->find(name);
  return found == limits->end() ? nullptr : found->second;
}

template <class R>
void set_retry(const R& retry, proxy::ReverseProxy::Options& options) {
  options.retries = retry.attempts;
  options.per_try = or_never(retry.per_try);
  options.statuses.assign(retry.statuses.begin(), retry.statuses.end());
  options.hedge = retry.hedge;
}

// TMPDIR, or /tmp.
std::filesystem::path spill_folder() {
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::temp_directory_path(error);
  return error ? std::filesystem::path("/tmp") : folder;
}

}  // namespace

Duration or_never(const std::optional<config::milliseconds>& limit) {
  return limit ? Duration(*limit) : Duration::max();
}

client::Timeouts to_timeouts(const config::Timeouts& t) {
  return {.connect = t.connect,
          .tls = t.connect,
          .first_byte = or_never(t.first_byte),
          .idle = or_never(t.idle)};
}

std::shared_ptr<const UpstreamLimitsMap> make_upstream_limits(const config::Config& config,
                                                              const UpstreamLimitsMap* before) {
  auto out = std::make_shared<UpstreamLimitsMap>();
  for (const auto& [name, upstream] : config.upstreams) {
    const std::shared_ptr<proxy::UpstreamLimits> known = find(before, name);
    (*out)[name] =
        known != nullptr ? known : std::make_shared<proxy::UpstreamLimits>(to_limits(upstream));
  }
  return out;
}

void configure_upstream_limits(const config::Config& config, const UpstreamLimitsMap& limits) {
  for (const auto& [name, of_upstream] : limits)
    of_upstream->configure(to_limits(config.upstreams.at(name)));
}

void follow_targets(const UpstreamLimitsMap& limits, const UpstreamLimitsMap* before,
                    proxy::TargetBoard& board) {
  for (const auto& [name, of_upstream] : limits) {
    if (find(before, name) == of_upstream) continue;
    board.upstream(name)->watch_count([weak = std::weak_ptr(of_upstream)](std::size_t targets) {
      const auto alive = weak.lock();
      if (alive != nullptr) alive->set_targets(targets);
      return alive != nullptr;
    });
  }
}

proxy::ReverseProxy::Options to_proxy_options(const config::Route& route,
                                              const config::Upstream& upstream, Offload& pool,
                                              BodyAllowances& allowances) {
  proxy::ReverseProxy::Options options;
  const config::Timeouts& timeout = route.timeout ? *route.timeout : upstream.timeout;
  options.timeouts = to_timeouts(timeout);
  options.timeouts.tunnel = upstream.tunnel_timeout;
  options.total = or_never(timeout.total);
  if (route.retry)
    set_retry(*route.retry, options);
  else
    set_retry(upstream.retry, options);
  // Of a process there is another instance, or the next one soon (target_sender).
  options.others_to_try = upstream.targets.size() > 1 || upstream.process.has_value();
  const config::RequestBuffer buffer = route.buffer_request.value_or(config::RequestBuffer{});
  options.buffer = {.kind = to_buffering(buffer.kind),
                    .bytes_max = buffer.bytes_max,
                    .memory = &allowances.memory,
                    .disk = &allowances.disk,
                    .pool = &pool,
                    .folder = spill_folder()};
  options.rewrite = route.rewrite;
  options.pattern = route.match.path;
  if (route.client_gone == config::ClientGone::kFinish)
    options.client_gone = proxy::ClientGone::kFinish;
  options.server_timing = route.server_timing;
  return options;
}

}  // namespace millrace::app
