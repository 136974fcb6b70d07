// Judges what an HTTP/2 server wrote: frames in their order, heads that decode, and on each stream
// what its handler gave, or visibly less.
#pragma once

#include "fuzz/pipeline.hpp"

#include <deque>
#include <string_view>

namespace millrace::fuzz {

/// `wire`: everything that the client got until the connection's end. `mark`: see h2_script.hpp.
void check_h2_answers(std::string_view wire, const std::deque<Record>& records,
                      std::string_view mark);

}  // namespace millrace::fuzz
