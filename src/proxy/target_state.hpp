// What all io threads know together of one target: its requests and whether it may have more.
//
// Counters are added to by every io thread. Flags are changed under the mutex of the UpstreamState
// that made the target (rarely), and read by all without it. A request that is under way counts
// from begin() to end(): whoever retires a target and then sees in_flight() at 0 knows that nobody
// uses it, and that nobody will.
//
// Thread rule: any thread. Ownership: shared by the threads' leases.
#pragma once

#include "base/error.hpp"
#include "client/origin.hpp"
#include "millrace/target_use.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace millrace::proxy {

/// One target as it is published. Two that have the same name are one.
struct TargetSpec {
  std::string name;  ///< empty: the origin's, "127.0.0.1:8000" or "unix:/path"
  client::OriginSpec origin;
  unsigned weight = 1;    ///< 0: gets nothing
  unsigned priority = 0;  ///< the lowest group with enough healthy targets gets everything
  /// What the Host field says where it is the target's own; empty: from the origin.
  std::string authority = {};
  /// What those that follow one another in its place have in common; empty: its name. What clients
  /// are given to come back to (ring_hash, sticky cookies) follows from it.
  std::string seat = {};
  /// Told of every request, where somebody wants to know.
  std::shared_ptr<TargetUse> use = nullptr;
  friend bool operator==(const TargetSpec&, const TargetSpec&) = default;
};

[[nodiscard]] inline const std::string& seat_of(const TargetSpec& spec) noexcept {
  return spec.seat.empty() ? spec.name : spec.seat;
}

/// What a request says of its target's health.
enum class Outcome : std::uint8_t { kNeither, kGood, kBad };

class TargetState {
 public:
  /// Reasons to give it nothing, as bits.
  enum Flag : std::uint8_t {
    kUnhealthy = 1,  ///< active checks say so
    kEjected = 2,    ///< what became of its requests says so
    kDrained = 4,    ///< the operator says so
    kRetired = 8,    ///< it is no longer published
  };
  static constexpr std::uint8_t kForbidden = kDrained | kRetired;

  explicit TargetState(std::string name);
  TargetState(const TargetState&) = delete;
  TargetState& operator=(const TargetState&) = delete;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// Unlike that of any other target of the process, then and now; greater than that of any older.
  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
  [[nodiscard]] std::uint8_t flags() const noexcept { return flags_.load(); }
  [[nodiscard]] bool healthy() const noexcept { return (flags() & (kUnhealthy | kEjected)) == 0; }
  /// Percent of its weight that counts while it starts slowly: 1 to 100.
  [[nodiscard]] unsigned share() const noexcept { return share_.load(std::memory_order_relaxed); }

  /// A request begins. False: none may any more, and it was not counted.
  [[nodiscard]] bool begin() noexcept {
    begun_.fetch_add(1);
    // In one total order with the flag: either it is seen here, or this count is seen by its
    // setter.
    if ((flags_.load() & kForbidden) == 0) return true;
    begun_.fetch_sub(1);
    return false;
  }
  /// It has ended. True: time to think about whether the target is ill (UpstreamState::suspect).
  [[nodiscard]] bool end(Outcome outcome, Errc cause, unsigned suspicious_after) noexcept;
  /// From the begin of a request to the head of its answer.
  void took(std::uint32_t microseconds) noexcept {
    const std::uint32_t before = latency_us_.load(std::memory_order_relaxed);
    const std::uint32_t sample = std::max(microseconds, 1U);
    // An average in which each sample counts an eighth; what two threads write at once may be lost.
    const std::int64_t step = (std::int64_t{sample} - before) / 8;
    const auto next = static_cast<std::uint32_t>(std::int64_t{before} + step);
    latency_us_.store(before == 0 ? sample : next, std::memory_order_relaxed);
  }

  [[nodiscard]] std::uint64_t in_flight() const noexcept {
    const std::uint64_t ended = ended_.load();  // first, so that it is never the greater one
    return begun_.load() - ended;
  }
  [[nodiscard]] std::uint64_t requests() const noexcept {
    return begun_.load(std::memory_order_relaxed);
  }
  /// Those that ended and said something of the target's health.
  [[nodiscard]] std::uint64_t judged() const noexcept {
    const std::uint64_t neither = unjudged_.load(std::memory_order_relaxed);
    const std::uint64_t ended = ended_.load(std::memory_order_relaxed);
    return ended > neither ? ended - neither : 0;
  }
  [[nodiscard]] std::uint64_t failures() const noexcept {
    return failures_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] unsigned failures_in_a_row() const noexcept {
    return in_a_row_.load(std::memory_order_relaxed);
  }
  /// Average time to the head of an answer; 0: there was none yet.
  [[nodiscard]] std::uint32_t latency_us() const noexcept {
    return latency_us_.load(std::memory_order_relaxed);
  }
  /// Why the last failed request failed; kCount_: none has, or it was its status that said so.
  [[nodiscard]] Errc last_error() const noexcept {
    return last_error_.load(std::memory_order_relaxed);
  }

 private:
  friend class UpstreamState;

  const std::string name_;
  const std::uint64_t id_;
  std::atomic<std::uint8_t> flags_ = 0;
  std::atomic<unsigned> share_ = 100;
  /// It has just come back: the next failure is one too many.
  std::atomic<bool> on_probation_ = false;
  // Apart from what everybody reads for each request.
  alignas(64) std::atomic<std::uint64_t> begun_ = 0;
  std::atomic<std::uint64_t> ended_ = 0;
  std::atomic<std::uint64_t> unjudged_ = 0;
  std::atomic<std::uint64_t> failures_ = 0;
  std::atomic<unsigned> in_a_row_ = 0;
  std::atomic<std::uint32_t> latency_us_ = 0;
  std::atomic<Errc> last_error_ = Errc::kCount_;
};

inline bool TargetState::end(Outcome outcome, Errc cause, unsigned suspicious_after) noexcept {
  bool suspicious = false;
  switch (outcome) {
    case Outcome::kNeither:
      unjudged_.fetch_add(1, std::memory_order_relaxed);
      break;
    case Outcome::kGood:
      if (in_a_row_.load(std::memory_order_relaxed) != 0)
        in_a_row_.store(0, std::memory_order_relaxed);
      if (on_probation_.load(std::memory_order_relaxed))
        on_probation_.store(false, std::memory_order_relaxed);
      break;
    case Outcome::kBad: {
      failures_.fetch_add(1, std::memory_order_relaxed);
      last_error_.store(cause, std::memory_order_relaxed);
      const unsigned row = in_a_row_.fetch_add(1, std::memory_order_relaxed) + 1;
      // Not each time: one that may not be ejected would be looked at for each of its requests.
      suspicious = suspicious_after != 0 &&
                   (row % suspicious_after == 0 || on_probation_.load(std::memory_order_relaxed));
      break;
    }
  }
  ended_.fetch_add(1);
  return suspicious;
}

}  // namespace millrace::proxy
