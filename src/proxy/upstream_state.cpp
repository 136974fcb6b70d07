#include "proxy/upstream_state.hpp"

#include <algorithm>
#include <utility>

namespace millrace::proxy {
namespace {

std::uint64_t next_id() noexcept {
  static constinit std::atomic<std::uint64_t> last = 0;
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

/// Every name once; weights of the same name are added.
std::vector<TargetSpec> unique(std::vector<TargetSpec> specs) {
  std::vector<TargetSpec> out;
  std::map<std::string, std::size_t, std::less<>> places;
  for (TargetSpec& spec : specs) {
    if (spec.name.empty()) spec.name = name_of(spec.origin);
    const auto [place, fresh] = places.emplace(spec.name, out.size());
    if (fresh)
      out.push_back(std::move(spec));
    else
      out[place->second].weight += spec.weight;
  }
  return out;
}

}  // namespace

std::string name_of(const client::OriginSpec& spec) {
  if (!spec.unix_path.empty()) return "unix:" + spec.unix_path;
  const bool v6 = spec.host.find(':') != std::string::npos;
  return (v6 ? "[" + spec.host + "]" : spec.host) + ":" + std::to_string(spec.port);
}

TargetState::TargetState(std::string name) : name_(std::move(name)), id_(next_id()) {}

std::shared_ptr<TargetState> UpstreamState::state_of(const std::string& target) {
  std::weak_ptr<TargetState>& known = known_[target];
  std::shared_ptr<TargetState> state = known.lock();
  if (state == nullptr) known = state = std::make_shared<TargetState>(target);
  return state;
}

void UpstreamState::set_flag(TargetState& target, TargetState::Flag flag, bool on) noexcept {
  if (on)
    target.flags_.fetch_or(flag);
  else
    target.flags_.fetch_and(static_cast<std::uint8_t>(~flag));
}

void UpstreamState::publish(std::vector<TargetSpec> specs) {
  specs = unique(std::move(specs));
  const std::scoped_lock lock(mutex_);
  auto next = std::make_shared<Targets>();
  for (TargetSpec& spec : specs) {
    auto state = state_of(spec.name);
    set_flag(*state, TargetState::kRetired, false);
    next->push_back({std::move(spec), std::move(state)});
  }
  for (const Entry& old : *targets_) {
    const auto same = [&](const Entry& e) { return e.state == old.state; };
    if (std::ranges::none_of(*next, same)) set_flag(*old.state, TargetState::kRetired, true);
  }
  targets_ = std::move(next);
  std::erase_if(known_, [](const auto& known) { return known.second.expired(); });
  changed();
  if (count_watcher_) count_watcher_(targets_->size());
}

void UpstreamState::watch_count(std::function<void(std::size_t)> told) {
  const std::scoped_lock lock(mutex_);
  count_watcher_ = std::move(told);
  if (count_watcher_) count_watcher_(targets_->size());
}

std::shared_ptr<const UpstreamState::Targets> UpstreamState::targets() const {
  const std::scoped_lock lock(mutex_);
  return targets_;
}

std::uint64_t UpstreamState::in_flight(std::string_view target) const {
  const std::scoped_lock lock(mutex_);
  const auto known = known_.find(target);
  const auto state = known == known_.end() ? nullptr : known->second.lock();
  return state == nullptr ? 0 : state->in_flight();
}

void UpstreamState::set_unhealthy(TargetState& target, bool unhealthy) {
  const std::scoped_lock lock(mutex_);
  set_flag(target, TargetState::kUnhealthy, unhealthy);
  changed();
}

bool UpstreamState::set_drained(std::string_view target, bool drained) {
  const std::scoped_lock lock(mutex_);
  const auto found = std::ranges::find(
      *targets_, target, [](const Entry& e) -> std::string_view { return e.spec.name; });
  if (found == targets_->end()) return false;
  set_flag(*found->state, TargetState::kDrained, drained);
  changed();
  return true;
}

}  // namespace millrace::proxy
