#include "proxy/upstream_state.hpp"

#include "base/log.hpp"

#include <algorithm>
#include <climits>
#include <ranges>
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
      out[place->second].weight += std::min(spec.weight, UINT_MAX - out[place->second].weight);
  }
  return out;
}

}  // namespace

std::string name_of(const client::OriginSpec& spec) {
  if (!spec.unix_path.empty()) return "unix:" + spec.unix_path;
  const bool v6 = spec.host.find(':') != std::string::npos;
  return (v6 ? "[" + spec.host + "]" : spec.host) + ":" + std::to_string(spec.port);
}

std::string authority_of(const client::OriginSpec& spec) {
  if (!spec.unix_path.empty()) return "localhost";
  const bool v6 = spec.host.find(':') != std::string::npos;
  std::string out = v6 ? "[" + spec.host + "]" : spec.host;
  if (spec.port != (spec.tls ? 443 : 80)) out += ":" + std::to_string(spec.port);
  return out;
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
  const TimePoint now = Clock::now();
  const std::scoped_lock lock(mutex_);
  auto next = std::make_shared<Targets>();
  for (TargetSpec& spec : specs) {
    auto state = state_of(spec.name);
    set_flag(*state, TargetState::kRetired, false);
    if (notes_.try_emplace(state->id(), Note{.since = now}).second) {
      // It may have been away while somebody still used it.
      set_flag(*state, TargetState::kUnhealthy, false);
      set_flag(*state, TargetState::kEjected, outliers_.ejected(state->id()));
      if (!targets_->empty()) begin_ramp(*state, now);
    }
    next->push_back({std::move(spec), std::move(state)});
  }
  for (const Entry& old : *targets_) {
    const auto same = [&](const Entry& e) { return e.state == old.state; };
    if (std::ranges::any_of(*next, same)) continue;
    set_flag(*old.state, TargetState::kRetired, true);
    notes_.erase(old.state->id());
  }
  targets_ = std::move(next);
  std::erase_if(known_, [](const auto& known) { return known.second.expired(); });
  changed();
  tell_count();
}

void UpstreamState::tell_count() {
  std::erase_if(count_watchers_, [this](const auto& told) { return !told(targets_->size()); });
}

