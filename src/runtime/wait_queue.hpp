// First-in first-out queue of suspended coroutines of one thread; the base of Event and Channel.
#pragma once

#include "runtime/ready_queue.hpp"

#include <boost/intrusive/list.hpp>

namespace millrace {

using QueueHook =
    boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

/// A waiter that stands in a queue; leaves it by itself when its scope is cancelled.
class QueuedWaiter : public Waiter, public QueueHook {
 protected:
  ~QueuedWaiter() = default;
  void detach() noexcept override { unlink(); }
};

class WaitQueue {
 public:
  WaitQueue() = default;
  WaitQueue(const WaitQueue&) = delete;
  WaitQueue& operator=(const WaitQueue&) = delete;

  void push(QueuedWaiter& waiter) noexcept { list_.push_back(waiter); }
  void push_front(QueuedWaiter& waiter) noexcept { list_.push_front(waiter); }
  [[nodiscard]] bool empty() const noexcept { return list_.empty(); }
  /// The oldest waiter, taken out of the queue and not woken; nullptr when there is none.
  QueuedWaiter* pop() noexcept {
    if (list_.empty()) return nullptr;
    QueuedWaiter& first = list_.front();
    list_.pop_front();
    return &first;
  }
  void wake_all() noexcept {
    while (QueuedWaiter* w = pop()) w->wake();
  }

 private:
  boost::intrusive::list<QueuedWaiter, boost::intrusive::base_hook<QueueHook>,
                         boost::intrusive::constant_time_size<false>>
      list_;
};

/// A flag to wait for. `wait` gives an error when the waiter's scope was cancelled.
class Event {
 public:
  void set() noexcept {
    set_ = true;
    queue_.wake_all();
  }
  void reset() noexcept { set_ = false; }
  [[nodiscard]] bool is_set() const noexcept { return set_; }

  class Wait final : public QueuedWaiter {
   public:
    explicit Wait(Event& e) noexcept : event_(e) {}
    bool await_ready() const noexcept { return event_.set_; }
    template <class P>
    bool await_suspend(std::coroutine_handle<P> h) noexcept {
      if (!suspend(h)) return false;
      event_.queue_.push(*this);
      return true;
    }
    [[nodiscard]] Result<void> await_resume() const noexcept {
      if (was_cancelled()) return fail(cancel_reason());
      return {};
    }

   private:
    Event& event_;
  };
  [[nodiscard]] Wait wait() noexcept { return Wait(*this); }

 private:
  bool set_ = false;
  WaitQueue queue_;
};

}  // namespace millrace
