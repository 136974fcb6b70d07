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
      has_target_limits_(options.per_target.has_value()),
      targets_(options.targets),
      patience_(options.admission.overload.patience),
      options_(options) {}

void UpstreamLimits::configure(const Options& options) {
  const std::lock_guard lock(mutex_);
  options_ = options;
  has_target_limits_ = options.per_target.has_value();
  patience_ = options.admission.overload.patience;
  budget.configure(options.budget);
  // Who waits where there is no limit any more is let go, and goes on.
  const Admission::Options each = each_target();
  for (const auto& [name, target] : of_targets_) {
    target->configure(each);
    target->set_limit(each.limit);
  }
  admission.configure(options.admission);
  admission.set_limit(limit_of_all(options, targets_));
}

void UpstreamLimits::set_targets(std::size_t count) {
  const std::lock_guard lock(mutex_);
  targets_ = count;
  admission.set_limit(limit_of_all(options_, count));
}

// Without a limit of their own they have the upstream's.
Admission::Options UpstreamLimits::each_target() const {
  Admission::Options each = options_.admission;
  each.limit = options_.per_target.value_or(each.limit);
  return each;
}

Admission::Status UpstreamLimits::status() {
  const std::lock_guard lock(mutex_);
  Admission::Status sum = admission.status();
  for (const auto& [name, target] : of_targets_) {
    const Admission::Status at = target->status();
    sum.waiting += at.waiting;
    sum.oldest = std::max(sum.oldest, at.oldest);
    sum.overloaded |= at.overloaded;
    sum.queued += at.queued;
    sum.refused += at.refused;
    sum.timed_out += at.timed_out;
  }
  return sum;
}

std::shared_ptr<Admission> UpstreamLimits::of_target(std::string_view name) {
  const std::lock_guard lock(mutex_);
  if (const auto found = of_targets_.find(name); found != of_targets_.end()) return found->second;
  // Of targets that came and went, those that nobody uses are forgotten.
  std::erase_if(of_targets_, [this](const auto& entry) {
    return of_targets_.size() >= 2 * targets_ && entry.second.use_count() == 1;
  });
  return of_targets_.emplace(name, std::make_shared<Admission>(each_target())).first->second;
}

}  // namespace millrace::proxy
