// Judges what an HTTP/1 server wrote: answers that parse, one for each exchange, complete where the
// server finished it and visibly cut off where it did not.
#pragma once

#include "fuzz/pipeline.hpp"

#include <deque>
#include <string_view>

namespace millrace::fuzz {

/// `wire`: everything that the client got until the connection's end.
void check_responses(std::string_view wire, const std::deque<Record>& records);

}  // namespace millrace::fuzz
