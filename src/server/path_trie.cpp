#include "server/path_trie.hpp"

namespace millrace::server {

std::uint32_t PathTrie::child(std::uint32_t at, const config::PathPattern::Segment& segment,
                              RouteIndex route) {
  const auto made = static_cast<std::uint32_t>(nodes_.size());
  std::uint32_t found = made;
  if (!segment.parameter)
    found = edges_.try_emplace({at, segment.text}, made).first->second;
  else if (nodes_[at].parameter != kNone)
    found = nodes_[at].parameter;
  else
    nodes_[at].parameter = made;
  if (found == made) nodes_.push_back({.first = route, .exact = {}, .below = {}});
  return found;
}

void PathTrie::add(const config::PathPattern& pattern, RouteIndex route) {
  if (nodes_.empty()) nodes_.push_back({.first = route, .exact = {}, .below = {}});
  std::uint32_t at = 0;
  for (const auto& segment : pattern.segments) at = child(at, segment, route);
  (pattern.wildcard ? nodes_[at].below : nodes_[at].exact).push_back(route);
}

}  // namespace millrace::server
