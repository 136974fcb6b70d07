#include "proxy/admission.hpp"

#include <algorithm>

namespace millrace::proxy {

Task<Result<Admission::Permit>> Admission::enter(Wait wait) {
  const Duration left =
      wait.until == TimePoint::max() ? Duration::max() : wait.until - Clock::now();
  DeadlineScope limit(Errc::kQueueTimeout, std::clamp(left, Duration::zero(), patience()));
  Result<Permit> permit = co_await in_scope(limit.scope(), take_turn(wait.again));
  if (!permit && limit.passed()) {
    const std::lock_guard lock(mutex_);
    ++timed_out_;
  }
  co_return permit;
}

Task<Result<Admission::Permit>> Admission::take_turn(bool again) {
  co_return co_await Turn(*this, again);
}

Duration Admission::patience() noexcept {
  const std::lock_guard lock(mutex_);
  return overload_.patience(Clock::now());
}

bool Admission::is_full() noexcept {
  if ((word_.load(std::memory_order_relaxed) & kWaiters) == 0) return false;
  const std::lock_guard lock(mutex_);
  if (waiting_ < waiting_max_) return false;
  ++refused_;
  return true;
}

Admission::Entry Admission::queue_up(Turn& turn) noexcept {
  Queue granted;
  Entry entry = Entry::kWaits;
  {
    const std::lock_guard lock(mutex_);
    if (queue_.empty()) {
      if (word_.fetch_add(1) < limit_) {
        turn.entered_ = true;
        return Entry::kEntered;
      }
      word_.fetch_sub(1);  // nobody waits who could have missed it
    }
    if (waiting_ >= waiting_max_ && !turn.again_) {
      ++refused_;
      return Entry::kFull;
    }
    if (queue_.empty()) {
      if (limit_ != 0) overload_.filled(turn.since_);
      word_.fetch_or(kWaiters);
    }
    if (turn.again_)
      queue_.push_front(turn);
    else
      queue_.push_back(turn);
    ++waiting_;
    queued_ += turn.again_ ? 0 : 1;
    // Somebody may have left before the bit was there to be seen.
    grant(turn.since_, granted);
    if (turn.entered_) {
      granted.erase(granted.iterator_to(turn));
      entry = Entry::kEntered;
    }
  }
  wake(granted);
  return entry;
}

bool Admission::withdraw(Turn& turn) noexcept {
  const std::lock_guard lock(mutex_);
  if (turn.entered_) return false;
  turn.unlink();
  --waiting_;
  note_emptied();
  return true;
}

void Admission::look_after_waiters() noexcept {
  Queue granted;
  {
    const std::lock_guard lock(mutex_);
    grant(Clock::now(), granted);
  }
  wake(granted);
}

void Admission::grant(TimePoint now, Queue& granted) noexcept {
  while (!queue_.empty() && (word_ & ~kWaiters) < limit_) {
    Turn& turn = next(now);
    turn.unlink();
    --waiting_;
    word_.fetch_add(1);
    turn.entered_ = true;
    granted.push_back(turn);
  }
  note_emptied();
}

Admission::Turn& Admission::next(TimePoint now) noexcept {
  const bool newest = overload_.is_on(now) && !queue_.front().again_;
  return newest ? queue_.back() : queue_.front();
}

void Admission::note_emptied() noexcept {
  if (!queue_.empty()) return;
  overload_.emptied();
  word_.fetch_and(~kWaiters);
}

void Admission::wake(Queue& granted) noexcept {
  while (!granted.empty()) {
    Turn& turn = granted.front();
    granted.pop_front();
    if (&turn.home_ == IoThread::current_or_null())
      turn.resume();
    else
      turn.home_.post([&turn] { turn.resume(); });
  }
}

void Admission::configure(const Options& options) noexcept {
  const std::lock_guard lock(mutex_);
  waiting_max_ = options.waiting_max;
  overload_.configure(options.overload);
}

void Admission::set_limit(std::uint32_t limit) noexcept {
  {
    const std::lock_guard lock(mutex_);
    const bool was_closed = limit_.exchange(limit) == 0;
    if (limit == 0)
      overload_.emptied();
    else if (was_closed && !queue_.empty())
      overload_.filled(Clock::now());
  }
  look_after_waiters();
}

Admission::Status Admission::status() noexcept {
  const TimePoint now = Clock::now();
  const std::lock_guard lock(mutex_);
  return {.limit = limit_,
          .in_flight = word_ & ~kWaiters,
          .waiting = waiting_,
          .oldest = queue_.empty() ? Duration::zero() : now - queue_.front().since_,
          .overloaded = overload_.is_on(now),
          .queued = queued_,
          .refused = refused_,
          .timed_out = timed_out_};
}

}  // namespace millrace::proxy
