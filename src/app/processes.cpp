#include "app/processes.hpp"

#include "runtime/wait_queue.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

namespace millrace::app {
namespace {

constexpr auto kPatience = std::chrono::seconds(1);

proxy::TargetSpec to_target(const process::Served& served) {
  proxy::TargetSpec spec{.name = served.name};
  spec.seat = served.seat;
  spec.origin.unix_path = served.endpoint.unix_path;
  if (served.endpoint.unix_path.empty()) {
    spec.origin.host = "127.0.0.1";
    spec.origin.port = served.endpoint.port;
  }
  spec.use = served.use;
  return spec;
}

/// Shared by the threads that are asked, which may answer when nobody waits any more.
struct Gathering {
  Event complete;
  std::vector<std::string> requests;
  std::size_t missing = 0;
};

Task<Result<void>> wait_for(Event& event) {
  co_return co_await event.wait();
}

}  // namespace

Processes::Processes(const config::Config& config, Parts parts)
    : parts_(std::move(parts)),
      upstreams_(upstreams_of(config)),
      supervisor_(config.processes, *this) {}

Processes::Upstreams Processes::upstreams_of(const config::Config& config) {
  Upstreams out;
  for (const auto& [name, upstream] : config.upstreams)
    if (upstream.process) out.emplace(*upstream.process, name);
  return out;
}

std::expected<void, std::string> Processes::prepare(const config::Config& next) {
  return supervisor_.stage(next.processes);
}

void Processes::commit(const config::Config&, const std::shared_ptr<const config::Config>& next) {
  supervisor_.apply(next->processes);
  upstreams_ = upstreams_of(*next);
  std::erase_if(published_, [&](const auto& p) { return !next->processes.contains(p.first); });
  // One that has nothing to show yet takes those of the process before it away.
  for (const auto& [process, upstream] : upstreams_) {
    const auto known = published_.find(process);
    publish_to(upstream, known != published_.end() ? known->second : process::TargetSet{});
  }
}

void Processes::publish(const std::string& process, process::TargetSet set) {
  const auto [first, last] = upstreams_.equal_range(process);
  for (auto at = first; at != last; ++at) publish_to(at->second, set);
  published_.insert_or_assign(process, std::move(set));
}

void Processes::publish_to(const std::string& upstream, const process::TargetSet& set) {
  std::vector<proxy::TargetSpec> specs;
  for (const process::Served& served : set.targets) specs.push_back(to_target(served));
  const auto state = parts_.board.upstream(upstream);
  state->expect(set.retry_after);
  state->publish(std::move(specs));
  for (std::size_t i = 0; i < parts_.threads; ++i)
    (*parts_.io)[i].post([&servers = parts_.servers, i, upstream] {
      if (servers[i] != nullptr) servers[i]->targets_changed(upstream);
    });
}

std::uint64_t Processes::in_flight(const std::string& process, const std::string& target) const {
  std::uint64_t sum = 0;
  const auto [first, last] = upstreams_.equal_range(process);
  for (auto at = first; at != last; ++at)
    if (const auto state = parts_.board.find(at->second)) sum += state->in_flight(target);
  return sum;
}

void Processes::post_alert(const std::string& url, std::string json) {
  (*parts_.io)[0].post([&servers = parts_.servers, url, json = std::move(json)]() mutable {
    if (servers[0] != nullptr) servers[0]->post_json(url, std::move(json));
  });
}

Task<std::vector<std::string>> Processes::requests_at(std::string process, std::string target) {
  const auto gathering = std::make_shared<Gathering>();
  gathering->missing = parts_.threads;
  std::vector<std::string> upstreams;
  const auto [first, last] = upstreams_.equal_range(process);
  for (auto at = first; at != last; ++at) upstreams.push_back(at->second);
  for (std::size_t i = 0; i < parts_.threads; ++i)
    (*parts_.io)[i].post([i, gathering, upstreams, target, &parts = parts_] {
      if (parts.servers[i] == nullptr) return;
      std::vector<std::string> found;
      for (const std::string& upstream : upstreams)
        std::ranges::move(parts.servers[i]->requests_at(upstream, target),
                          std::back_inserter(found));
      parts.control.post([gathering, found = std::move(found)]() mutable {
        std::ranges::move(found, std::back_inserter(gathering->requests));
        if (--gathering->missing == 0) gathering->complete.set();
      });
    });
  DeadlineScope limit(Errc::kDeadline, kPatience);
  (void)co_await in_scope(limit.scope(), wait_for(gathering->complete));
  co_return gathering->requests;
}

void Processes::never_listened(const std::string& process, const std::string& hint) {
  if (parts_.never_listened) parts_.never_listened("process." + process + ": " + hint);
}

}  // namespace millrace::app
