#include "runtime/io_thread.hpp"

#include <boost/asio/detail/concurrency_hint.hpp>

namespace millrace {

thread_local constinit ReadyQueue ReadyQueue::t_queue_{};
thread_local constinit IoThread* IoThread::t_current_ = nullptr;

// UNSAFE_IO drops the per-descriptor mutexes (descriptors never cross threads here) and keeps post()
// from other threads legal.
IoThread::IoThread(unsigned index)
    : index_(index),
      context_(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO),
      tick_timer_(context_.get_executor()),
      precise_timer_(context_.get_executor()),
      wheel_(Clock::now()) {}

IoThread::~IoThread() {
  // Handlers of closed descriptors own memory: let them run before the context goes.
  IoThread* outer = std::exchange(t_current_, this);
  tick_timer_.cancel();
  precise_timer_.cancel();
  context_.restart();
  context_.poll();
  t_current_ = outer;
}

void IoThread::run() {
  IoThread* outer = std::exchange(t_current_, this);
  auto work = boost::asio::make_work_guard(context_);
  wheel_.advance(Clock::now());
  tick();
  context_.run();
  t_current_ = outer;
}

void IoThread::tick() {
  tick_timer_.expires_after(DeadlineWheel::kTick);
  tick_timer_.async_wait([this](boost::system::error_code ec) {
    if (ec) return;
    const Turn turn(*this);
    wheel_.advance(Clock::now());
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
  precise_timer_.expires_at(earliest);
  precise_timer_.async_wait([this](boost::system::error_code ec) {
    if (ec) return;
    const Turn turn(*this);
    precise_set_for_ = Deadline::kNever;
    timers_.advance(Clock::now());
    set_precise_timer();
  });
}

void IoThread::end_turn() {
  ReadyQueue& ready = ReadyQueue::current();
  bool drained = ready.drain(kResumesPerTurnMax);
  while (!hooks_.empty()) {
    TurnHook& hook = hooks_.front();
    hooks_.pop_front();
    hook.end_of_turn();
  }
  drained = drained && ready.empty();
  if (drained || continuation_posted_) return;
  continuation_posted_ = true;
  boost::asio::post(context_, [this] {
    const Turn turn(*this);
    continuation_posted_ = false;
  });
}

DeadlineScope::DeadlineScope(Errc reason, Duration from_now) : reason_(reason) {
  IoThread& io = IoThread::current();
  if (from_now == Duration::max()) return;
  if (from_now >= std::chrono::seconds(1))
    io.arm(static_cast<Deadline&>(*this), from_now);
  else
    io.arm(static_cast<TimerEntry&>(*this), Clock::now() + from_now);
}

}  // namespace millrace
