#include "proxy/target_sender.hpp"

#include "base/log.hpp"
#include "runtime/io_thread.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <utility>

#include <boost/container/small_vector.hpp>

namespace millrace::proxy {
namespace {

using client::Request;
using client::Response;

// The client learns the code alone; what was wrong with a certificate is for the operator.
void log_failure(const Upstream::Options& options, const client::Trace& trace, const Error& error) {
  if (error.info().fault != Fault::kUpstream) return;
  log::event(LogLevel::kWarn, "upstream_failed",
             {{"upstream", options.name},
              {"target", trace.target},
              {"cause", error.info().code},
              {"error", trace.tls_cause.empty() ? error.describe() : trace.tls_cause}});
}

/// What is left when this try begins, so that a service need not begin what nobody waits for.
void tell_deadline(Request& request, TimePoint deadline) {
  if (deadline == TimePoint::max()) return;
  using std::chrono::duration_cast, std::chrono::milliseconds;
  const auto left = duration_cast<milliseconds>(deadline - Clock::now()).count();
  std::array<char, 24> text;
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), std::max<std::int64_t>(left, 0)).ptr;
  request.fields.set_copy(http::FieldId::kXRequestDeadline,
                          {text.data(), static_cast<std::size_t>(end - text.data())});
}

bool is_given_up(const Error& error) noexcept {
  return error.is(Errc::kFirstByteTimeout) || error.is(Errc::kTryTimeout);
}

}  // namespace

PickContext TargetSender::context() const {
  PickContext context = upstream_.context_for(options_.exchange);
  if (last_) context.avoid = {&*last_, 1};
  return context;
}

Result<TargetLease> TargetSender::pick() {
  return upstream_.pick(context());
}

/// A supervised target will soon be there, in the place of the one that has ended.
bool TargetSender::is_expected() const noexcept {
  return upstream_.state().expected() == std::chrono::seconds(0);
}

bool TargetSender::has_just_failed(const TargetLease& lease) const noexcept {
  return failed_ && last_ == lease.id();
}

TargetSender::Hold TargetSender::enter_at(TargetLease lease) {
  Hold hold{.lease = std::move(lease)};
  hold.limit = limits_.of_target(hold.lease.name());
  hold.place = hold.limit->try_enter();
  return hold;
}

Result<TargetSender::Hold> TargetSender::hold_of(Result<TargetLease> lease) {
  if (!lease) return fail(lease.error());
  return enter_at(std::move(*lease));
}

// Balancers know nothing of the limits: they are asked again without those that are full. When all
// are, one is waited for as if that were not so.
Result<TargetSender::Hold> TargetSender::pick_with_room() {
  Result<Hold> hold = hold_of(pick());
  PickContext others = context();
  if (!hold || hold->place || upstream_.is_bound(others)) return hold;
  boost::container::small_vector<std::uint64_t, 16> busy;
  while (busy.size() < limits_.targets()) {
    busy.push_back(hold->lease.id());
    others.busy = busy;
    hold = fail(Errc::kNoTarget);  // one lease at a time: it may be the one that probes
    hold = hold_of(upstream_.pick(others));
    if (!hold || hold->place) return hold;
    if (std::ranges::find(busy, hold->lease.id()) != busy.end()) return hold;
  }
  return hold;
}

/// Without waiting, mostly. False: it has to be waited for.
Result<bool> TargetSender::hold_at_once(std::optional<Hold>& hold) {
  if (limits_.has_target_limits()) {
    Result<Hold> found = pick_with_room();
    if (!found)
      return is_expected() && found.error().is(Errc::kNoTarget) ? Result<bool>(false)
                                                                : fail(found.error());
    if (is_expected() && has_just_failed(found->lease)) return false;
    hold.emplace(std::move(*found));
    return static_cast<bool>(hold->place);
  }
  Result<TargetLease> lease = pick();
  if (!lease)
    return is_expected() && lease.error().is(Errc::kNoTarget) ? Result<bool>(false)
                                                              : fail(lease.error());
  if (is_expected() && has_just_failed(*lease)) return false;
  hold.emplace(std::move(*lease));
  return true;
}

/// A target that is not there yet; or another one than that which has just failed, if one comes
/// about at once: it may live.
Task<Result<TargetLease>> TargetSender::await_lease() {
  const bool only_failed = failed_ && upstream_.pick(context()).has_value();
  const TimePoint give_up_at =
      after(Clock::now(), only_failed ? kReplacementWait : Upstream::kTargetWaitMax);
  Result<TargetLease> lease = co_await upstream_.await_target(context(), give_up_at);
  if (!lease && only_failed && lease.error().is(Errc::kQueueTimeout)) lease = pick();
  co_return lease;
}

Task<Result<void>> TargetSender::wait_for_hold(std::optional<Hold>& hold) {
  const TimePoint began = Clock::now();
  // While the other one of a request and its hedge may be at work, it needs the place.
  const bool alone = under_way_ == 1;
  if (!hold) {
    Result<TargetLease> lease = co_await await_lease();
    if (alone) options_.place.waited_since(began);
    if (!lease) co_return fail(lease.error());
    hold.emplace(std::move(*lease));
    if (!limits_.has_target_limits()) co_return Result<void>{};
    hold.emplace(enter_at(std::move(hold->lease)));
    if (hold->place) co_return Result<void>{};
  }
  if (alone) options_.place.give_away();
  const TimePoint full_at = Clock::now();
  const Result<void> waited = co_await wait_for_room(hold);
  if (alone) options_.place.waited_since(full_at);
  co_return waited;
}

