#include "proxy/target_follower.hpp"

#include "base/log.hpp"
#include "runtime/io_thread.hpp"
#include "runtime/task_group.hpp"

#include <algorithm>
#include <utility>

namespace millrace::proxy {

std::string NamedTargets::key() const {
  return (service ? "srv:" : origin.tls ? "https://" : "http://") + name_of(origin);
}

std::vector<TargetSpec> targets_of(const NamedTargets& source, const net::Addresses& addresses) {
  const bool v4 = std::ranges::any_of(addresses.list, &net::IpAddress::is_v4);
  std::vector<TargetSpec> out;
  for (const net::IpAddress& ip : addresses.list) {
    if (ip.is_v4() != v4) continue;
    TargetSpec spec{.origin = source.origin,
                    .weight = source.weight,
                    .priority = source.priority,
                    .authority = authority_of(source.origin)};
    spec.origin.host = ip.to_string();
    if (spec.origin.tls && spec.origin.tls_name.empty()) spec.origin.tls_name = source.origin.host;
    spec.name = name_of(spec.origin);
    out.push_back(std::move(spec));
  }
  std::ranges::sort(out, {}, &TargetSpec::name);
  return out;
}

std::vector<TargetSpec> targets_of(const NamedTargets& source, const net::SrvRecords& records) {
  std::vector<TargetSpec> out;
  for (const net::SrvRecord& record : records.list) {
    // Weight 0 is "a very small chance" there, and nothing at all here.
    TargetSpec spec{.origin = source.origin,
                    .weight = std::max<unsigned>(record.weight, 1) * source.weight,
                    .priority = source.priority + record.priority};
    spec.origin.host = record.target;
    if (spec.origin.host.ends_with('.')) spec.origin.host.pop_back();
    spec.origin.port = record.port;
    spec.name = name_of(spec.origin);
    out.push_back(std::move(spec));
  }
  std::ranges::sort(out, {}, &TargetSpec::name);
  return out;
}

void publish_known(UpstreamState& upstream, const TargetSources& sources) {
  std::vector<TargetSpec> all = sources.fixed;
  for (const NamedTargets& source : sources.named) {
    const std::vector<TargetSpec> known = upstream.remembered(source.key());
    all.insert(all.end(), known.begin(), known.end());
    if (known.empty() && !source.service)
      all.push_back(
          {.origin = source.origin, .weight = source.weight, .priority = source.priority});
  }
  upstream.publish(std::move(all));
}

Task<Result<TargetFollower::Answer>> TargetFollower::ask(const NamedTargets& source) {
  if (source.service) {
    const Result<net::SrvRecords> records = co_await resolver_.resolve_srv(source.origin.host);
    if (!records) co_return fail(records.error());
    co_return Answer{targets_of(source, *records), records->expiry};
  }
  const Result<net::Addresses> addresses = co_await resolver_.resolve(source.origin.host);
  if (!addresses) co_return fail(addresses.error());
  co_return Answer{targets_of(source, *addresses), addresses->expiry};
}

Task<void> TargetFollower::follow(const NamedTargets& source) {
  bool failing = false;
  for (;;) {
    Result<Answer> answer = co_await ask(source);
    Duration pause = pauses_.after_failure;
    if (answer) {
      pause = answer->expiry - std::min(answer->expiry, Clock::now());
      pause = std::clamp(pause, pauses_.min, pauses_.max);
      if (answer->targets != upstream_.remembered(source.key())) {
        upstream_.remember(source.key(), std::move(answer->targets));
        publish_known(upstream_, sources_);
      }
    } else if (!failing) {
      log::event(LogLevel::kWarn, "upstream_dns_failed",
                 {{"upstream", upstream_.name()},
                  {"name", source.origin.host},
                  {"cause", answer.error().info().code}});
    }
    failing = !answer;
    if (!co_await sleep_for(pause)) co_return;
  }
}

Task<void> TargetFollower::run() {
  TaskGroup all;
  for (const NamedTargets& source : sources_.named) all.spawn(follow(source));
  co_await all.join();
}

}  // namespace millrace::proxy
