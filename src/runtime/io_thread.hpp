// One io thread: an Asio io_context (epoll), the thread's ready queue, its clocks and its tasks.
//
// Everything that belongs to a connection lives on one io thread and never leaves it: no locks. The
// only thing another thread may do with an IoThread is post() and stop().
//
// A turn is one Asio handler: it wakes coroutines, they run until all of them wait, then the turn
// hooks run (connections flush what the turn wrote, in one write). Every handler that touches
// coroutines opens a Turn first.
#pragma once

#include "runtime/deadline_wheel.hpp"
#include "runtime/readiness_set.hpp"
#include "runtime/ready_queue.hpp"
#include "runtime/task_group.hpp"
#include "runtime/timer_heap.hpp"

#include <functional>
#include <memory>
#include <utility>

#include <boost/intrusive/list.hpp>

// Asio's headers stay in the few .cpp files that talk to it: they cost seconds per translation
// unit.
namespace boost::asio {
class io_context;
}

namespace millrace {

/// Called once at the end of the turn in which it was added.
class TurnHook : public boost::intrusive::list_base_hook<
                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  virtual void end_of_turn() noexcept = 0;

 protected:
  ~TurnHook() = default;
};

class IoThread {
 public:
  /// `index` counts from 0 and names the thread's metric shard.
  explicit IoThread(unsigned index);
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;
  ~IoThread();

  /// The io thread that is running. Only on io threads.
  static IoThread& current() noexcept { return *t_current_; }
  static IoThread* current_or_null() noexcept { return t_current_; }

  /// Runs handlers on the calling thread until stop().
  void run();
  /// From any thread.
  void stop();
  /// Runs `f()` on this thread, in a turn of its own. From any thread.
  void post(std::move_only_function<void()> f);

  [[nodiscard]] boost::asio::io_context& context() noexcept;
  [[nodiscard]] unsigned index() const noexcept { return index_; }
  /// The thread's own tasks, cancelled and joined by whoever stops it.
  [[nodiscard]] TaskGroup& tasks() noexcept { return tasks_; }

  [[nodiscard]] ReadinessSet& readiness() noexcept { return readiness_; }

  /// Coarse time, free: one tick (100 ms) old at most, or as old as the thread's last sleep against
  /// its will.
  [[nodiscard]] TimePoint coarse_now() const noexcept { return wheel_.now(); }
  /// When this turn began to be worked off: one reading of the clock for all who ask in it.
  [[nodiscard]] TimePoint turn_time() noexcept {
    if (turn_time_ == TimePoint{}) turn_time_ = Clock::now();
    return turn_time_;
  }
  /// From the turn's time: the coarse one may be from before a sleep against the thread's will.
  void arm(Deadline& d, Duration from_now) noexcept { wheel_.arm(d, after(turn_time(), from_now)); }
  void arm(TimerEntry& e, TimePoint when);
  [[nodiscard]] TimePoint next_precise_timer() const noexcept { return timers_.earliest(); }
  void disarm(TimerEntry& e) noexcept { timers_.disarm(e); }
  void at_end_of_turn(TurnHook& hook) noexcept {
    if (!hook.is_linked()) hooks_.push_back(hook);
  }

  /// Opens a turn; its end drains the ready queue and runs the hooks.
  class Turn {
   public:
    explicit Turn(IoThread& io) noexcept : io_(io) { begin(); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() { io_.end_turn(); }
    /// Again, after a sleep inside the turn.
    void begin() const noexcept { io_.turn_time_ = {}; }

   private:
    IoThread& io_;
  };

 private:
  // Coroutines resumed per turn before epoll gets its chance again.
  static constexpr int kResumesPerTurnMax = 256;
  // Hooks wake coroutines that add hooks: so often, then epoll gets its chance too.
  static constexpr int kRoundsPerTurnMax = 4;
  // A thread of long turns has late ticks only: so often, then deadlines pass all the same.
  static constexpr int kLateTicksMax = 10;

  void end_turn();
  void run_hooks();
  void tick();
  void set_precise_timer();

  static thread_local constinit IoThread* t_current_;

  const unsigned index_;
  struct Reactor;
  const std::unique_ptr<Reactor> reactor_;
  TimePoint precise_set_for_ = Deadline::kNever;
  ReadinessSet readiness_;
  DeadlineWheel wheel_;
  TimerHeap timers_;
  boost::intrusive::list<TurnHook, boost::intrusive::constant_time_size<false>> hooks_;
  TaskGroup tasks_;
  bool continuation_posted_ = false;
  int late_ticks_ = 0;
  TimePoint trimmed_at_{};
  TimePoint turn_time_{};  // 0: nobody has asked yet
};

/// `co_await sleep_until(t)`: precise to the kernel's timer. Fails with the scope's reason when
/// cancelled.
class SleepUntil final : public Waiter, public TimerEntry {
 public:
  explicit SleepUntil(TimePoint when) noexcept : when_(when) {}
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) {
    if (!suspend(h)) return false;
    IoThread::current().arm(*this, when_);
    return true;
  }
  [[nodiscard]] Result<void> await_resume() const noexcept {
    if (was_cancelled()) return fail(cancel_reason());
    return {};
  }

 private:
  void detach() noexcept override { IoThread::current().disarm(*this); }
  void expired() noexcept override { wake(); }
  const TimePoint when_;
};
[[nodiscard]] inline SleepUntil sleep_until(TimePoint when) noexcept {
  return SleepUntil(when);
}
[[nodiscard]] inline SleepUntil sleep_for(Duration d) noexcept {
  return SleepUntil(after(Clock::now(), d));
}

/// A scope that is cancelled when its time is up. Coarse from a second on, precise below.
///
///   DeadlineScope limit(Errc::kTotalTimeout, 5s);
///   auto result = co_await in_scope(limit.scope(), work());
class DeadlineScope final : Deadline, TimerEntry {
 public:
  DeadlineScope(Errc reason, Duration from_now);
  [[nodiscard]] Scope& scope() noexcept { return scope_; }
  [[nodiscard]] bool passed() const noexcept { return passed_; }

 private:
  void expired() noexcept override {
    passed_ = !scope_.cancelled();
    scope_.cancel(reason_);
  }
  Scope scope_;
  const Errc reason_;
  bool passed_ = false;
};

}  // namespace millrace