/// Looks every now and then whether the target that is waited for may still be used.
class TargetSender::UseWatch final : Deadline {
 public:
  UseWatch(Upstream& upstream, const TargetLease& lease) noexcept
      : upstream_(upstream), lease_(lease) {
    IoThread::current().arm(*this, kInterval);
  }
  /// For the wait: cancelled when the target may not.
  [[nodiscard]] Scope& scope() noexcept { return scope_; }
  [[nodiscard]] bool lost() const noexcept { return lost_; }

 private:
  static constexpr Duration kInterval = std::chrono::milliseconds(200);

  void expired() noexcept override {
    if (upstream_.may_use(lease_)) return IoThread::current().arm(*this, kInterval);
    lost_ = true;
    scope_.cancel(Errc::kNoTarget);
  }

  Upstream& upstream_;
  const TargetLease& lease_;
  Scope scope_;
  bool lost_ = false;
};

/// False: the target is lost.
Task<Result<bool>> TargetSender::wait_at(Hold& hold) {
  hold.lease.give_up_probe();
  UseWatch watch(upstream_, hold.lease);
  Result<Admission::Permit> waited =
      co_await in_scope(watch.scope(), hold.limit->enter({.until = options_.place.until()}));
  if (!waited && watch.lost()) co_return false;
  if (!waited) co_return fail(waited.error());
  hold.place = std::move(*waited);
  hold.lease.begins_now();
  co_return true;
}

Task<Result<void>> TargetSender::wait_for_room(std::optional<Hold>& hold) {
  // Each is lost at most once while none comes back.
  for (std::size_t moves = 0; moves <= limits_.targets(); ++moves) {
    const Result<bool> held = co_await wait_at(*hold);
    if (!held) co_return fail(held.error());
    if (*held) co_return Result<void>{};
    hold.reset();
    Result<Hold> other = pick_with_room();
    if (!other && is_expected() && other.error().is(Errc::kNoTarget))
      other = hold_of(co_await await_lease());
    if (!other) co_return fail(other.error());
    hold.emplace(std::move(*other));
    if (hold->place) co_return Result<void>{};
  }
  co_return fail(Errc::kQueueTimeout);
}

Task<Result<Response>> TargetSender::send_in_time(Request& request) {
  const unsigned attempts = request.trace.attempts;
  DeadlineScope limit(Errc::kTryTimeout, options_.per_try);
  Result<Response> response = co_await in_scope(limit.scope(), upstream_.client().fetch(request));
  if (!response && limit.passed() && request.trace.attempts == attempts)
    request.trace.unsent = true;
  co_return response;
}

void TargetSender::aim(const TargetLease& target, Request& request) {
  last_ = target.id();
  request.origin = target.origin();
  request.host = upstream_.host_for(target, options_.exchange.request.authority);
  request.trace.tls_cause.clear();
  tell_deadline(request, options_.deadline);
}

void TargetSender::note(std::size_t slot, Request& request) {
  const TargetLease& lease = holds_[slot]->lease;
  if (body_ != nullptr) request.body = std::exchange(body_, nullptr);
  if (lease.use() == nullptr) return;
  notes_[slot].emplace(upstream_, lease, options_.exchange.request_id);
  if (request.body == nullptr) return;  // then there may be a hedge beside it
  body_ = request.body;
  request.body = &watched_.emplace(*body_, *lease.use());
}

void TargetSender::release(std::size_t slot) noexcept {
  notes_[slot].reset();
  holds_[slot].reset();
}

// Not a coroutine of its own: every frame counts here.
Task<Result<Response>> TargetSender::send(Request& request) {
  if (under_way_ == 0) {
    for (std::size_t slot = 0; slot < kAtOnceMax; ++slot) release(slot);
    answered_ = nullptr;
  }
  // Not by whose hold is empty: the other try may still wait for its own.
  return send_from(under_way_++, request);
}

Task<Result<Response>> TargetSender::send_from(std::size_t slot, Request& request) {
  Result<bool> held = hold_at_once(holds_[slot]);
  if (held && !*held)
    if (const auto waited = co_await wait_for_hold(holds_[slot]); !waited)
      held = fail(waited.error());
  // Who first waited at a target has given its place in the upstream away.
  if (held && !options_.place.held() && !options_.place.try_take())
    if (const auto taken = co_await options_.place.take(); !taken) held = fail(taken.error());
  if (!held) {
    ended(slot, false);
    co_return fail(held.error());
  }
  Hold& hold = *holds_[slot];
  note(slot, request);
  aim(hold.lease, request);
  Result<Response> response =
      co_await (options_.per_try == Duration::max() ? upstream_.client().fetch(request)
                                                    : send_in_time(request));
  if (response) {
    answered_ = &hold;
    hold.lease.answered(response->status());
  } else {
    hold.lease.failed(response.error());
    if (is_given_up(response.error())) upstream_.gave_up(hold.lease, options_.exchange.request_id);
    log_failure(upstream_.options(), request.trace, response.error());
  }
  ended(slot, response.has_value());
  co_return response;
}

void TargetSender::ended(std::size_t slot, bool answered) noexcept {
  --under_way_;
  failed_ = !answered;
  if (failed_) release(slot);
}

void TargetSender::finished(const Result<void>& outcome) noexcept {
  if (answered_ != nullptr) answered_->lease.finished(outcome);
}

std::string TargetSender::cookie() const {
  return answered_ == nullptr ? std::string()
                              : upstream_.cookie_for(answered_->lease, options_.exchange);
}

}  // namespace millrace::proxy
