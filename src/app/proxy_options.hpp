// From the configuration's words to those of the proxy.
#pragma once

#include "client/request.hpp"
#include "config/config.hpp"
#include "proxy/reverse_proxy.hpp"
#include "proxy/target_board.hpp"
#include "proxy/upstream_limits.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>

namespace millrace::app {

[[nodiscard]] Duration or_never(const std::optional<config::milliseconds>& limit);
[[nodiscard]] client::Timeouts to_timeouts(const config::Timeouts& t);

/// What all io threads share of each upstream, by its name. Outlives the threads' stacks.
using UpstreamLimitsMap =
    std::map<std::string, std::shared_ptr<proxy::UpstreamLimits>, std::less<>>;
/// Upstreams that are in `before` (nullptr: none) have the same ones, as they are until
/// configure_upstream_limits().
[[nodiscard]] std::shared_ptr<const UpstreamLimitsMap> make_upstream_limits(
    const config::Config& config, const UpstreamLimitsMap* before);
/// As `config`, which names all of them, wants them from now on. What is under way counts on.
void configure_upstream_limits(const config::Config& config, const UpstreamLimitsMap& limits);
/// From now on they know how many targets there are; those of `before` (nullptr: none) do already.
void follow_targets(const UpstreamLimitsMap& limits, const UpstreamLimitsMap* before,
                    proxy::TargetBoard& board);

/// What the requests of one thread may hold together.
struct BodyAllowances {
  BodyAllowances(const config::Limits& limits, unsigned threads) noexcept
      : memory(limits.held_body_bytes / threads), disk(limits.spilled_body_bytes / threads) {}
  proxy::ByteAllowance memory;
  proxy::ByteAllowance disk;
};

/// For a route to `upstream`. The pool and the allowances must outlive the proxy.
[[nodiscard]] proxy::ReverseProxy::Options to_proxy_options(const config::Route& route,
                                                            const config::Upstream& upstream,
                                                            Offload& pool,
                                                            BodyAllowances& allowances);

}  // namespace millrace::app
