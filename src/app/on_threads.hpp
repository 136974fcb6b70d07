// Work on every io thread that the control thread waits for, each with its own outcome.
//
// Thread rule: the control thread. Outlives what it awaits; a thread that is too busy does the work
// later, when nobody waits any more.
#pragma once

#include "runtime/io_threads.hpp"
#include "runtime/task.hpp"

#include <expected>
#include <functional>
#include <string>

namespace millrace::app {

/// Done on the thread of that number, in a turn of its own; the error is a line for a person.
using ThreadWork = std::function<Task<std::expected<void, std::string>>(std::size_t thread)>;

/// The first error, or that a thread was silent for `patience`.
[[nodiscard]] Task<std::expected<void, std::string>> on_threads(IoThreads& threads,
                                                                IoThread& control, ThreadWork work,
                                                                Duration patience);

}  // namespace millrace::app
