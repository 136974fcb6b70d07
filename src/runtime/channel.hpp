// Channel<T>: a bounded queue between coroutines of one thread, in the manner of Go's.
//
// send waits while the buffer is full, receive while it is empty; capacity 0 is a rendezvous. After
// close() senders fail with kCancelled, receivers get what is left and then nullopt.
//
// In a cancelled scope both fail with its reason, even where they need not wait. A cancelled send
// has not delivered; a cancelled receive has not taken anything: an item that was handed to a
// receiver which is cancelled before it runs goes back to the front. So a select over channels
// loses nothing.
//
// Ownership: outlives its waiters. Thread rule: one thread. Memory: `capacity` items, plus one in
// the frame of each waiting sender.
#pragma once

#include "runtime/wait_queue.hpp"

#include <deque>
#include <optional>
#include <utility>

namespace millrace {

template <class T>
class Channel {
 public:
  explicit Channel(std::size_t capacity) : capacity_(capacity) {}
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  class Send final : public QueuedWaiter {
   public:
    Send(Channel& c, T v) : channel_(c), value_(std::move(v)) {}
    bool await_ready() const noexcept { return false; }
    template <class P>
    bool await_suspend(std::coroutine_handle<P> h) {
      if (!begin(h) || channel_.closed_ || channel_.try_deliver(value_)) return false;
      park();
      channel_.senders_.push(*this);
      return true;
    }
    [[nodiscard]] Result<void> await_resume() const noexcept {
      if (!value_) return {};
      return fail(was_cancelled() ? cancel_reason() : Errc::kCancelled);
    }

   private:
    friend Channel;
    void delivered() noexcept {
      value_.reset();
      this->wake();
    }
    Channel& channel_;
    std::optional<T> value_;  // empty once delivered
  };

  class Receive final : public QueuedWaiter {
   public:
    explicit Receive(Channel& c) noexcept : channel_(c) {}
    bool await_ready() const noexcept { return false; }
    template <class P>
    bool await_suspend(std::coroutine_handle<P> h) {
      if (!begin(h) || channel_.try_take(value_) || channel_.closed_) return false;
      park();
      channel_.receivers_.push(*this);
      return true;
    }
    /// The next item; nullopt: closed and empty.
    [[nodiscard]] Result<std::optional<T>> await_resume() {
      if (scope_cancelled()) [[unlikely]] {
        if (value_) channel_.put_back(std::move(*value_));
        return fail(cancel_reason());
      }
      return std::move(value_);
    }

   private:
    friend Channel;
    Channel& channel_;
    std::optional<T> value_;
  };

  [[nodiscard]] Send send(T value) { return Send(*this, std::move(value)); }
  [[nodiscard]] Receive receive() noexcept { return Receive(*this); }

  void close() noexcept {
    closed_ = true;
    receivers_.wake_all();
    senders_.wake_all();
  }
  [[nodiscard]] bool closed() const noexcept { return closed_; }
  [[nodiscard]] std::size_t size() const noexcept { return buffer_.size(); }

 private:
  bool try_deliver(std::optional<T>& value) {
    if (QueuedWaiter* w = receivers_.pop()) {
      static_cast<Receive*>(w)->value_.emplace(std::move(*value));
      w->wake();
    } else if (buffer_.size() < capacity_) {
      buffer_.push_back(std::move(*value));
    } else {
      return false;
    }
    value.reset();
    return true;
  }

  bool try_take(std::optional<T>& out) {
    if (!buffer_.empty()) {
      out.emplace(std::move(buffer_.front()));
      buffer_.pop_front();
      refill();
      return true;
    }
    auto* s = static_cast<Send*>(senders_.pop());
    if (s == nullptr) return false;
    out.emplace(std::move(*s->value_));
    s->delivered();
    return true;
  }

  void refill() {
    if (buffer_.size() >= capacity_) return;  // put_back may have overfilled it
    auto* s = static_cast<Send*>(senders_.pop());
    if (s == nullptr) return;
    buffer_.push_back(std::move(*s->value_));
    s->delivered();
  }

  void put_back(T&& item) {
    if (QueuedWaiter* w = receivers_.pop()) {
      static_cast<Receive*>(w)->value_.emplace(std::move(item));
      w->wake();
    } else {
      buffer_.push_front(std::move(item));
    }
  }

  const std::size_t capacity_;
  std::deque<T> buffer_;
  WaitQueue senders_;
  WaitQueue receivers_;
  bool closed_ = false;
};

}  // namespace millrace
