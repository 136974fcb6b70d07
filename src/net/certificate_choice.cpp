#include "net/certificate_choice.hpp"

#include <algorithm>

namespace millrace::net {
namespace {

bool has(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

}  // namespace

CertificateChoice::CertificateChoice(std::span<const Candidate> candidates) {
  Group group = group_for(candidates, candidates.front().names->first());
  // Another one of its kind may have the name as well, and in a nearer way.
  std::erase_if(
      group, [&](std::size_t i) { return candidates[i].key_kind == candidates.front().key_kind; });
  group.insert(group.begin(), 0);
  groups_.push_back(std::move(group));
  for (const Candidate& candidate : candidates) {
    for (const std::string& name : candidate.names->exact())
      by_name_.emplace(name, index_of(group_for(candidates, name)));
    for (const std::string& parent : candidate.names->wildcards())
      by_parent_.emplace(parent, index_of(group_for(candidates, "*" + parent)));
  }
}

CertificateChoice::Group CertificateChoice::group_for(std::span<const Candidate> candidates,
                                                      std::string_view name) {
  Group group;
  const auto add = [&](std::size_t i) {
    const bool taken = std::ranges::any_of(
        group, [&](std::size_t g) { return candidates[g].key_kind == candidates[i].key_kind; });
    if (!taken) group.push_back(i);
  };
  for (std::size_t i = 0; i < candidates.size(); ++i)
    if (has(candidates[i].names->exact(), name)) add(i);
  const std::string_view parent = config::parent_domain(name);
  for (std::size_t i = 0; i < candidates.size(); ++i)
    if (!parent.empty() && has(candidates[i].names->wildcards(), parent)) add(i);
  std::ranges::sort(group);
  return group;
}

std::size_t CertificateChoice::index_of(Group group) {
  const auto found = std::ranges::find(groups_, group);
  if (found != groups_.end()) return static_cast<std::size_t>(found - groups_.begin());
  groups_.push_back(std::move(group));
  return groups_.size() - 1;
}

std::size_t CertificateChoice::find(std::string_view name) const {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (const auto found = by_name_.find(name); found != by_name_.end()) return found->second;
  const auto parent = by_parent_.find(config::parent_domain(name));
  return parent != by_parent_.end() ? parent->second : 0;
}

}  // namespace millrace::net
