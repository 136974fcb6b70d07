// What a fuzz target asserts: a violation ends the process, which is what fuzzers call a finding.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <source_location>
#include <string_view>

namespace millrace::fuzz {

/// Ends the process with `what` unless `holds`.
inline void check(bool holds, std::string_view what,
                  std::source_location at = std::source_location::current()) {
  if (holds) return;
  std::fprintf(stderr, "%s:%u: violated: %.*s\n", at.file_name(), at.line(),
               static_cast<int>(what.size()), what.data());
  std::abort();
}

}  // namespace millrace::fuzz