void UpstreamState::watch_count(std::function<bool(std::size_t)> told) {
  const std::scoped_lock lock(mutex_);
  count_watchers_.push_back(std::move(told));
  tell_count();
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

// --- health ---

void UpstreamState::set_policy(const HealthPolicy& policy) {
  const std::scoped_lock lock(mutex_);
  policy_ = policy;
  suspicious_after_ = policy.outlier.ejected_percent_max == 0 ? 0 : policy.outlier.failures;
  outliers_.set_options(policy.outlier);
  breaker_.configure(policy.breaker);
}

TargetState* UpstreamState::find(std::uint64_t id) const {
  for (const Entry& entry : *targets_)
    if (entry.state->id() == id) return entry.state.get();
  return nullptr;
}

void UpstreamState::begin_ramp(TargetState& target, TimePoint now) {
  if (policy_.slow_start == Duration{}) return;
  notes_[target.id()].ramp_began = now;
  target.share_ = 1;
}

void UpstreamState::set_unhealthy(TargetState& target, bool unhealthy, TimePoint now,
                                  std::string why) {
  const std::scoped_lock lock(mutex_);
  if (find(target.id()) == nullptr) return;
  if (((target.flags() & TargetState::kUnhealthy) != 0) == unhealthy) return;
  Note& note = notes_[target.id()];
  note.since = now;
  note.unhealthy = std::move(why);
  set_flag(target, TargetState::kUnhealthy, unhealthy);
  if (!unhealthy) begin_ramp(target, now);
  changed();
  if (unhealthy)
    log::event(LogLevel::kWarn, "target_unhealthy",
               {{"upstream", name_}, {"target", target.name()}, {"reason", note.unhealthy}});
  else
    log::event(LogLevel::kInfo, "target_healthy", {{"upstream", name_}, {"target", target.name()}});
}

void UpstreamState::ended(TargetState& target, Outcome outcome, Errc cause, bool probed) {
  const unsigned suspicious_after = suspicious_after_.load(std::memory_order_relaxed);
  const bool suspicious = target.end(outcome, cause, suspicious_after);
  // A good one is of interest only to a breaker that has counted bad ones.
  if (probed || outcome == Outcome::kBad || (outcome == Outcome::kGood && breaker_.wants_good()))
    breaker_.report(outcome, probed, Clock::now());
  if (suspicious) suspect(target, Clock::now());
}

// All of them, so that the ejection of one that is drained meanwhile ends like any other.
std::vector<OutlierDetector::Sample> UpstreamState::samples() const {
  constexpr std::uint8_t kUnwell = TargetState::kUnhealthy | TargetState::kForbidden;
  std::vector<OutlierDetector::Sample> out;
  for (const Entry& entry : *targets_) {
    const TargetState& t = *entry.state;
    out.push_back({.id = t.id(),
                   .judged = t.judged(),
                   .failures = t.failures(),
                   .latency_us = t.latency_us(),
                   .well = entry.spec.weight != 0 && (t.flags() & kUnwell) == 0});
  }
  return out;
}

void UpstreamState::suspect(TargetState& target, TimePoint now) {
  const std::scoped_lock lock(mutex_);
  target.on_probation_ = false;
  const auto all = samples();
  if (std::ranges::find(all, target.id(), &OutlierDetector::Sample::id) == all.end()) return;
  if (const auto change = outliers_.suspect(target.id(), all, now)) apply(*change, now);
}

void UpstreamState::apply(const OutlierDetector::Change& change, TimePoint now) {
  TargetState* const target = find(change.id);
  if (target == nullptr) return;
  const bool ejected = change.reason != OutlierDetector::Reason::kNone;
  Note& note = notes_[change.id];
  note.since = now;
  note.ejected = change.reason;
  note.ejections += ejected ? 1 : 0;
  if (!ejected) {
    target->in_a_row_ = 0;
    target->on_probation_ = suspicious_after_ != 0;
    begin_ramp(*target, now);
  }
  set_flag(*target, TargetState::kEjected, ejected);
  changed();
  if (!ejected)
    return log::event(LogLevel::kInfo, "target_returned",
                      {{"upstream", name_}, {"target", target->name()}});
  const auto lasts = std::chrono::duration_cast<std::chrono::milliseconds>(change.lasts);
  log::event(
      LogLevel::kWarn, "target_ejected",
      {{"upstream", name_},
       {"target", target->name()},
       {"reason", text_of(change.reason)},
       {"last_error", target->last_error() == Errc::kCount_ ? std::string_view("status")
                                                            : info(target->last_error()).code},
       {"for_ms", lasts.count()}});
}

// From a tenth of its share to all of it.
bool UpstreamState::go_on_ramping(TimePoint now) {
  bool going_on = false;
  for (auto& [id, note] : notes_) {
    TargetState* const target = find(id);
    if (target == nullptr || note.ramp_began == TimePoint::max()) continue;
    const Duration since = now - note.ramp_began;
    const bool done = policy_.slow_start == Duration{} || since >= policy_.slow_start;
    const auto share = done ? 100 : std::max<Duration::rep>(since * 100 / policy_.slow_start, 10);
    if (done) note.ramp_began = TimePoint::max();
    going_on = going_on || !done;
    if (target->share_.exchange(static_cast<unsigned>(share)) != share) changed();
  }
  return going_on;
}

Duration UpstreamState::tick(TimePoint now) {
  const std::scoped_lock lock(mutex_);
  for (const OutlierDetector::Change& change : outliers_.tick(samples(), now)) apply(change, now);
  const bool ramping = go_on_ramping(now);
  return ramping || outliers_.anybody_ejected() ? Duration(kTick) : Duration(kIdleTick);
}

// --- the operator ---

bool UpstreamState::set_drained(std::string_view target, bool drained, TimePoint now) {
  const std::scoped_lock lock(mutex_);
  const auto found = std::ranges::find(
      *targets_, target, [](const Entry& e) -> std::string_view { return e.spec.name; });
  if (found == targets_->end()) return false;
  TargetState& state = *found->state;
  if (((state.flags() & TargetState::kDrained) != 0) == drained) return true;
  set_flag(state, TargetState::kDrained, drained);
  notes_[state.id()].since = now;
  if (!drained) begin_ramp(state, now);
  changed();
  log::event(LogLevel::kInfo, drained ? "target_draining" : "target_enabled",
             {{"upstream", name_}, {"target", state.name()}});
  return true;
}

std::vector<UpstreamState::Report> UpstreamState::report() const {
  const std::scoped_lock lock(mutex_);
  std::vector<Report> out;
  for (const Entry& entry : *targets_) {
    const std::uint8_t flags = entry.state->flags();
    const auto found = notes_.find(entry.state->id());
    const Note note = found == notes_.end() ? Note{} : found->second;
    Standing standing{.state = "healthy", .since = note.since, .ejections = note.ejections};
    if ((flags & TargetState::kDrained) != 0) {
      standing.state = "draining";
      standing.reason = "drained by the operator";
    } else if ((flags & TargetState::kUnhealthy) != 0) {
      standing.state = "unhealthy";
      standing.reason = note.unhealthy;
    } else if ((flags & TargetState::kEjected) != 0) {
      standing.state = "ejected";
      standing.reason = text_of(note.ejected);
    }
    out.push_back({entry, std::move(standing)});
  }
  return out;
}

void UpstreamState::remember(const std::string& source, std::vector<TargetSpec> specs) {
  const std::scoped_lock lock(mutex_);
  remembered_.insert_or_assign(source, std::move(specs));
}

std::vector<TargetSpec> UpstreamState::remembered(const std::string& source) const {
  const std::scoped_lock lock(mutex_);
  const auto found = remembered_.find(source);
  return found == remembered_.end() ? std::vector<TargetSpec>() : found->second;
}

}  // namespace millrace::proxy
