#include "proxy/target_sender.hpp"

#include "base/log.hpp"
#include "runtime/io_thread.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <utility>

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

// Balancers know nothing of the limits: asked often enough, most of them come by every target.
Result<TargetSender::Hold> TargetSender::pick_with_room() {
  for (std::size_t tries = 1;; ++tries) {
    Result<TargetLease> lease = pick();
    if (!lease) return fail(lease.error());
    Hold hold{.lease = std::move(*lease)};
    hold.limit = limits_.of_target(hold.lease.name());
    hold.place = hold.limit->try_enter();
    if (hold.place || tries >= limits_.targets()) return hold;
  }
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
  if (!hold) {
    Result<TargetLease> lease = co_await await_lease();
    if (!lease) co_return fail(lease.error());
    hold.emplace(std::move(*lease));
    if (!limits_.has_target_limits()) co_return Result<void>{};
    hold->limit = limits_.of_target(hold->lease.name());
  }
  Result<Admission::Permit> waited = co_await hold->limit->enter();
  if (!waited) co_return fail(waited.error());
  hold->place = std::move(*waited);
  co_return Result<void>{};
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

Task<Result<void>> TargetSender::take_hold(std::size_t slot) {
  const Result<bool> held = hold_at_once(holds_[slot]);
  if (!held) co_return fail(held.error());
  if (*held) co_return Result<void>{};
  co_return co_await wait_for_hold(holds_[slot]);
}

Task<Result<Response>> TargetSender::send(Request& request) {
  if (under_way_ == 0) {
    for (std::size_t slot = 0; slot < kAtOnceMax; ++slot) release(slot);
    answered_ = nullptr;
  }
  // Not by whose hold is empty: the other try may still wait for its own.
  const std::size_t slot = under_way_++;
  Result<Response> response = co_await send_from(slot, request);
  --under_way_;
  failed_ = !response;
  if (!response) release(slot);
  co_return response;
}

Task<Result<Response>> TargetSender::send_from(std::size_t slot, Request& request) {
  if (const auto held = co_await take_hold(slot); !held) co_return fail(held.error());
  Hold& hold = *holds_[slot];
  note(slot, request);
  aim(hold.lease, request);
  Result<Response> response = options_.per_try == Duration::max()
                                  ? co_await upstream_.client().fetch(request)
                                  : co_await send_in_time(request);
  if (response) {
    answered_ = &hold;
    hold.lease.answered(response->status());
    co_return response;
  }
  hold.lease.failed(response.error());
  if (is_given_up(response.error())) upstream_.gave_up(hold.lease, options_.exchange.request_id);
  log_failure(upstream_.options(), request.trace, response.error());
  co_return response;
}

void TargetSender::finished(const Result<void>& outcome) noexcept {
  if (answered_ != nullptr) answered_->lease.finished(outcome);
}

std::string TargetSender::cookie() const {
  return answered_ == nullptr ? std::string()
                              : upstream_.cookie_for(answered_->lease, options_.exchange);
}

}  // namespace millrace::proxy
