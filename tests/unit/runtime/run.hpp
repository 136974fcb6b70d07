// Two ways to run coroutines in a test: by hand, turn by turn, or on an IoThread with the real
// clock.
#pragma once

#include "runtime/io_thread.hpp"

#include <utility>

#include <gtest/gtest.h>

namespace millrace::test {

/// Runs ready coroutines of this thread until all of them wait. False: they would go on for ever.
[[nodiscard]] inline bool settle() {
  return ReadyQueue::current().drain(1'000'000);
}

/// Starts `task` in `group` and lets it run until it waits.
inline void start(TaskGroup& group, Task<void> task) {
  group.spawn(std::move(task));
  EXPECT_TRUE(settle());
}

inline Task<void> then_stop(Task<void> task, IoThread& io) {
  co_await std::move(task);
  io.stop();
}

/// Runs `io` on the calling thread until `task` has ended. Once per IoThread.
inline void run(IoThread& io, Task<void> task) {
  TaskGroup group;
  io.post([&] { group.spawn(then_stop(std::move(task), io)); });
  io.run();
}

}  // namespace millrace::test
