#include "proxy/upstream_limits.hpp"

#include <algorithm>

namespace millrace::proxy {
namespace {

std::uint32_t limit_of_all(const UpstreamLimits::Options& options, std::size_t targets) {
  const std::uint64_t whole = options.admission.limit;
  if (targets == 0) return 0;
  const std::uint64_t sum =
      options.per_target ? std::uint64_t{*options.per_target} * targets : whole;
  return static_cast<std::uint32_t>(std::min(whole, sum));
}

Admission::Options of_all(const UpstreamLimits::Options& options) {
  Admission::Options out = options.admission;
  out.limit = limit_of_all(options, options.targets);
  return out;
}

}  // namespace

UpstreamLimits::UpstreamLimits(const Options& options)
    : admission(of_all(options)),
      budget(options.budget),
      options_(options),
      targets_(options.targets) {}

void UpstreamLimits::set_targets(std::size_t count) {
  targets_ = count;
  admission.set_limit(limit_of_all(options_, count));
}

std::shared_ptr<Admission> UpstreamLimits::of_target(std::string_view name) {
  const std::lock_guard lock(mutex_);
  if (const auto found = of_targets_.find(name); found != of_targets_.end()) return found->second;
  // Of targets that came and went, those that nobody uses are forgotten.
  std::erase_if(of_targets_, [this](const auto& entry) {
    return of_targets_.size() >= 2 * targets_ && entry.second.use_count() == 1;
  });
  Admission::Options each = options_.admission;
  each.limit = *options_.per_target;
  return of_targets_.emplace(name, std::make_shared<Admission>(each)).first->second;
}

}  // namespace millrace::proxy
