// Coarse deadlines (a second and more): idle, head, body, total.
//
// A wheel of 512 slots, one per tick of 100 ms. Arming an armed deadline for later is a store: the
// entry stays in its old slot and is moved when that slot comes up. A deadline fires up to one tick
// late, never early.
//
// Ownership: deadlines are owned by whoever waits and leave the wheel when destroyed.
// Thread rule: one thread. The wheel is a pure data structure: whoever owns the clock calls
// advance(), so tests use virtual time.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>

#include <boost/intrusive/list.hpp>

namespace millrace {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Duration = Clock::duration;

/// `t + d`, or the end of time where that overflows.
[[nodiscard]] constexpr TimePoint after(TimePoint t, Duration d) noexcept {
  return d >= TimePoint::max() - t ? TimePoint::max() : t + d;
}

class DeadlineWheel;

/// One deadline. Derived classes say what happens when it passes.
class Deadline : public boost::intrusive::list_base_hook<
                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  static constexpr TimePoint kNever = TimePoint::max();

  Deadline() = default;
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  /// Forget it. A store.
  void disarm() noexcept { when_ = kNever; }
  [[nodiscard]] bool armed() const noexcept { return when_ != kNever; }
  [[nodiscard]] TimePoint when() const noexcept { return when_; }

 protected:
  ~Deadline() = default;
  /// The deadline has passed; it is disarmed and may be armed again from here.
  virtual void expired() noexcept = 0;

 private:
  friend DeadlineWheel;
  TimePoint when_ = kNever;
  std::uint64_t slot_tick_ = 0;
};

class DeadlineWheel {
 public:
  static constexpr auto kTick = std::chrono::milliseconds(100);
  static constexpr std::size_t kSlots = 512;

  explicit DeadlineWheel(TimePoint now) : start_(now), now_(now) {}
  DeadlineWheel(const DeadlineWheel&) = delete;
  DeadlineWheel& operator=(const DeadlineWheel&) = delete;

  void arm(Deadline& d, TimePoint when) noexcept;

  /// Fires what is due. Call about once per tick; a late call catches up.
  void advance(TimePoint now) noexcept;

  /// The time of the last advance.
  [[nodiscard]] TimePoint now() const noexcept { return now_; }

 private:
  using Slot = boost::intrusive::list<Deadline, boost::intrusive::constant_time_size<false>>;

  [[nodiscard]] std::uint64_t tick_of(TimePoint t) const noexcept;
  void link(Deadline& d) noexcept;
  void run_slot(Slot& slot) noexcept;

  const TimePoint start_;
  TimePoint now_;
  std::uint64_t current_tick_ = 0;
  std::array<Slot, kSlots> slots_;
};

}  // namespace millrace
