// Signals as values: blocked in every thread, read from a signalfd by a coroutine of the control
// thread.
#pragma once

#include "runtime/descriptor.hpp"

#include <functional>

namespace millrace::app {

/// Blocks the signals that the server handles and ignores SIGPIPE. Before any thread is started.
void block_signals();

/// Calls `on_signal(number)` for each SIGTERM, SIGINT, SIGHUP and SIGUSR1, until its scope is
/// cancelled.
[[nodiscard]] Task<void> watch_signals(std::function<void(int)> on_signal);

}  // namespace millrace::app
