// The chunk structure of a PNG file up to its pixels (W3C PNG, third edition). No decoding.
//
// Thread rule: pure.
#pragma once

#include "base/error.hpp"
#include "image/byte_order.hpp"

#include <cstdint>
#include <string_view>

namespace millrace::image {

inline constexpr std::string_view kPngSignature{"\x89PNG\r\n\x1A\n", 8};

struct PngHeader {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint32_t depth = 8;  ///< bits as stored: 1 to 16
  std::uint8_t color = 0;   ///< PNG's colour type
  bool interlaced = false;
  bool transparent = false;  ///< tRNS
  std::uint32_t orientation = 1;
  std::uint32_t frames = 1;  ///< as acTL says

  [[nodiscard]] bool has_alpha() const noexcept { return (color & 4) != 0 || transparent; }
  [[nodiscard]] bool has_color() const noexcept { return (color & 2) != 0; }
  [[nodiscard]] std::uint32_t channels() const noexcept {
    return (has_color() ? 3u : 1u) + (has_alpha() ? 1u : 0u);
  }
};

/// Reads IHDR and the chunks before the first IDAT that matter here. `file` begins with the
/// signature. kMalformedMedia when IHDR is damaged or missing; later chunks may be cut off.
[[nodiscard]] Result<PngHeader> read_png_header(Bytes file) noexcept;

}  // namespace millrace::image
