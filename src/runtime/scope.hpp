// Cancellation: a scope knows the one place where its coroutine chain is suspended, and can wake
// it.
//
// Every coroutine runs in a scope, inherited from whoever awaits it. A scope has at most one
// suspended leaf (a chain of awaits has one end): a wait queue entry, a timer, a descriptor wait,
// or a nested scope. `cancel` sets the flag first, then tells the leaf, which detaches itself and
// wakes its coroutine; every awaiter looks at the flag before it suspends, so that no cancel is
// lost. The flag stays set: clean-up code that must wait does so in a Scope of its own
// (`shielded`).
//
// A leaf may enter again while it is told: it goes on, and is told of the next cancel, whose reason
// is then the scope's.
//
// A wait that was already over when the cancel came (its coroutine stands in the ready queue) keeps
// its result; the next wait fails. So a loop whose waits are always ready at once sees a cancel
// only if it looks at `cancelled()` itself.
//
// Thread rule: all on one thread.
#pragma once

#include "base/error.hpp"

namespace millrace {

/// Something suspended that can be told to stop waiting.
class Cancellable {
 public:
  /// Detach from whatever would have woken it, and wake with `cancelled`. Called at most once.
  virtual void cancel() noexcept = 0;

 protected:
  ~Cancellable() = default;
};

class Scope {
 public:
  Scope() = default;
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  [[nodiscard]] bool cancelled() const noexcept { return cancelled_; }
  /// Why; kCancelled unless the canceller said otherwise (kDeadline, kClientGone...).
  [[nodiscard]] Errc reason() const noexcept { return reason_; }

  void cancel(Errc reason = Errc::kCancelled) noexcept {
    if (cancelled_ && leaf_ == nullptr) return;
    cancelled_ = true;
    reason_ = reason;
    if (leaf_ == nullptr) return;
    Cancellable* leaf = leaf_;
    leaf_ = nullptr;
    leaf->cancel();
  }

  /// For awaiters: the leaf that is suspended right now.
  void enter(Cancellable& leaf) noexcept { leaf_ = &leaf; }
  void leave() noexcept { leaf_ = nullptr; }

 private:
  Cancellable* leaf_ = nullptr;
  bool cancelled_ = false;
  Errc reason_ = Errc::kCancelled;
};

}  // namespace millrace
