// Colours to gray, a row at a time. Pure.
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace::image {

enum class GrayMethod : std::uint8_t {
  kLuma,    ///< Y' of BT.601 on the encoded values: what JPEG stores, what most tools do
  kLinear,  ///< luminance of BT.709 in linear light, encoded as sRGB again: what the eye sees
};

/// Converts `width` pixels of `channels` samples (3: RGB, 4: RGBA, 1: gray, 2: gray and alpha) to
/// gray, or gray and alpha. The buffers may be the same. 16-bit samples are big endian, as in PNG.
void to_gray(GrayMethod method, std::uint32_t channels, std::uint32_t bits, std::size_t width,
             const std::uint8_t* from, std::uint8_t* to) noexcept;

/// CMYK in place to RGB in the first 3 * width bytes; `inverted` as Adobe writes it (255: no ink).
void cmyk_to_rgb(bool inverted, std::size_t width, std::uint8_t* pixels) noexcept;

/// Gray or gray and alpha of 8 or 16 bits to 8-bit gray; transparent parts become white, as on
/// paper.
void flatten(bool alpha, std::uint32_t bits, std::size_t width, const std::uint8_t* from,
             std::uint8_t* to) noexcept;

}  // namespace millrace::image
