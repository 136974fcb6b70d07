// A file descriptor in the thread's epoll set, with awaitable readiness.
//
// All i/o in Millrace is "try the system call, and wait for readiness only on EAGAIN", so the one Asio
// operation that is ever awaited is async_wait. Interest stays armed in the reactor when a waiter leaves
// (cancelled, timed out): waiting again is then free, and leaving never has to wait for Asio. The
// operation's memory lies in the descriptor's own state, so waiting allocates nothing.
//
// A wake may be spurious. Deadlines work as in Go: each direction has one, kept until it is set anew;
// once passed, every wait in that direction fails with its error.
//
// Ownership: owns and closes the file descriptor. Thread rule: the io thread on which it was made.
#pragma once

#include <array>
#include <coroutine>
#include <cstdint>
#include <utility>

#include "runtime/io_thread.hpp"

namespace millrace {

enum class Direction : std::uint8_t { kRead = 0, kWrite = 1 };

/// Told once when the descriptor becomes ready. Must be taken off (unwatch) before it dies.
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

  /// Fails waits in this direction with `errc` once `from_now` has passed. A store when already armed.
  void set_deadline(Direction d, Duration from_now, Errc errc) noexcept;
  void clear_deadline(Direction d) noexcept;

  /// `watcher` is called at the next readiness. One watcher or waiter per direction at a time.
  void watch(Direction d, ReadyWatcher& watcher);
  void unwatch(Direction d, ReadyWatcher& watcher) noexcept;

  class Wait;
  /// `co_await socket.readable()`: Result<void>.
  [[nodiscard]] Wait readable() noexcept;
  [[nodiscard]] Wait writable() noexcept;

 private:
  struct State;
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
  [[nodiscard]] Result<void> await_resume() noexcept;

 private:
  void detach() noexcept override { descriptor_.unwatch(direction_, *this); }
  void descriptor_ready() noexcept override { wake(); }
  Descriptor& descriptor_;
  const Direction direction_;
};

inline Descriptor::Wait Descriptor::readable() noexcept { return {*this, Direction::kRead}; }
inline Descriptor::Wait Descriptor::writable() noexcept { return {*this, Direction::kWrite}; }

}  // namespace millrace
