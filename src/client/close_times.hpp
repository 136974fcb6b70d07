// For how long a server keeps an idle connection: what it says (`Keep-Alive: timeout=N`), and what
// was seen of it.
//
// Servers close idle connections after a time of their own, and mostly do not say which: gunicorn
// after 2 s, uvicorn after 5 s, nginx after 75 s. A request that is sent in that moment is lost. So
// idle connections are watched for longer than they are used: one that the server has closed tells
// the time, one that it has not closed tells a lower bound.
//
// A restart closes connections before their time: the shortest of the last few observations counts,
// and is forgotten after as many that say otherwise.
//
// Pure. Thread rule: one thread.
#pragma once

#include "runtime/deadline_wheel.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>

namespace millrace::client {

class CloseTimes {
 public:
  /// The server has closed a connection that was idle for `idle`.
  void closed_after(Duration idle) noexcept {
    seen_[next_] = idle;
    next_ = (next_ + 1) % seen_.size();
    count_ = std::min(count_ + 1, seen_.size());
  }
  /// A connection was idle for `idle`, and open at the end. Longer than what was seen is as good as
  /// a close at that time: or a restart would never be forgotten where connections are kept long.
  void open_after(Duration idle) noexcept {
    open_ = std::max(open_, idle);
    if (count_ != 0 && idle > shortest()) closed_after(idle);
  }

  /// How old an idle connection may be to be used, where `unknown` is the answer without
  /// experience.
  [[nodiscard]] Duration limit(Duration unknown) const noexcept {
    return count_ != 0 ? safe_part(shortest()) : std::max(unknown, safe_part(open_));
  }
  /// The longest time of which anything is known; negative: nothing is.
  [[nodiscard]] Duration longest() const noexcept {
    return count_ != 0 ? std::max(open_, shortest()) : open_;
  }

  /// What may be used of a time that is granted: the answer's way to us, and the server's timer,
  /// take their share.
  [[nodiscard]] static Duration safe_part(Duration granted) noexcept {
    const Duration margin = std::max<Duration>(std::chrono::milliseconds(500), granted / 10);
    return std::max(granted - margin, granted / 2);
  }

 private:
  [[nodiscard]] Duration shortest() const noexcept {
    return *std::min_element(seen_.begin(), seen_.begin() + static_cast<std::ptrdiff_t>(count_));
  }

  std::array<Duration, 4> seen_{};
  std::size_t next_ = 0;
  std::size_t count_ = 0;
  Duration open_{-1};
};

}  // namespace millrace::client
