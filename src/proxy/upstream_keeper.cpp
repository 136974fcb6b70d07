#include "proxy/upstream_keeper.hpp"

#include "runtime/io_thread.hpp"

#include <utility>

namespace millrace::proxy {
namespace {

Task<void> tick(UpstreamState& upstream) {
  for (;;)
    if (!co_await sleep_for(upstream.tick(Clock::now()))) co_return;
}

}  // namespace

Task<void> UpstreamKeepers::keep_one(std::shared_ptr<UpstreamState> upstream, Options options) {
  TaskGroup group;
  group.spawn(tick(*upstream));
  TargetFollower follower(*upstream, resolver_, std::move(options.sources), {});
  group.spawn(follower.run());
  std::optional<HealthChecker> checker;
  if (options.health) {
    checker.emplace(*upstream, client_, resolver_, std::move(*options.health));
    group.spawn(checker->run());
  } else {
    for (const auto& entry : *upstream->targets())
      upstream->set_unhealthy(*entry.state, false, Clock::now());  // of before a reload
  }
  co_await group.join();
}

void UpstreamKeepers::keep(std::shared_ptr<UpstreamState> upstream, Options options) {
  tasks_.spawn(keep_one(std::move(upstream), std::move(options)));
}

Task<void> UpstreamKeepers::stop() {
  tasks_.cancel();
  co_await tasks_.join();
  client_.close_idle();
}

}  // namespace millrace::proxy
