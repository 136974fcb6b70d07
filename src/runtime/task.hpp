// Task<T>: a lazy coroutine, awaited exactly once, that never leaves its thread.
//
// Starting and finishing go through a trampoline: a coroutine that wants another to run leaves its
// handle in a per-thread slot and suspends; the loop that resumed it drains the slot. That costs a
// nanosecond or two more than symmetric transfer and cannot overflow the stack, which symmetric
// transfer does in unoptimised and sanitized builds.
//
// Ownership: the Task owns the frame. A Task that was never awaited is destroyed without having
// run. A Task<void> without a coroutine is one that has nothing to wait for. A frame is never
// destroyed while it is suspended in the middle: cancel its scope and await
// it. Errors: values (Result<T>); an exception that escapes the body is rethrown to the awaiter.
// Rule for authors: a coroutine takes its state by value or by a reference whose owner awaits it;
// never a capturing lambda that ends before the coroutine does.
#pragma once

#include "runtime/frame_pool.hpp"
#include "runtime/scope.hpp"

#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace millrace {

template <class T>
class Task;

namespace detail {

/// The trampoline's slot.
inline thread_local constinit std::coroutine_handle<> t_next{};

/// Resumes `h` and whatever it hands over to. Never called from within a coroutine.
inline void trampoline(std::coroutine_handle<> h) {
  while (h) {
    t_next = {};
    h.resume();
    h = t_next;
  }
}

/// Told when a task without an awaiting coroutine ends (the root of a spawned chain).
class Completion {
 public:
  virtual void task_done() noexcept = 0;

 protected:
  ~Completion() = default;
};

struct PromiseBase {
  std::coroutine_handle<> continuation{};
  Completion* completion = nullptr;
  Scope* scope = nullptr;
  std::exception_ptr exception;

  static void* operator new(std::size_t size) { return frame_pool::allocate(size); }
  static void operator delete(void* frame, std::size_t size) noexcept {
    frame_pool::deallocate(frame, size);
  }

  struct FinalAwaiter {
    bool await_ready() noexcept { return false; }
    /// task_done may destroy the frame: nothing here may touch it afterwards.
    template <class P>
    void await_suspend(std::coroutine_handle<P> h) noexcept {
      PromiseBase& p = h.promise();
      if (p.continuation)
        t_next = p.continuation;
      else if (p.completion != nullptr)
        p.completion->task_done();
    }
    void await_resume() noexcept {}
  };

  std::suspend_always initial_suspend() noexcept { return {}; }
  FinalAwaiter final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { exception = std::current_exception(); }
};

template <class T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object() noexcept;
  template <class U = T>
  void return_value(U&& v) {
    value.emplace(std::forward<U>(v));
  }
  T take() {
    if (exception) std::rethrow_exception(exception);
    return std::move(*value);
  }
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object() noexcept;
  void return_void() noexcept {}
  void take() {
    if (exception) std::rethrow_exception(exception);
  }
};

}  // namespace detail

template <class T = void>
class [[nodiscard("a Task does nothing until it is awaited or spawned")]] Task {
 public:
  using promise_type = detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  Task() = default;
  explicit Task(Handle h) noexcept : handle_(h) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&& other) noexcept {
    if (this == &other) return *this;
    if (handle_) handle_.destroy();
    handle_ = std::exchange(other.handle_, {});
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(handle_); }
  [[nodiscard]] bool done() const noexcept { return handle_.done(); }
  [[nodiscard]] Handle handle() const noexcept { return handle_; }
  /// There is nothing to wait for: a Task<void> without a coroutine.
  [[nodiscard]] bool ended() const noexcept { return std::is_void_v<T> && !handle_; }
  /// The result of a finished task; rethrows.
  T take() {
    if constexpr (std::is_void_v<T>)
      if (ended()) return;
    return handle_.promise().take();
  }

  struct Awaiter {
    Handle child;
    bool await_ready() const noexcept { return std::is_void_v<T> && !child; }
    template <class P>
    void await_suspend(std::coroutine_handle<P> parent) const noexcept {
      auto& promise = child.promise();
      promise.continuation = parent;
      promise.scope = parent.promise().scope;
      detail::t_next = child;
    }
    T await_resume() const {
      if constexpr (std::is_void_v<T>)
        if (!child) return;
      return child.promise().take();
    }
  };
  Awaiter operator co_await() const&& noexcept { return {handle_}; }

 private:
  Handle handle_{};
};

namespace detail {
template <class T>
Task<T> Promise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}

/// Awaits `child` in a scope of its own: cancelling the outer scope cancels the inner one.
template <class T>
struct InScope final : Cancellable {
  Scope& inner;
  Task<T> child;
  Scope* outer = nullptr;

  InScope(Scope& s, Task<T> t) noexcept : inner(s), child(std::move(t)) {}
  bool await_ready() const noexcept { return child.ended(); }
  template <class P>
  void await_suspend(std::coroutine_handle<P> parent) noexcept {
    outer = parent.promise().scope;
    if (outer != nullptr) {
      if (outer->cancelled())
        inner.cancel(outer->reason());
      else
        outer->enter(*this);
    }
    auto& promise = child.handle().promise();
    promise.continuation = parent;
    promise.scope = &inner;
    t_next = child.handle();
  }
  T await_resume() {
    if (outer != nullptr) outer->leave();
    return child.take();
  }
  void cancel() noexcept override { inner.cancel(outer->reason()); }
};

/// Awaits `child` in a scope that the outer one does not reach.
template <class T>
struct Shielded {
  Scope& inner;
  Task<T> child;

  bool await_ready() const noexcept { return child.ended(); }
  void await_suspend(std::coroutine_handle<> parent) noexcept {
    auto& promise = child.handle().promise();
    promise.continuation = parent;
    promise.scope = &inner;
    t_next = child.handle();
  }
  T await_resume() { return child.take(); }
};
}  // namespace detail

/// `co_await in_scope(scope, task)`: runs `task` in `scope`, nested in the caller's own scope.
template <class T>
[[nodiscard]] detail::InScope<T> in_scope(Scope& scope, Task<T> task) noexcept {
  return detail::InScope<T>(scope, std::move(task));
}

/// `co_await shielded(scope, task)`: runs clean-up in `scope` even though the caller is, or will
/// be, cancelled. Give it a DeadlineScope: nothing else ends it early.
template <class T>
[[nodiscard]] detail::Shielded<T> shielded(Scope& scope, Task<T> task) noexcept {
  return {scope, std::move(task)};
}

}  // namespace millrace
