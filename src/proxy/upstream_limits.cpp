#include "proxy/upstream_limits.hpp"

#include <algorithm>

namespace millrace::proxy {
namespace {

Admission::Options of_all(const UpstreamLimits::Options& options) {
  Admission::Options out = options.admission;
  if (options.per_target) {
    const std::uint64_t sum = std::uint64_t{*options.per_target} * options.targets;
    out.limit = static_cast<std::uint32_t>(std::min<std::uint64_t>(out.limit, sum));
  }
  return out;
}

}  // namespace

UpstreamLimits::UpstreamLimits(const Options& options)
    : admission(of_all(options)), budget(options.budget), options_(options) {}

std::shared_ptr<Admission> UpstreamLimits::of_target(std::string_view name) {
  const std::lock_guard lock(mutex_);
  if (const auto found = of_targets_.find(name); found != of_targets_.end()) return found->second;
  // Of targets that came and went, those that nobody uses are forgotten.
  std::erase_if(of_targets_, [this](const auto& entry) {
    return of_targets_.size() >= 2 * options_.targets && entry.second.use_count() == 1;
  });
  Admission::Options each = options_.admission;
  each.limit = *options_.per_target;
  return of_targets_.emplace(name, std::make_shared<Admission>(each)).first->second;
}

}  // namespace millrace::proxy
