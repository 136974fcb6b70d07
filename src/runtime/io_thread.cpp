#include "runtime/io_thread.hpp"

#include "base/byte_buffer.hpp"

#include <boost/asio/detail/concurrency_hint.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

namespace millrace {

thread_local constinit ReadyQueue ReadyQueue::t_queue_{};
thread_local constinit IoThread* IoThread::t_current_ = nullptr;

struct IoThread::Reactor {
  // any_io_executor would cost 5-10 % CPU.
  using Timer = boost::asio::basic_waitable_timer<Clock, boost::asio::wait_traits<Clock>,
                                                  boost::asio::io_context::executor_type>;

  // UNSAFE_IO drops the per-descriptor mutexes (descriptors never cross threads here) and keeps
  // post() from other threads legal.
  boost::asio::io_context context{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO};
  Timer tick{context.get_executor()};
  Timer precise{context.get_executor()};
};

IoThread::IoThread(unsigned index)
    : index_(index),
      reactor_(std::make_unique<Reactor>()),
      readiness_(*this),
      wheel_(Clock::now()) {}

boost::asio::io_context& IoThread::context() noexcept {
  return reactor_->context;
}

void IoThread::stop() {
  // Ours for a moment: once told, the thread may end and be destroyed.
  const std::shared_ptr<Interrupter> interrupter = readiness_.interrupter();
  reactor_->context.stop();
  interrupter->interrupt();
}

void IoThread::post(std::move_only_function<void()> f) {
  const std::shared_ptr<Interrupter> interrupter = readiness_.interrupter();  // as in stop()
  boost::asio::post(reactor_->context, [this, f = std::move(f)]() mutable {
    const Turn turn(*this);
    f();
  });
  interrupter->interrupt();
}

IoThread::~IoThread() {
  // Handlers of closed descriptors own memory: let them run before the context goes.
  IoThread* outer = std::exchange(t_current_, this);
  readiness_.close();
  reactor_->tick.cancel();
  reactor_->precise.cancel();
  reactor_->context.restart();
  reactor_->context.poll();
  t_current_ = outer;
}

void IoThread::run() {
  IoThread* outer = std::exchange(t_current_, this);
  auto work = boost::asio::make_work_guard(reactor_->context);
  {
    const Turn turn(*this);
    wheel_.advance(Clock::now());
  }
  tick();
  reactor_->context.run();
  t_current_ = outer;
}

void IoThread::tick() {
  reactor_->tick.expires_after(DeadlineWheel::kTick);
  reactor_->tick.async_wait([this](boost::system::error_code ec) {
    if (ec) return;
    const Turn turn(*this);
    const TimePoint now = Clock::now();
    // Late: it was us who did not run (a throttled container, a machine that stood still). What
    // peers have sent meanwhile, or send once they run again too, goes before a judgement by time.
    const bool late = now - reactor_->tick.expiry() > DeadlineWheel::kTick;
    late_ticks_ = late && late_ticks_ < kLateTicksMax ? late_ticks_ + 1 : 0;
    if (late_ticks_ == 0) wheel_.advance(now);
    if (now - trimmed_at_ >= block_pool::kTrimInterval) {
      trimmed_at_ = now;
      block_pool::trim();
    }
    tick();
  });
}

void IoThread::arm(TimerEntry& e, TimePoint when) {
  timers_.arm(e, when);
  set_precise_timer();
}

void IoThread::set_precise_timer() {
  const TimePoint earliest = timers_.earliest();
  if (earliest >= precise_set_for_) return;
  precise_set_for_ = earliest;
  reactor_->precise.expires_at(earliest);
  reactor_->precise.async_wait([this](boost::system::error_code ec) {
    if (ec) return;
    const Turn turn(*this);
    precise_set_for_ = Deadline::kNever;
    timers_.advance(Clock::now());
    set_precise_timer();
  });
}

void IoThread::run_hooks() {
  // Only those that are there now: one that comes back at once must not keep epoll waiting.
  decltype(hooks_) due;
  due.swap(hooks_);
  while (!due.empty()) {
    TurnHook& hook = due.front();
    due.pop_front();
    hook.end_of_turn();
  }
}

void IoThread::end_turn() {
  ReadyQueue& ready = ReadyQueue::current();
  for (int round = 0; round < kRoundsPerTurnMax; ++round) {
    const bool drained = ready.drain(kResumesPerTurnMax);
    run_hooks();
    if (!drained) break;
    if (ready.empty() && hooks_.empty()) return;
  }
  if (continuation_posted_) return;
  continuation_posted_ = true;
  boost::asio::post(reactor_->context, [this] {
    const Turn turn(*this);
    continuation_posted_ = false;
  });
  readiness_.interrupter()->interrupt();
}

DeadlineScope::DeadlineScope(Errc reason, Duration from_now) : reason_(reason) {
  IoThread& io = IoThread::current();
  if (from_now == Duration::max()) return;
  if (from_now >= std::chrono::seconds(1))
    io.arm(static_cast<Deadline&>(*this), from_now);
  else
    io.arm(static_cast<TimerEntry&>(*this), after(Clock::now(), from_now));
}

}  // namespace millrace
