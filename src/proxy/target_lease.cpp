#include "proxy/target_lease.hpp"

#include "proxy/upstream_state.hpp"
#include "runtime/io_thread.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace millrace::proxy {
namespace {

TimePoint now_in_turn() noexcept {
  IoThread* const io = IoThread::current_or_null();
  return io != nullptr ? io->turn_time() : Clock::now();
}

TargetUse::Shard::How how_of(Errc cause) noexcept {
  using enum TargetUse::Shard::How;
  switch (cause) {
    case Errc::kFirstByteTimeout:
    case Errc::kTotalTimeout:
    case Errc::kTryTimeout:
      return kTimedOut;
    case Errc::kConnectRefused:
      return kRefused;
    default:
      return kAny;
  }
}

}  // namespace

Outcome judge(const Error& error, bool answered) noexcept {
  if (error.info().fault != Fault::kUpstream) return Outcome::kNeither;
  switch (error.errc) {
    case Errc::kTotalTimeout:
      // Once it answers, it may be the client who is slow.
      return answered ? Outcome::kNeither : Outcome::kBad;
    case Errc::kUpstreamTooLarge:
    case Errc::kTooManyRedirects:
      return Outcome::kNeither;
    default:
      return Outcome::kBad;
  }
}

TargetLease::TargetLease(LocalTargetPtr target, UpstreamState& upstream, TimePoint now,
                         bool probes) noexcept
    : target_(std::move(target)), upstream_(&upstream), began_(now), probes_(probes) {
  TargetUse* const use = target_->spec.use.get();
  IoThread* const io = IoThread::current_or_null();
  if (use == nullptr || io == nullptr) return;
  use_ = &use->shard(io->index());
  use_->begin();
}

TargetLease& TargetLease::operator=(TargetLease&& other) noexcept {
  if (this == &other) return *this;
  release();
  target_ = std::move(other.target_);
  upstream_ = other.upstream_;
  use_ = std::exchange(other.use_, nullptr);
  began_ = other.began_;
  outcome_ = other.outcome_;
  cause_ = other.cause_;
  answered_ = other.answered_;
  probes_ = other.probes_;
  return *this;
}

void TargetLease::begins_now() noexcept {
  began_ = now_in_turn();
}

void TargetLease::give_up_probe() noexcept {
  if (std::exchange(probes_, false))
    upstream_->breaker().report(Outcome::kNeither, true, now_in_turn());
}

void TargetLease::answered(int status) noexcept {
  answered_ = true;
  if (use_ != nullptr) use_->answer();
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(now_in_turn() - began_);
  target_->state->took(static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(took.count(), 0, std::int64_t{UINT32_MAX})));
  if (is_gateway_failure(status)) outcome_ = Outcome::kBad;
  // What answers is there again, however long its answer lasts.
  if (std::exchange(probes_, false))
    upstream_->breaker().report(outcome_ == Outcome::kBad ? Outcome::kBad : Outcome::kGood, true,
                                now_in_turn());
}

void TargetLease::failed(const Error& error) noexcept {
  outcome_ = judge(error, answered_);
  cause_ = error.errc;
}

void TargetLease::finished(const Result<void>& outcome) noexcept {
  if (!outcome) {
    const Outcome judged = judge(outcome.error(), answered_);
    if (judged != Outcome::kBad) return;  // its status, if it was bad, still counts
    outcome_ = judged;
    cause_ = outcome.error().errc;
  } else if (outcome_ == Outcome::kNeither) {
    outcome_ = Outcome::kGood;
  }
}

void TargetLease::release() noexcept {
  if (target_ == nullptr) return;
  // First: who sees that the request has ended may destroy what counts it.
  if (use_ != nullptr) use_->end(answered_, how_of(cause_));
  use_ = nullptr;
  upstream_->ended(*target_->state, outcome_, cause_, probes_);
  target_ = nullptr;
}

}  // namespace millrace::proxy
