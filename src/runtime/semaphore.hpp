// So many at once, the others in the order in which they came.
//
// A permit goes straight from who gives it back to the first in the queue: nobody who comes later
// gets in between. A wait that is cancelled has taken nothing.
//
// Ownership: outlives its waiters and permits. Thread rule: one thread.
#pragma once

#include "runtime/wait_queue.hpp"

#include <cstddef>
#include <utility>

namespace millrace {

class Semaphore {
 public:
  explicit Semaphore(std::size_t permits) noexcept : free_(permits) {}
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;

  /// Gives its permit back when it dies.
  class Permit {
   public:
    Permit() = default;
    explicit Permit(Semaphore& s) noexcept : semaphore_(&s) {}
    Permit(Permit&& other) noexcept : semaphore_(std::exchange(other.semaphore_, nullptr)) {}
    Permit& operator=(Permit&& other) noexcept {
      std::swap(semaphore_, other.semaphore_);
      return *this;
    }
    ~Permit() { release(); }
    void release() noexcept {
      if (Semaphore* s = std::exchange(semaphore_, nullptr)) s->release();
    }
    [[nodiscard]] explicit operator bool() const noexcept { return semaphore_ != nullptr; }
    /// Somebody waits for one.
    [[nodiscard]] bool is_wanted() const noexcept {
      return semaphore_ != nullptr && semaphore_->waiting() != 0;
    }

   private:
    Semaphore* semaphore_ = nullptr;
  };

  class Acquire final : public QueuedWaiter {
   public:
    explicit Acquire(Semaphore& s) noexcept : semaphore_(s) {}
    bool await_ready() noexcept { return taken_ = semaphore_.try_take(); }
    template <class P>
    bool await_suspend(std::coroutine_handle<P> h) noexcept {
      if (!suspend(h)) return false;
      ++semaphore_.waiting_;
      semaphore_.queue_.push(*this);
      return true;
    }
    [[nodiscard]] Result<Permit> await_resume() noexcept {
      if (!taken_) return fail(cancel_reason());
      return Permit(semaphore_);
    }

   private:
    friend Semaphore;
    void detach() noexcept override {
      --semaphore_.waiting_;
      unlink();
    }
    Semaphore& semaphore_;
    bool taken_ = false;
  };

  /// Without waiting; an empty permit when there is none.
  [[nodiscard]] Permit try_acquire() noexcept { return try_take() ? Permit(*this) : Permit(); }
  /// Result<Permit>; the error is the scope's.
  [[nodiscard]] Acquire acquire() noexcept { return Acquire(*this); }
  /// So many more at once from now on.
  void grow(std::size_t permits) noexcept {
    while (permits-- != 0) release();
  }
  [[nodiscard]] std::size_t free() const noexcept { return free_; }
  [[nodiscard]] std::size_t waiting() const noexcept { return waiting_; }

 private:
  bool try_take() noexcept {
    if (free_ == 0) return false;
    --free_;
    return true;
  }
  void release() noexcept {
    auto* next = static_cast<Acquire*>(queue_.pop());
    if (next == nullptr) {
      ++free_;
      return;
    }
    --waiting_;
    next->taken_ = true;
    next->wake();
  }

  std::size_t free_;
  std::size_t waiting_ = 0;
  WaitQueue queue_;
};

}  // namespace millrace
