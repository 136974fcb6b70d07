// TLS handshakes of one io thread take turns, so that a flood of them does not keep the thread from
// its established connections: signing costs 26 us with P-256 and 680 us with RSA-2048.
//
// A permit is for one step, the crypto between two messages, and is held while no coroutine is
// suspended: a client that is slow, or has sent nothing, holds none. In one round at most
// kStepsPerRoundMax steps run, and none begins after kTimePerRoundMax; then everybody else has a
// turn, epoll included. Who waits stands in a queue, first come, first served; a deadline that
// passes meanwhile is found when the turn comes, without any crypto.
//
// Ownership: nobody may wait when it dies. Thread rule: one io thread.
#pragma once

#include "runtime/io_thread.hpp"
#include "runtime/wait_queue.hpp"

#include <chrono>
#include <memory>
#include <utility>

namespace millrace::net {

class HandshakeGate {
  struct Round;

 public:
  static constexpr int kStepsPerRoundMax = 8;
  static constexpr auto kTimePerRoundMax = std::chrono::milliseconds(2);

  HandshakeGate();
  HandshakeGate(const HandshakeGate&) = delete;
  HandshakeGate& operator=(const HandshakeGate&) = delete;
  ~HandshakeGate();

  /// Given back by its end, which must come before its holder is suspended.
  class [[nodiscard]] Permit {
   public:
    Permit(Permit&& other) noexcept
        : round_(std::exchange(other.round_, nullptr)), began_(other.began_) {}
    Permit& operator=(Permit&&) = delete;
    ~Permit();

   private:
    friend HandshakeGate;
    explicit Permit(Round& round) noexcept : round_(&round), began_(Clock::now()) {}
    Round* round_;
    TimePoint began_;
  };

  class Wait;
  /// `co_await gate.permit()`: Result<Permit>; fails with the reason of a cancelled scope.
  [[nodiscard]] Wait permit() noexcept;

 private:
  struct Round {
    WaitQueue queue;
    int steps = 0;
    Duration spent{};
    bool woken = false;  // the front of the queue is on its way

    [[nodiscard]] bool open() const noexcept {
      return steps < kStepsPerRoundMax && spent < kTimePerRoundMax;
    }
    void wake_next() noexcept;
    void done(Duration took) noexcept;
    void next() noexcept;
  };

  /// Shared with what is posted: the thread may run it after the gate's end.
  std::shared_ptr<Round> round_;
};

class HandshakeGate::Wait final : public QueuedWaiter {
 public:
  explicit Wait(HandshakeGate& gate) noexcept : gate_(gate) {}
  [[nodiscard]] bool await_ready() noexcept;
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) noexcept {
    if (!suspend(h)) return false;
    queued_ = true;
    gate_.round_->queue.push(*this);
    return true;
  }
  [[nodiscard]] Result<Permit> await_resume() noexcept;

 private:
  HandshakeGate& gate_;
  bool queued_ = false;
};

inline HandshakeGate::Wait HandshakeGate::permit() noexcept {
  return Wait(*this);
}

}  // namespace millrace::net
