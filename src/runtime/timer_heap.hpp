// Precise delays and limits under a second: back-off, pacing, /delay, queue deadlines.
//
// One indexed binary heap per thread over one Asio timer. Cost: O(log n), no allocation; the Asio
// timer is set only when the earliest entry changes. Thread rule: one thread. Pure data structure:
// tests use virtual time.
#pragma once

#include "runtime/deadline_wheel.hpp"

#include <vector>

namespace millrace {

class TimerHeap;

/// One entry; leaves the heap when destroyed.
class TimerEntry {
 public:
  TimerEntry() = default;
  TimerEntry(const TimerEntry&) = delete;
  TimerEntry& operator=(const TimerEntry&) = delete;
  [[nodiscard]] TimePoint when() const noexcept { return when_; }
  [[nodiscard]] bool armed() const noexcept { return index_ != kNotInHeap; }

 protected:
  ~TimerEntry();
  virtual void expired() noexcept = 0;

 private:
  friend TimerHeap;
  static constexpr std::size_t kNotInHeap = SIZE_MAX;
  TimePoint when_{};
  std::size_t index_ = kNotInHeap;
  TimerHeap* heap_ = nullptr;
};

class TimerHeap {
 public:
  TimerHeap() = default;
  TimerHeap(const TimerHeap&) = delete;
  TimerHeap& operator=(const TimerHeap&) = delete;

  /// Arms (or re-arms) the entry. May allocate when the heap grows.
  void arm(TimerEntry& entry, TimePoint when);
  void disarm(TimerEntry& entry) noexcept;
  [[nodiscard]] bool empty() const noexcept { return heap_.empty(); }
  /// When the earliest entry is due; kNever when there is none.
  [[nodiscard]] TimePoint earliest() const noexcept;
  /// Fires everything due at `now`, in order of time.
  void advance(TimePoint now) noexcept;

 private:
  void sift_up(std::size_t i) noexcept;
  void sift_down(std::size_t i) noexcept;
  void place(std::size_t i, TimerEntry* e) noexcept;

  std::vector<TimerEntry*> heap_;
};

}  // namespace millrace
