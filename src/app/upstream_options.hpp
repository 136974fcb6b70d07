// What the configuration says of upstreams, in the words of proxy.
#pragma once

#include "config/config.hpp"
#include "proxy/health_checker.hpp"
#include "proxy/target_board.hpp"
#include "proxy/target_follower.hpp"
#include "proxy/upstream.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace millrace::app {

/// Differs when the file does; 0 where there is none.
[[nodiscard]] std::uint64_t file_version(const std::filesystem::path& file);
[[nodiscard]] client::OriginSpec to_origin(const config::Target& target,
                                           const config::UpstreamTls& tls);
[[nodiscard]] proxy::TargetSources to_sources(const config::Upstream& upstream);
/// nullopt: no active checks.
[[nodiscard]] std::optional<proxy::HealthChecker::Options> to_health(
    const std::optional<config::HealthCheck>& check);
[[nodiscard]] proxy::RequestKey to_request_key(const config::HashKey& hash);
/// Without its state.
[[nodiscard]] proxy::Upstream::Options to_upstream(const std::string& name,
                                                   const config::Upstream& upstream,
                                                   const proxy::TargetBoard& board);

/// Publishes the targets of every upstream: before the first stack is made, and when the one of a
/// reload begins to serve.
void publish_targets(const config::Config& config, proxy::TargetBoard& board);

}  // namespace millrace::app
