// The phases of a fetch for a browser's developer tools (W3C Server-Timing).
//
// Thread rule: pure function.
#pragma once

#include "http/text_arena.hpp"
#include "millrace/timings.hpp"

#include <string_view>

namespace millrace::client {

/// "queue;dur=0.31, connect;dur=0.12, wait;dur=12.05": milliseconds; `wait` always, of the others
/// those that happened. The text lives in `arena`.
[[nodiscard]] std::string_view server_timing(const Timings& timings, http::TextArena& arena);

}  // namespace millrace::client
