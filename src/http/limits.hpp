// The limits of a message head: one place, one reason each. `limits.*` of the configuration fills
// it.
#pragma once

#include <cstddef>

namespace millrace::http {

struct HeadLimits {
  /// Start line and fields with their line ends (h2: names, values and 32 bytes per field). 64 KiB
  /// takes every real cookie collection; a connection never buffers more than this before it is
  /// answered.
  std::size_t head_bytes_max = 64 * 1024;

  /// Fields of a head or a trailer section. Bounds every loop that is per field; browsers send ~15.
  std::size_t fields_max = 100;

  /// The request target. What nginx and Apache take; longer ones get 414.
  std::size_t target_bytes_max = 8 * 1024;
};

/// A longer method than any that is registered is not worth a look: 501.
inline constexpr std::size_t kMethodBytesMax = 64;

}  // namespace millrace::http
