// Channel<T>: a bounded queue between coroutines of one thread, in the manner of Go's.
//
// send waits while the buffer is full, receive while it is empty; capacity 0 is a rendezvous. After
// close() senders fail with kCancelled, receivers get what is left and then
// nullopt. Both fail with the scope's reason when cancelled; a cancelled send has not delivered.
//
// Thread rule: one thread. Memory: `capacity` items, plus one in the frame of each waiting sender.
#pragma once

#include <deque>
#include <optional>
#include <utility>

#include "runtime/wait_queue.hpp"

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
    bool await_ready() { return channel_.closed_ || channel_.try_deliver(value_); }
    template <class P>
    bool await_suspend(std::coroutine_handle<P> h) noexcept {
      if (!suspend(h)) return false;
      channel_.senders_.push(*this);
      return true;
    }
    [[nodiscard]] Result<void> await_resume() const noexcept {
      if (was_cancelled()) return fail(cancel_reason());
      if (!value_) return {};
      return fail(Errc::kCancelled);
    }

   private:
    friend Channel;
    Channel& channel_;
    std::optional<T> value_;  // empty once delivered
  };

  class Receive final : public QueuedWaiter {
   public:
    explicit Receive(Channel& c) noexcept : channel_(c) {}
    bool await_ready() {
      value_ = channel_.try_take();
      return value_ || channel_.closed_;
    }
    template <class P>
    bool await_suspend(std::coroutine_handle<P> h) noexcept {
      if (!suspend(h)) return false;
      channel_.receivers_.push(*this);
      return true;
    }
    /// The next item; nullopt: closed and empty.
    [[nodiscard]] Result<std::optional<T>> await_resume() {
      if (was_cancelled()) return fail(cancel_reason());
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
      static_cast<Receive*>(w)->value_ = std::exchange(value, std::nullopt);
      w->wake();
      return true;
    }
    if (buffer_.size() >= capacity_) return false;
    buffer_.push_back(*std::exchange(value, std::nullopt));
    return true;
  }

  std::optional<T> try_take() {
    std::optional<T> out;
    if (!buffer_.empty()) {
      out.emplace(std::move(buffer_.front()));
      buffer_.pop_front();
      if (auto* s = static_cast<Send*>(senders_.pop())) {
        buffer_.push_back(*std::exchange(s->value_, std::nullopt));
        s->wake();
      }
      return out;
    }
    if (auto* s = static_cast<Send*>(senders_.pop())) {
      out = std::exchange(s->value_, std::nullopt);
      s->wake();
    }
    return out;
  }

  const std::size_t capacity_;
  std::deque<T> buffer_;
  WaitQueue senders_;
  WaitQueue receivers_;
  bool closed_ = false;
};

}  // namespace millrace
