// How many bytes of answers a batch may hold at once, and who waits for room.
//
// One share at a time may go over: the first that meets the limit, until it is given back.
// Everybody else waits, and so something always gets done: held are at most the limit and what one
// share may be.
//
// Ownership: outlives its shares. Thread rule: one thread.
#pragma once

#include "runtime/task.hpp"
#include "runtime/wait_queue.hpp"

#include <cstdint>

namespace millrace::endpoints {

class HeldBytes {
 public:
  explicit HeldBytes(std::uint64_t bytes_max) noexcept : bytes_max_(bytes_max) {}
  HeldBytes(const HeldBytes&) = delete;
  HeldBytes& operator=(const HeldBytes&) = delete;

  [[nodiscard]] std::uint64_t held() const noexcept { return held_; }

  /// May a share go over the limit? Not one that waits for others to be worked off.
  enum class Overrun : bool { kNo, kYes };

  /// What one item holds. Given back when destroyed.
  class Share {
   public:
    explicit Share(HeldBytes& all) noexcept : all_(all) {}
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    ~Share() {
      all_.held_ -= bytes_;
      if (all_.over_ == this) all_.over_ = nullptr;
      all_.wake();
    }

    /// Holds so many more, when there is room. Error: the scope's.
    [[nodiscard]] Task<Result<void>> grow(std::uint64_t bytes, Overrun overrun = Overrun::kYes) {
      while (!all_.take(*this, bytes, overrun))
        if (const auto waited = co_await all_.room_.wait(); !waited) co_return waited;
      co_return Result<void>{};
    }
    /// Gives some of it back.
    void shrink(std::uint64_t bytes) noexcept {
      bytes_ -= bytes;
      all_.held_ -= bytes;
      all_.wake();
    }
    [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

   private:
    friend HeldBytes;
    HeldBytes& all_;
    std::uint64_t bytes_ = 0;
  };

 private:
  bool take(Share& share, std::uint64_t bytes, Overrun overrun) noexcept {
    if (held_ + bytes > bytes_max_ && over_ != &share) {
      if (over_ != nullptr || overrun == Overrun::kNo) return false;
      over_ = &share;
    }
    held_ += bytes;
    share.bytes_ += bytes;
    return true;
  }
  void wake() noexcept {
    room_.set();
    room_.reset();
  }

  const std::uint64_t bytes_max_;
  std::uint64_t held_ = 0;
  const Share* over_ = nullptr;
  Event room_;
};

}  // namespace millrace::endpoints
