// Runs a coroutine on an io thread of its own, to its end.
#pragma once

#include "runtime/io_thread.hpp"
#include "runtime/task_group.hpp"

#include <csignal>

#include <boost/asio/io_context.hpp>

namespace millrace::test {

namespace detail {
template <class F>
Task<void> run_then_stop(F& body, IoThread& io) {
  co_await body();
  io.stop();
}
}  // namespace detail

/// `body()` gives a Task<void>; it may be a capturing lambda, which lives until the task has ended.
template <class F>
void on_io(IoThread& io, F body) {
  std::signal(SIGPIPE, SIG_IGN);  // as the server does: OpenSSL writes without MSG_NOSIGNAL
  TaskGroup group;
  io.context().restart();
  io.post([&] { group.spawn(detail::run_then_stop(body, io)); });
  io.run();
}

}  // namespace millrace::test
