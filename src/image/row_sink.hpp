// Gray rows on their way from a decoder to an encoder, one at a time.
//
// Called within guarded(): implementations leave by the trap on errors, and keep nothing with a
// destructor on the stack.
#pragma once

#include "image/byte_order.hpp"

#include <cstdint>

namespace millrace::image {

struct RowFormat {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint32_t bits = 8;  ///< per channel: 1, 2, 4 (packed, gray only), 8 or 16 (big endian)
  bool alpha = false;      ///< gray, alpha, gray, alpha... not premultiplied

  [[nodiscard]] std::size_t row_bytes() const noexcept {
    return (std::size_t{width} * bits * (alpha ? 2 : 1) + 7) / 8;
  }
};

class RowSink {
 public:
  virtual void begin(const RowFormat& format) = 0;
  /// `row` has format.row_bytes(); good until the call returns.
  virtual void row(const std::uint8_t* row) = 0;
  virtual void end() = 0;

 protected:
  ~RowSink() = default;
};

}  // namespace millrace::image
