#include "proxy/upstream.hpp"

#include "base/log.hpp"
#include "proxy/eligible.hpp"
#include "runtime/io_thread.hpp"

#include <algorithm>
#include <utility>

namespace millrace::proxy {

Upstream::Upstream(client::Client& client, Options options, unsigned seed)
    : client_(client),
      options_(std::move(options)),
      state_(options_.state != nullptr ? options_.state
                                       : std::make_shared<UpstreamState>(options_.name)),
      balancer_(make_balancer(options_.balance, seed)) {}

std::expected<std::unique_ptr<Upstream>, std::string> Upstream::make(client::Client& client,
                                                                     Options options,
                                                                     unsigned seed) {
  std::unique_ptr<Upstream> upstream(new Upstream(client, std::move(options), seed));
  const Options& chosen = upstream->options_;
  if (upstream->balancer_ == nullptr) return std::unexpected("no such balancer: " + chosen.balance);
  if (!chosen.targets.empty()) upstream->state_->publish(chosen.targets);
  if (auto ready = upstream->refresh(); !ready) return std::unexpected(ready.error());
  return upstream;
}

std::expected<LocalTargetPtr, std::string> Upstream::local(const UpstreamState::Entry& entry) {
  for (const LocalTargetPtr& known : targets_)
    if (known != nullptr && known->state == entry.state && known->spec == entry.spec) return known;
  auto origin = client_.origin(entry.spec.origin);
  if (!origin) return std::unexpected(origin.error());
  limit(**origin);
  LocalTargetPtr made(new LocalTarget);
  made->spec = entry.spec;
  made->origin = std::move(*origin);
  made->state = entry.state;
  made->authority =
      entry.spec.authority.empty() ? authority_of(entry.spec.origin) : entry.spec.authority;
  if (options_.sticky) made->token = sticky_token(options_.sticky->secret, seat_of(entry.spec));
  return made;
}

std::expected<void, std::string> Upstream::refresh() {
  std::expected<void, std::string> outcome;
  // First, so that what changes from here on is seen the next time.
  seen_version_ = state_->version();
  if (auto published = state_->targets(); published != seen_) {
    std::vector<LocalTargetPtr> targets;
    for (const UpstreamState::Entry& entry : *published) {
      auto target = local(entry);
      if (!target) outcome = std::unexpected(entry.spec.name + ": " + target.error());
      targets.push_back(target ? std::move(*target) : nullptr);
    }
    targets_ = std::move(targets);
    seen_ = std::move(published);
  }
  choose_from(*seen_);
  return outcome;
}

void Upstream::choose_from(const UpstreamState::Targets& targets) {
  chosen_.clear();
  candidates_.clear();
  standby_.clear();
  const std::vector<std::size_t> indices = eligible(targets, options_.panic_share);
  for (const std::size_t i : indices) {
    if (targets_[i] == nullptr) continue;
    const TargetState& state = *targets_[i]->state;
    const TargetSpec& spec = targets_[i]->spec;
    candidates_.push_back({&state, std::uint64_t{spec.weight} * state.share(), seat_of(spec)});
    chosen_.push_back(targets_[i]);
  }
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const bool usable =
        targets_[i] != nullptr && targets[i].spec.weight != 0 && targets[i].state->flags() == 0;
    if (usable && std::ranges::find(indices, i) == indices.end()) standby_.push_back(targets_[i]);
  }
  std::ranges::sort(standby_, {}, [](const LocalTargetPtr& t) { return t->spec.priority; });
  balancer_->set(candidates_);
}

void Upstream::limit_idle() noexcept {
  for (const LocalTargetPtr& target : targets_)
    if (target != nullptr) limit(*target->origin);
}

void Upstream::limit(client::Origin& origin) const noexcept {
  origin.limit_idle(options_.idle_max, options_.idle_age_max);
  origin.allow_exchanges(options_.exchanges_max);
}

void Upstream::log_fault(const std::string& fault) const {
  log::event(LogLevel::kError, "upstream_target_unusable",
             {{"upstream", options_.name}, {"error", fault}});
}

std::size_t Upstream::choose_index(const PickContext& context) noexcept {
  if (chosen_.size() == 1) return 0;
  if (!context.sticky.empty())
    if (const auto mine = choose_sticky(context)) return *mine;
  return balancer_->pick(context);
}

// Of two in one seat the newer one has its clients.
std::optional<std::size_t> Upstream::choose_sticky(const PickContext& context) const noexcept {
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < chosen_.size(); ++i) {
    const TargetState& state = *chosen_[i]->state;
    if (chosen_[i]->token != context.sticky || context.avoids(state)) continue;
    if (!found || state.id() > chosen_[*found]->state->id()) found = i;
  }
  return found;
}

