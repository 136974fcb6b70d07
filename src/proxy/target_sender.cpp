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

}  // namespace

PickContext TargetSender::context() const {
  PickContext context = upstream_.context_for(options_.exchange);
  if (last_) context.avoid = {&*last_, 1};
  return context;
}

Result<TargetLease> TargetSender::pick() {
  return upstream_.pick(context());
}

/// There is none, or none but the one that has just failed; a supervised one will soon be there.
bool TargetSender::waits_for(const Result<TargetLease>& picked) const noexcept {
  if (upstream_.state().expected() != std::chrono::seconds(0)) return false;
  if (!picked) return picked.error().is(Errc::kNoTarget);
  return failed_ && last_ == picked->id();
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

Task<Result<void>> TargetSender::hold_target(std::optional<Hold>& hold) {
  if (!limits_.has_target_limits()) {
    Result<TargetLease> lease = pick();
    if (waits_for(lease)) {
      lease = fail(Errc::kNoTarget);  // a lease of the one that failed would keep it in use
      lease =
          co_await upstream_.await_target(context(), after(Clock::now(), upstream_.kTargetWaitMax));
    }
    if (!lease) co_return fail(lease.error());
    hold.emplace(std::move(*lease));
    co_return Result<void>{};
  }
  Result<Hold> found = pick_with_room();
  if (!found) co_return fail(found.error());
  hold.emplace(std::move(*found));
  if (hold->place) co_return Result<void>{};
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

void TargetSender::note(std::size_t slot) {
  const TargetLease& lease = holds_[slot]->lease;
  if (lease.use() != nullptr) notes_[slot].emplace(upstream_, lease, options_.exchange.request_id);
}

Task<Result<Response>> TargetSender::send(Request& request) {
  if (under_way_ == 0) {
    for (auto& note : notes_) note.reset();
    for (std::optional<Hold>& hold : holds_) hold.reset();
    answered_ = nullptr;
  }
  const std::size_t slot = holds_[0] ? 1 : 0;
  if (const auto held = co_await hold_target(holds_[slot]); !held) {
    holds_[slot].reset();
    co_return fail(held.error());
  }
  Hold& hold = *holds_[slot];
  note(slot);
  aim(hold.lease, request);
  ++under_way_;
  Result<Response> response = options_.per_try == Duration::max()
                                  ? co_await upstream_.client().fetch(request)
                                  : co_await send_in_time(request);
  --under_way_;
  failed_ = !response;
  if (response) {
    answered_ = &hold;
    hold.lease.answered(response->status());
  } else {
    hold.lease.failed(response.error());
    if (response.error().is(Errc::kFirstByteTimeout))
      upstream_.gave_up(hold.lease, options_.exchange.request_id);
    log_failure(upstream_.options(), request.trace, response.error());
  }
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
