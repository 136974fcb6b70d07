// A file descriptor in the thread's epoll set, with awaitable readiness.
//
// All i/o in Millrace is "try the system call, and wait for readiness only on EAGAIN" (or after a
// read that did not fill its buffer). The descriptor is registered once, edge-triggered
// (readiness_set.hpp): waiting allocates nothing, and leaving a wait (cancelled, timed out) is
// immediate.
//
// Waits are level-triggered all the same: who stops early, for fairness or with a full buffer, is
// woken again at the end of the turn. After an event the next wait asks the kernel (one poll)
// whether there is more, unless whoever did the system call says that there is not: `drained`.
//
// Readiness is an edge: wait only when the last read gave EAGAIN or did not fill its buffer (TLS:
// only after EAGAIN), or bytes that are already there may never be told of. The peer's end is
// told to every wait from then on. A wake may be spurious. Deadlines work as in Go: each direction
// has one, kept until it is set anew; once passed, every wait in that direction fails with its
// error.
//
// Ownership: owns and closes the file descriptor; must not be moved while somebody waits. Close
// before the IoThread dies. Thread rule: the io thread on which it was made.
#pragma once

#include "runtime/io_thread.hpp"

#include <array>
#include <coroutine>
#include <cstdint>
#include <utility>

namespace millrace {

enum class Direction : std::uint8_t { kRead = 0, kWrite = 1 };

/// Told once when the descriptor is ready, its deadline passes or it is closed. Must be taken off
/// (unwatch) before it dies. Must not close the descriptor from within descriptor_ready().
class ReadyWatcher {
 public:
  virtual void descriptor_ready() noexcept = 0;

 protected:
  ~ReadyWatcher() = default;
};

class Descriptor {
 public:
  Descriptor() = default;
  /// Takes `fd`, which must be non-blocking and pollable. Registers it with the current io thread.
  explicit Descriptor(int fd);
  Descriptor(Descriptor&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor() { close(); }

  [[nodiscard]] bool is_open() const noexcept { return state_ != nullptr; }
  [[nodiscard]] int fd() const noexcept;
  /// Whoever waits is woken with kCancelled.
  void close() noexcept;

  /// Fails waits in this direction with `errc` once `from_now` has passed. A store when already
  /// armed.
  void set_deadline(Direction d, Duration from_now, Errc errc) noexcept;
  void clear_deadline(Direction d) noexcept;
  /// The deadline of this direction has passed.
  [[nodiscard]] bool timed_out(Direction d) const noexcept;

  /// A hint: a system call has met would-block in this direction, or a read has not filled its
  /// buffer. Spares the next wait its look.
  void drained(Direction d) noexcept;

  /// `watcher` is called once the descriptor is ready, never from within watch(). One watcher or
  /// waiter per direction at a time.
  void watch(Direction d, ReadyWatcher& watcher);
  void unwatch(Direction d, ReadyWatcher& watcher) noexcept;

  class Wait;
  /// `co_await socket.readable()`: Result<void>.
  [[nodiscard]] Wait readable() noexcept;
  [[nodiscard]] Wait writable() noexcept;

 private:
  struct State;
  /// Why a wait in this direction fails now; kCount_: it does not.
  [[nodiscard]] Errc failure(Direction d) const noexcept;
  State* state_ = nullptr;
};

class Descriptor::Wait final : public Waiter, public ReadyWatcher {
 public:
  Wait(Descriptor& descriptor, Direction d) noexcept : descriptor_(descriptor), direction_(d) {}
  bool await_ready() noexcept;
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) {
    if (!suspend(h)) return false;
    descriptor_.watch(direction_, *this);
    return true;
  }
  [[nodiscard]] Result<void> await_resume() const noexcept {
    if (was_cancelled()) return fail(cancel_reason());
    if (failure_ != Errc::kCount_) return fail(failure_);
    return {};
  }

 private:
  void detach() noexcept override { descriptor_.unwatch(direction_, *this); }
  // The result is fixed here: when the coroutine runs, the Descriptor may be gone.
  void descriptor_ready() noexcept override {
    failure_ = descriptor_.failure(direction_);
    wake();
  }
  Descriptor& descriptor_;
  const Direction direction_;
  Errc failure_ = Errc::kCount_;  // kCount_: none
};

inline Descriptor::Wait Descriptor::readable() noexcept {
  return {*this, Direction::kRead};
}
inline Descriptor::Wait Descriptor::writable() noexcept {
  return {*this, Direction::kWrite};
}

}  // namespace millrace
