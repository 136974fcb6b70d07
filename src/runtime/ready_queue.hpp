// Coroutines of one thread that may run again, in the order in which they were woken.
//
// Intrusive: waking never allocates and never fails. Thread rule: the owning thread only.
#pragma once

#include "runtime/scope.hpp"
#include "runtime/task.hpp"

#include <coroutine>

namespace millrace {

/// A suspended coroutine. Awaiters derive from it (see Waiter) or hold one.
struct ReadyEntry {
  std::coroutine_handle<> handle{};
  ReadyEntry* next = nullptr;
};

class ReadyQueue {
 public:
  void push(ReadyEntry& entry) noexcept {
    entry.next = nullptr;
    if (tail_ == nullptr)
      head_ = &entry;
    else
      tail_->next = &entry;
    tail_ = &entry;
  }

  [[nodiscard]] bool empty() const noexcept { return head_ == nullptr; }

  /// Runs at most `budget` entries; false when some are left.
  bool drain(int budget) {
    while (head_ != nullptr) {
      if (budget-- == 0) return false;
      ReadyEntry* entry = head_;
      head_ = entry->next;
      if (head_ == nullptr) tail_ = nullptr;
      detail::trampoline(entry->handle);
    }
    return true;
  }

  /// The queue of the calling thread.
  static ReadyQueue& current() noexcept { return t_queue_; }

 private:
  ReadyEntry* head_ = nullptr;
  ReadyEntry* tail_ = nullptr;
  static thread_local constinit ReadyQueue t_queue_;
};

/// Base of every awaiter that suspends: knows its scope, and wakes its coroutine once.
///
/// A derived awaiter calls `suspend(h)` in await_suspend: false means that the scope is cancelled
/// and the coroutine must go on at once. It is woken by `wake()` (from its event) or by `cancel()`
/// (from its scope); `cancel` calls `detach()` first, so that the event cannot wake it again. An
/// awaiter that may complete at once calls `begin`, tries, and only then `park`.
class Waiter : public Cancellable, public ReadyEntry {
 public:
  /// True when the wait ended because the scope was cancelled.
  [[nodiscard]] bool was_cancelled() const noexcept { return cancelled_; }

  void wake() noexcept {
    if (scope_ != nullptr) scope_->leave();
    ReadyQueue::current().push(*this);
  }

  void cancel() noexcept final {
    cancelled_ = true;
    detach();
    ReadyQueue::current().push(*this);
  }

 protected:
  Waiter() = default;
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  ~Waiter() = default;

  /// Leave whatever queue would wake this.
  virtual void detach() noexcept = 0;

  template <class P>
  [[nodiscard]] bool begin(std::coroutine_handle<P> h) noexcept {
    handle = h;
    scope_ = h.promise().scope;
    cancelled_ = scope_cancelled();
    return !cancelled_;
  }
  void park() noexcept {
    if (scope_ != nullptr) scope_->enter(*this);
  }
  template <class P>
  [[nodiscard]] bool suspend(std::coroutine_handle<P> h) noexcept {
    if (!begin(h)) return false;
    park();
    return true;
  }

  /// Also true when the cancel came after the wake.
  [[nodiscard]] bool scope_cancelled() const noexcept {
    return scope_ != nullptr && scope_->cancelled();
  }

  [[nodiscard]] Errc cancel_reason() const noexcept {
    return scope_cancelled() ? scope_->reason() : Errc::kCancelled;
  }

 private:
  Scope* scope_ = nullptr;
  bool cancelled_ = false;
};

/// `co_await yield_now()`: lets every other ready coroutine of the thread run first.
class YieldNow final : public Waiter {
 public:
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) noexcept {
    handle = h;
    ReadyQueue::current().push(*this);
    return true;
  }
  void await_resume() const noexcept {}

 private:
  void detach() noexcept override {}
};
[[nodiscard]] inline YieldNow yield_now() noexcept {
  return {};
}

/// `Scope* s = co_await this_scope()`: the scope that the calling coroutine runs in; may be null.
struct ThisScope {
  Scope* scope = nullptr;
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) noexcept {
    scope = h.promise().scope;
    return false;
  }
  Scope* await_resume() const noexcept { return scope; }
};
[[nodiscard]] inline ThisScope this_scope() noexcept {
  return {};
}

}  // namespace millrace