const LocalTargetPtr& Upstream::choose(const PickContext& context) noexcept {
  const LocalTargetPtr& chosen = chosen_[choose_index(context)];
  if (!context.has_failed(*chosen->state)) return chosen;
  for (const LocalTargetPtr& other : standby_)
    if (!context.avoids(*other->state)) return other;
  return chosen;
}

void Upstream::look() {
  if (seen_version_ == state_->version()) return;
  if (const auto ready = refresh(); !ready) log_fault(ready.error());
}

bool Upstream::may_use(const TargetLease& lease) {
  look();
  const auto is_it = [&](const LocalTargetPtr& t) { return t->state->id() == lease.id(); };
  return std::ranges::any_of(chosen_, is_it) || std::ranges::any_of(standby_, is_it);
}

bool Upstream::is_bound(const PickContext& context) const noexcept {
  if (by_key_ && context.key) return true;
  return !context.sticky.empty() && choose_sticky(context).has_value();
}

Result<TargetLease> Upstream::pick(const PickContext& context) {
  IoThread* const io = IoThread::current_or_null();
  const TimePoint now = io != nullptr ? io->turn_time() : Clock::now();
  for (;;) {
    look();
    if (chosen_.empty()) return fail(Errc::kNoTarget);
    const Breaker::Admission admission = state_->breaker().admit(now);
    if (admission == Breaker::Admission::kRefused) return fail(Errc::kCircuitOpen);
    const bool probes = admission == Breaker::Admission::kProbes;
    const LocalTargetPtr& target = choose(context);
    if (target->state->begin()) return TargetLease(target, *state_, now, probes);
    // It was taken away a moment ago: the version follows the flag.
    if (probes) state_->breaker().report(Outcome::kNeither, true, now);
  }
}

PickContext Upstream::context_for(const Exchange& exchange) const {
  PickContext context;
  if (by_key_) context.key = key_of(options_.key, exchange);
  if (options_.sticky) context.sticky = cookie_of(exchange.request.fields, options_.sticky->cookie);
  return context;
}

std::string Upstream::cookie_for(const TargetLease& target, const Exchange& exchange) const {
  if (!options_.sticky) return {};
  if (cookie_of(exchange.request.fields, options_.sticky->cookie) == target.token()) return {};
  return sticky_field(*options_.sticky, target.token(), exchange.request.https);
}

/// Until targets have changed. Fails with the scope's reason when cancelled.
class Upstream::Turn final : public QueuedWaiter {
 public:
  explicit Turn(WaitQueue& queue) noexcept : queue_(queue) {}
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) noexcept {
    if (!suspend(h)) return false;
    queue_.push(*this);
    return true;
  }
  [[nodiscard]] Result<void> await_resume() const noexcept {
    if (was_cancelled()) return fail(cancel_reason());
    return {};
  }

 private:
  WaitQueue& queue_;
};

Task<Result<void>> Upstream::next_change() {
  co_return co_await Turn(waiting_);
}

Task<Result<TargetLease>> Upstream::await_target(PickContext context, TimePoint deadline) {
  if (waiting_count_ == kWaitingMax) co_return fail(Errc::kQueueFull);
  ++waiting_count_;
  Result<TargetLease> outcome = fail(Errc::kNoTarget);
  for (auto expected = state_->expected(); expected == std::chrono::seconds(0);
       expected = state_->expected()) {
    DeadlineScope limit(Errc::kQueueTimeout, deadline - Clock::now());
    const Result<void> changed = co_await in_scope(limit.scope(), next_change());
    if (!changed) {
      outcome = fail(changed.error());
      break;
    }
    Result<TargetLease> lease = pick(context);
    if (!lease && lease.error().is(Errc::kNoTarget)) continue;
    if (lease && std::ranges::find(context.avoid, lease->id()) != context.avoid.end()) continue;
    outcome = std::move(lease);
    break;
  }
  --waiting_count_;
  co_return outcome;
}

std::vector<std::string> Upstream::requests_at(std::string_view target) const {
  std::vector<std::string> out;
  for (const Note& note : notes_)
    if (note.lease_ && note.lease_.name() == target) out.emplace_back(note.request_id_);
  if (given_up_.target == target) out.push_back(given_up_.request_id);
  return out;
}

void Upstream::gave_up(const TargetLease& lease, std::string_view request_id) {
  given_up_ = {lease.name(), std::string(request_id)};
}

void Upstream::set_targets(std::vector<TargetSpec> targets) {
  state_->publish(std::move(targets));
  if (const auto ready = refresh(); !ready) log_fault(ready.error());
}

std::string_view Upstream::host_for(const TargetLease& target,
                                    std::string_view authority) const noexcept {
  switch (options_.host) {
    case HostPolicy::kName:
      return options_.host_name;
    case HostPolicy::kPreserve:
      if (!authority.empty()) return authority;
      break;
    case HostPolicy::kTarget:
      break;
  }
  return target.authority();
}

}  // namespace millrace::proxy
