// When a queue stops being a queue: requests that wait longer than their clients do are served for
// nobody, and everybody else is served late (Maurer, "Fail at Scale", ACM Queue 2015; after
// CoDel).
//
// A burst is what a queue is for: it empties again. One that has not been empty for `after` holds
// more than the service can do; then those who come wait for `timeout` at most, and the newest are
// served first, since their clients are surely still there. One empty moment ends it.
//
// Time is passed in. Thread rule: one thread, or under its owner's lock.
#pragma once

#include "runtime/deadline_wheel.hpp"

#include <chrono>

namespace millrace::proxy {

class Overload {
 public:
  struct Options {
    /// How long a request waits at most while there is none.
    Duration patience = std::chrono::seconds(5);
    /// How long the queue may go without an empty moment. Duration::max(): for ever, so it stays
    /// first come, first served.
    Duration after = std::chrono::seconds(5);
    /// How long those wait at most who come after that.
    Duration timeout = std::chrono::milliseconds(500);
    friend bool operator==(const Options&, const Options&) = default;
  };

  explicit Overload(const Options& options) noexcept : options_(options) {}

  /// For a queue as it is.
  void configure(const Options& options) noexcept { options_ = options; }
  /// The queue is no longer empty.
  void filled(TimePoint now) noexcept { filled_at_ = now; }
  void emptied() noexcept { filled_at_ = TimePoint::max(); }

  [[nodiscard]] bool is_on(TimePoint now) const noexcept {
    return filled_at_ != TimePoint::max() && now - filled_at_ >= options_.after;
  }
  /// How long a request that comes now may wait.
  [[nodiscard]] Duration patience(TimePoint now) const noexcept {
    return is_on(now) && options_.timeout < options_.patience ? options_.timeout
                                                              : options_.patience;
  }

 private:
  Options options_;
  TimePoint filled_at_ = TimePoint::max();
};

}  // namespace millrace::proxy
