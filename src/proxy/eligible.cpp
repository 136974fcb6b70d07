#include "proxy/eligible.hpp"

#include <map>

namespace millrace::proxy {
namespace {

struct Group {
  std::vector<std::size_t> usable;  // but for their health
  std::vector<std::size_t> healthy;
};

}  // namespace

std::vector<std::size_t> eligible(const UpstreamState::Targets& targets, double panic_share) {
  std::map<unsigned, Group> groups;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const TargetState& state = *targets[i].state;
    if (targets[i].spec.weight == 0 || (state.flags() & TargetState::kForbidden) != 0) continue;
    Group& group = groups[targets[i].spec.priority];
    group.usable.push_back(i);
    if (state.healthy()) group.healthy.push_back(i);
  }
  for (auto& [priority, group] : groups) {
    const auto healthy = static_cast<double>(group.healthy.size());
    const auto all = static_cast<double>(group.usable.size());
    if (healthy > 0 && healthy >= panic_share * all) return std::move(group.healthy);
  }
  if (groups.empty()) return {};
  return std::move(groups.begin()->second.usable);
}

}  // namespace millrace::proxy
