#include "proxy/breaker.hpp"

namespace millrace::proxy {

std::string_view text_of(Breaker::State state) noexcept {
  switch (state) {
    case Breaker::State::kOpen:
      return "open";
    case Breaker::State::kHalfOpen:
      return "half-open";
    case Breaker::State::kClosed:
      break;
  }
  return "closed";
}

void Breaker::configure(const Options& options) noexcept {
  failures_max_ = options.failures;
  open_for_ = options.open.count();
  if (options.failures == 0) state_ = State::kClosed;
}

void Breaker::open(TimePoint now) noexcept {
  until_ = after(now, Duration(open_for_)).time_since_epoch().count();
  in_a_row_ = 0;
  ++opened_;
  state_.store(State::kOpen, std::memory_order_release);
  probing_ = false;
}

Breaker::Admission Breaker::admit_slowly(TimePoint now) noexcept {
  if (state() == State::kClosed) return Admission::kGoes;
  if (state() == State::kOpen && now.time_since_epoch().count() < until_)
    return Admission::kRefused;
  if (probing_.exchange(true)) return Admission::kRefused;
  // Another probe may have ended in between.
  if (state() == State::kClosed) {
    probing_ = false;
    return Admission::kGoes;
  }
  if (state() == State::kOpen && now.time_since_epoch().count() < until_) {
    probing_ = false;
    return Admission::kRefused;
  }
  state_.store(State::kHalfOpen, std::memory_order_release);
  return Admission::kProbes;
}

void Breaker::report(Outcome outcome, bool probed, TimePoint now) noexcept {
  const unsigned most = failures_max_.load(std::memory_order_relaxed);
  if (most == 0) {
    probing_ = false;
    return;
  }
  if (probed) {
    if (outcome == Outcome::kBad) return open(now);
    if (outcome == Outcome::kGood) {
      in_a_row_ = 0;
      state_.store(State::kClosed, std::memory_order_release);
    }
    probing_ = false;
    return;
  }
  // What was begun before it opened says nothing new.
  if (state() != State::kClosed) return;
  if (outcome == Outcome::kGood && in_a_row_.load(std::memory_order_relaxed) != 0) in_a_row_ = 0;
  if (outcome != Outcome::kBad) return;
  if (in_a_row_.fetch_add(1) + 1 >= most) open(now);
}

}  // namespace millrace::proxy
