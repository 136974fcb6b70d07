// What one try at reading or writing came to.
#pragma once

#include "runtime/descriptor.hpp"

#include <cstddef>
#include <cstdint>

namespace millrace::net {

struct IoResult {
  enum class Kind : std::uint8_t { kDone, kWouldBlock, kEnd, kError };
  Kind kind = Kind::kDone;
  Direction want = Direction::kRead;  ///< for kWouldBlock: TLS may want the other direction
  /// For reads that are kDone: the kernel had no more. Decrypted bytes may still lie in TLS
  /// (Stream::has_pending); without any, the next read would block, so go straight to wait().
  bool drained = false;
  int os_error = 0;       ///< for kError
  std::size_t bytes = 0;  ///< for kDone: > 0

  [[nodiscard]] bool done() const noexcept { return kind == Kind::kDone; }
  [[nodiscard]] bool would_block() const noexcept { return kind == Kind::kWouldBlock; }
  [[nodiscard]] bool end() const noexcept { return kind == Kind::kEnd; }
  [[nodiscard]] bool error() const noexcept { return kind == Kind::kError; }
};

}  // namespace millrace::net
