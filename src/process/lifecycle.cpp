#include "process/lifecycle.hpp"

#include <algorithm>
#include <array>

namespace millrace::process {
namespace {

using Kind = Action::Kind;

constexpr double kBackoffJitter = 0.2;
constexpr double kAgeJitter = 0.1;

}  // namespace

std::string_view name_of(Phase phase) noexcept {
  static constexpr std::array<std::string_view, 6> kNames{"starting", "serving",  "draining",
                                                          "stopping", "aborting", "killed"};
  return kNames[static_cast<std::size_t>(phase)];
}

std::string_view name_of(Cause cause) noexcept {
  static constexpr std::array<std::string_view, 10> kNames{
      "", "rollout", "requests", "age", "rss", "not_ready", "hung", "deaf", "surplus", "stop"};
  return kNames[static_cast<std::size_t>(cause)];
}

Lifecycle::Lifecycle(Policy policy, std::function<double()> random)
    : policy_(policy), old_policy_(policy), random_(std::move(random)) {}

const Lifecycle::Instance* Lifecycle::find(InstanceId id) const noexcept {
  const auto at = std::ranges::find(instances_, id, &Instance::id);
  return at == instances_.end() ? nullptr : &*at;
}

Lifecycle::Instance* Lifecycle::get(InstanceId id) noexcept {
  const auto at = std::ranges::find(instances_, id, &Instance::id);
  return at == instances_.end() ? nullptr : &*at;
}

Lifecycle::Instance* Lifecycle::in_slot(unsigned index, Phase phase) noexcept {
  const auto at = std::ranges::find_if(
      instances_, [&](const Instance& i) { return i.index == index && i.phase == phase; });
  return at == instances_.end() ? nullptr : &*at;
}

bool Lifecycle::any_starting() const noexcept {
  return std::ranges::any_of(instances_,
                             [](const Instance& i) { return i.phase == Phase::kStarting; });
}

Duration Lifecycle::jittered(Duration d, double share) {
  const double factor = 1 - share + 2 * share * random_();
  return std::chrono::duration_cast<Duration>(d * factor);
}

void Lifecycle::act(Kind kind, const Instance& i) {
  actions_.push_back({kind, i.id, i.index, i.version, i.cause});
}

void Lifecycle::launch(unsigned index, std::uint64_t version, Cause cause, TimePoint now) {
  Instance& made = instances_.emplace_back();
  made.id = next_id_++;
  made.index = index;
  made.version = version;
  made.cause = cause;
  made.started = now;
  made.deadline = now + policy_.ready_timeout;
  act(Kind::kStart, made);
}

void Lifecycle::begin_draining(Instance& i, Cause cause, TimePoint now) {
  i.phase = Phase::kDraining;
  i.cause = cause;
  i.deadline = now + policy_.drain_timeout;
  act(Kind::kWithdraw, i);
}

void Lifecycle::terminate(Instance& i, Cause cause, TimePoint now) {
  if (i.phase == Phase::kServing) act(Kind::kWithdraw, i);
  i.phase = Phase::kStopping;
  i.cause = cause;
  i.deadline = now + policy_.stop_timeout;
  act(Kind::kTerminate, i);
}

void Lifecycle::kill(Instance& i) {
  if (i.phase == Phase::kServing) act(Kind::kWithdraw, i);
  i.phase = Phase::kKilled;
  i.deadline = TimePoint::max();
  act(Kind::kKill, i);
}

void Lifecycle::start(TimePoint now) {
  started_ = true;
  advance(now);
}

void Lifecycle::ready(InstanceId id, bool answered, TimePoint now) {
  Instance* i = get(id);
  if (i == nullptr || i->phase != Phase::kStarting) return;
  Instance* before = in_slot(i->index, Phase::kServing);
  const Cause cause = std::exchange(i->cause, Cause::kNone);
  i->phase = Phase::kServing;
  i->deadline = TimePoint::max();
  i->settles_at = now + kSettled;
  // Lost and started anew while others are being replaced already.
  i->outdated = rollout_ && i->version != candidate_;
  if (i->outdated) i->cause = Cause::kRollout;
  if (policy_.age) i->recycle_at = now + jittered(*policy_.age, kAgeJitter);
  act(Kind::kServe, *i);
  // The pause was for this one; the other slots follow.
  if (failures_ > 0 && failures_ < kFailuresToOpen) next_start_ = now;
  if (before != nullptr) begin_draining(*before, cause, now);
  if (answered) prove(*get(id), now);
  check_rollout();
  advance(now);
}

void Lifecycle::answered(InstanceId id, TimePoint now) {
  Instance* i = get(id);
  if (i == nullptr || i->phase != Phase::kServing || i->proven) return;
  prove(*i, now);
  advance(now);
}

void Lifecycle::prove(Instance& i, TimePoint now) {
  i.proven = true;
  i.settles_at = TimePoint::max();
  if (failures_ == 0) return;
  const bool was_open = circuit_open();
  failures_ = 0;
  next_start_ = now;
  if (was_open) act(Kind::kCircuitClosed, i);
}

void Lifecycle::fail(const Instance& i, TimePoint now) {
  // Started together, failed together: one failure.
  if (failures_ > 0 && i.started <= last_failure_) return;
  ++failures_;
  last_failure_ = now;
  const unsigned doublings = std::min(failures_, kFailuresToOpen) - 1;
  const Duration pause =
      failures_ > kFailuresToOpen ? kProbePause : kBackoffBase * (1U << doublings);
  next_start_ = std::max(next_start_, now + jittered(pause, kBackoffJitter));
  if (failures_ == kFailuresToOpen) act(Kind::kCircuitOpened, i);
}

void Lifecycle::end_rollout(const Instance& i) {
  act(Kind::kRolloutFailed, i);
  rollout_ = false;
  candidate_ = version_;
  policy_ = old_policy_;
  for (Instance& other : instances_)
    if (other.cause == Cause::kRollout && other.phase == Phase::kServing) {
      other.outdated = false;
      other.cause = Cause::kNone;
    }
}

void Lifecycle::fail_start(const Instance& i, TimePoint now) {
  const bool of_rollout = rollout_ && i.version == candidate_;
  const bool old_one_serves = in_slot(i.index, Phase::kServing) != nullptr;
  if (of_rollout && old_one_serves) return end_rollout(i);
  fail(i, now);
}

void Lifecycle::replaced_at_once(TimePoint now) {
  replaced_.push_back(now);
  while (now - replaced_.front() >= std::chrono::minutes(1)) replaced_.pop_front();
  if (replaced_.size() <= kReplacedPerMinuteMax) return;
  const TimePoint room = replaced_[replaced_.size() - 1 - kReplacedPerMinuteMax];
  next_start_ = std::max(
      {next_start_, now + jittered(kBackoffBase, kBackoffJitter), room + std::chrono::minutes(1)});
}

void Lifecycle::lost(const Instance& i, TimePoint now) {
  if (i.proven)
    replaced_at_once(now);
  else
    fail(i, now);
}

void Lifecycle::exited(InstanceId id, TimePoint now) {
  const Instance* found = find(id);
  if (found == nullptr) return;
  const Instance gone = *found;
  std::erase_if(instances_, [id](const Instance& i) { return i.id == id; });
  if (!stopping_ && gone.phase == Phase::kStarting) {
    fail_start(gone, now);
  } else if (gone.phase == Phase::kServing) {
    act(Kind::kWithdraw, gone);
    if (!stopping_) lost(gone, now);
  }
  advance(now);
}

void Lifecycle::drained(InstanceId id, TimePoint now) {
  Instance* i = get(id);
  if (i != nullptr && i->phase == Phase::kDraining) terminate(*i, i->cause, now);
}

void Lifecycle::recycle(InstanceId id, Cause cause, TimePoint now) {
  Instance* i = get(id);
  if (i == nullptr || i->phase != Phase::kServing || i->outdated) return;
  i->outdated = true;
  i->cause = cause;
  advance(now);
}

void Lifecycle::hung(InstanceId id, TimePoint now) {
  Instance* i = get(id);
  if (i == nullptr || i->phase != Phase::kServing) return;
  act(Kind::kWithdraw, *i);
  i->phase = Phase::kAborting;
  i->cause = Cause::kHung;
  i->deadline = now + kAbortGrace;
  act(Kind::kAbort, *i);
  if (!stopping_) replaced_at_once(now);
  advance(now);
}

void Lifecycle::deaf(InstanceId id, TimePoint now) {
  Instance* i = get(id);
  if (i == nullptr || i->phase != Phase::kServing) return;
  begin_draining(*i, Cause::kDeaf, now);
  if (!stopping_) lost(*i, now);
  advance(now);
}

void Lifecycle::roll_out(std::uint64_t version, Policy policy, TimePoint now) {
  if (stopping_) return;
  if (!rollout_) old_policy_ = policy_;
  policy_ = policy;
  candidate_ = version;
  rollout_ = true;
  const bool any_serving =
      std::ranges::any_of(instances_, [](const Instance& i) { return i.phase == Phase::kServing; });
  // Nothing old to be kept: the new definition is what there is, and its failures count anew.
  if (!any_serving) {
    version_ = version;
    old_policy_ = policy;
    failures_ = 0;
    next_start_ = now;
  }
  for (std::size_t n = 0; n < instances_.size(); ++n) {
    Instance& i = instances_[n];
    if (i.phase == Phase::kStarting) terminate(i, Cause::kRollout, now);
    if (i.phase != Phase::kServing) continue;
    i.outdated = true;
    i.cause = Cause::kRollout;
  }
  check_rollout();
  advance(now);
}

void Lifecycle::check_rollout() {
  if (!rollout_) return;
  const bool old_ones = std::ranges::any_of(instances_, [&](const Instance& i) {
    if (i.index >= policy_.workers) return false;
    if (i.phase == Phase::kStarting) return i.version != candidate_;
    return i.phase == Phase::kServing && i.outdated && i.cause == Cause::kRollout;
  });
  const bool new_ones = std::ranges::any_of(instances_, [&](const Instance& i) {
    return i.phase == Phase::kServing && i.version == candidate_ && !i.outdated;
  });
  if (old_ones || !new_ones) return;
  rollout_ = false;
  version_ = candidate_;
  old_policy_ = policy_;
  actions_.push_back({.kind = Kind::kRolledOut, .version = version_});
}

void Lifecycle::stop(bool drain, TimePoint now) {
  stopping_ = true;
  rollout_ = false;
  for (Instance& i : instances_) {
    if (i.phase == Phase::kServing && drain)
      begin_draining(i, Cause::kStop, now);
    else if (i.phase == Phase::kStarting || i.phase == Phase::kServing ||
             (i.phase == Phase::kDraining && !drain))
      terminate(i, Cause::kStop, now);
  }
}

void Lifecycle::kill() {
  stopping_ = true;
  for (Instance& i : instances_)
    if (i.phase != Phase::kKilled) kill(i);
}

void Lifecycle::pass_deadlines(TimePoint now) {
  for (std::size_t n = 0; n < instances_.size(); ++n) {
    Instance& i = instances_[n];
    if (i.phase == Phase::kServing && now >= i.settles_at) prove(i, now);
    if (i.phase == Phase::kServing && now >= i.recycle_at && !i.outdated) {
      i.outdated = true;
      i.cause = Cause::kAge;
      i.recycle_at = TimePoint::max();
    }
    if (now < i.deadline) continue;
    if (i.phase == Phase::kStarting) {
      act(Kind::kNotReady, i);
      const Instance late = i;
      terminate(i, Cause::kNotReady, now);
      if (!stopping_) fail_start(late, now);
    } else if (i.phase == Phase::kDraining) {
      terminate(i, i.cause, now);
    } else {
      kill(i);
    }
  }
}

void Lifecycle::fill_slots(TimePoint now) {
  if (now < next_start_) return;
  // Slots that a rollout adds come when it has succeeded.
  const unsigned slots =
      rollout_ ? std::min(policy_.workers, old_policy_.workers) : policy_.workers;
  for (unsigned index = 0; index < slots; ++index) {
    if (in_slot(index, Phase::kServing) != nullptr || in_slot(index, Phase::kStarting) != nullptr)
      continue;
    if (failures_ > 0 && any_starting()) return;
    // What was there before may not start any more, and be what the rollout is to mend.
    launch(index, rollout_ && failures_ > 0 ? candidate_ : version_, Cause::kNone, now);
    if (!circuit_open()) continue;
    next_start_ = now + jittered(kProbePause, kBackoffJitter);
    return;
  }
}

void Lifecycle::replace_outdated(TimePoint now) {
  if (now < next_start_ || any_starting()) return;
  for (const Instance& i : instances_) {
    if (!i.outdated || i.phase != Phase::kServing || i.index >= policy_.workers) continue;
    const std::uint64_t version = i.cause == Cause::kRollout ? candidate_ : version_;
    return launch(i.index, version, i.cause, now);
  }
}

void Lifecycle::advance(TimePoint now) {
  pass_deadlines(now);
  if (!started_ || stopping_) return;
  if (!rollout_)
    for (Instance& i : instances_)
      if (i.index >= policy_.workers && i.phase == Phase::kServing)
        begin_draining(i, Cause::kSurplus, now);
  fill_slots(now);
  replace_outdated(now);
}

TimePoint Lifecycle::next() const noexcept {
  TimePoint at = TimePoint::max();
  bool outdated = false;
  unsigned filled = 0;
  for (const Instance& i : instances_) {
    at = std::min(at, i.deadline);
    const bool serves = i.phase == Phase::kServing;
    if (serves) at = std::min(at, i.settles_at);
    if (serves && !i.outdated) at = std::min(at, i.recycle_at);
    outdated = outdated || (serves && i.outdated);
    if ((serves && !i.outdated) || i.phase == Phase::kStarting) ++filled;
  }
  const bool waits =
      started_ && !stopping_ && !any_starting() && (outdated || filled < policy_.workers);
  return waits ? std::min(at, next_start_) : at;
}

}  // namespace millrace::process
