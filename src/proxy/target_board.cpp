#include "proxy/target_board.hpp"

namespace millrace::proxy {

std::shared_ptr<UpstreamState> TargetBoard::upstream(std::string_view name) {
  const std::scoped_lock lock(mutex_);
  auto found = upstreams_.find(name);
  if (found == upstreams_.end())
    found = upstreams_.emplace(name, std::make_shared<UpstreamState>(std::string(name))).first;
  return found->second;
}

std::shared_ptr<UpstreamState> TargetBoard::find(std::string_view name) const {
  const std::scoped_lock lock(mutex_);
  const auto found = upstreams_.find(name);
  return found == upstreams_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<UpstreamState>> TargetBoard::all() const {
  const std::scoped_lock lock(mutex_);
  std::vector<std::shared_ptr<UpstreamState>> out;
  for (const auto& [name, state] : upstreams_) out.push_back(state);
  return out;
}

}  // namespace millrace::proxy
