// How much a target is used, told by the io threads that send to it and read by whoever has to know
// when it is idle, stuck or due for replacement.
//
// Each io thread counts in a shard of its own: one writer per number, relaxed atomics, no locked
// instruction. Thread rule: shard(i) on io thread i alone; the sums from any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace millrace {

class TargetUse {
 public:
  class alignas(64) Shard {
   public:
    void begin() noexcept { add(begun_); }
    /// The head of its answer has come.
    void answer() noexcept { add(answered_); }
    /// A piece of a body has passed.
    void progress() noexcept { add(pieces_); }
    enum class How : std::uint8_t {
      kAny,
      kTimedOut,  ///< it was given up at a deadline
      kRefused,   ///< nobody was there to connect to
    };
    /// `answered`: answer() was called for it.
    void end(bool answered, How how) noexcept {
      if (!answered) add(unanswered_);
      if (how == How::kTimedOut) add(timed_out_);
      if (how == How::kRefused) add(refused_);
      ended_.store(ended_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }

   private:
    friend TargetUse;
    using Count = std::atomic<std::uint64_t>;
    static void add(Count& count) noexcept {
      count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
    Count begun_{0}, answered_{0}, unanswered_{0}, pieces_{0}, timed_out_{0}, refused_{0},
        ended_{0};
  };

  /// `threads`: of the io threads.
  explicit TargetUse(std::size_t threads) : shards_(threads) {}
  TargetUse(const TargetUse&) = delete;
  TargetUse& operator=(const TargetUse&) = delete;

  [[nodiscard]] Shard& shard(std::size_t thread) noexcept { return shards_[thread]; }

  struct Sums {
    std::uint64_t in_flight = 0;  ///< 0 is certain once every thread has taken the target away
    std::uint64_t waiting = 0;    ///< in flight without an answer's head
    std::uint64_t answered = 0;
    std::uint64_t timed_out = 0;
    std::uint64_t refused = 0;
    std::uint64_t motion = 0;  ///< grows with everything that comes from the target
  };
  [[nodiscard]] Sums sums() const noexcept {
    Sums out;
    for (const Shard& s : shards_) {
      // Ends first: whoever ended had begun, so no difference is ever too small.
      const std::uint64_t ended = s.ended_.load(std::memory_order_acquire);
      const std::uint64_t unanswered = s.unanswered_.load(std::memory_order_relaxed);
      const std::uint64_t answered = s.answered_.load(std::memory_order_relaxed);
      const std::uint64_t begun = s.begun_.load(std::memory_order_relaxed);
      out.in_flight += begun - ended;
      out.waiting += begun > answered + unanswered ? begun - answered - unanswered : 0;
      out.answered += answered;
      out.timed_out += s.timed_out_.load(std::memory_order_relaxed);
      out.refused += s.refused_.load(std::memory_order_relaxed);
      out.motion += answered + s.pieces_.load(std::memory_order_relaxed);
    }
    return out;
  }

 private:
  std::vector<Shard> shards_;
};

}  // namespace millrace
