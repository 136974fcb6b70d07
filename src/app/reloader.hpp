// When reloads happen: one at a time, and one at least after each that was asked for. What is asked
// for while one runs becomes one more, for all who ask.
//
// Thread rule: the control thread.
#pragma once

#include "millrace/status.hpp"
#include "runtime/task.hpp"
#include "runtime/wait_queue.hpp"

#include <cstdint>
#include <functional>
#include <utility>

namespace millrace::app {

class Reloader {
 public:
  using Work = std::function<Task<ReloadOutcome>()>;

  explicit Reloader(Work work) : work_(std::move(work)) {}

  /// Asks for a reload; its outcome is for the log.
  void request() noexcept {
    ++wanted_;
    wake_.set();
  }
  /// Asks for one and waits for it, or for a later one. kRefused when the waiter's scope ends
  /// first.
  [[nodiscard]] Task<ReloadOutcome> reload();
  /// Does what is asked for, until its scope is cancelled.
  [[nodiscard]] Task<void> run();

 private:
  const Work work_;
  Event wake_;
  Event finished_;  // set and reset at once: wakes those who wait
  std::uint64_t wanted_ = 0;
  std::uint64_t done_ = 0;
  ReloadOutcome outcome_;
};

}  // namespace millrace::app
