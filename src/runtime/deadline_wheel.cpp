#include "runtime/deadline_wheel.hpp"

#include <algorithm>

namespace millrace {

std::uint64_t DeadlineWheel::tick_of(TimePoint t) const noexcept {
  // Rounded up: a deadline may be late, never early.
  if (t <= start_) return 0;
  return static_cast<std::uint64_t>((t - start_ + kTick - Duration(1)) / kTick);
}

void DeadlineWheel::link(Deadline& d) noexcept {
  // Beyond one turn of the wheel it waits in the last slot and is moved on from there.
  d.slot_tick_ = std::clamp(tick_of(d.when_), current_tick_ + 1, current_tick_ + kSlots - 1);
  slots_[d.slot_tick_ % kSlots].push_back(d);
}

void DeadlineWheel::arm(Deadline& d, TimePoint when) noexcept {
  d.when_ = when;
  if (when == Deadline::kNever) return;
  if (d.is_linked()) {
    if (tick_of(when) >= d.slot_tick_) return;
    d.unlink();
  }
  link(d);
}

void DeadlineWheel::run_slot(Slot& slot) noexcept {
  Slot due;
  due.swap(slot);
  while (!due.empty()) {
    Deadline& d = due.front();
    due.pop_front();
    if (!d.armed()) continue;
    if (d.when_ > now_) {
      link(d);
      continue;
    }
    d.disarm();
    d.expired();
  }
}

void DeadlineWheel::advance(TimePoint now) noexcept {
  now_ = std::max(now, now_);
  const auto target = static_cast<std::uint64_t>((now_ - start_) / kTick);
  if (target <= current_tick_) return;
  // After a long stall one turn over all slots is enough.
  const std::uint64_t steps = std::min<std::uint64_t>(target - current_tick_, kSlots);
  const std::uint64_t first = target - steps + 1;
  current_tick_ = target;
  for (std::uint64_t tick = first; tick <= target; ++tick) run_slot(slots_[tick % kSlots]);
}

}  // namespace millrace
