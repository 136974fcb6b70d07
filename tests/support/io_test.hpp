// Runs a coroutine of a test on an io thread of its own, the calling thread.
#pragma once

#include "runtime/io_thread.hpp"
#include "runtime/task_group.hpp"

#include <functional>

namespace millrace::test {

namespace detail {
inline Task<void> run_then_stop(const std::function<Task<void>()>& body) {
  co_await body();
  IoThread::current().stop();
}
}  // namespace detail

/// Returns when `body` has ended. Objects that belong to the io thread are locals of `body`.
inline void run_on_io_thread(const std::function<Task<void>()>& body) {
  IoThread io(0);
  TaskGroup group;
  io.post([&] { group.spawn(detail::run_then_stop(body)); });
  io.run();
}

}  // namespace millrace::test
