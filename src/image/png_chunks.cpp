#include "image/png_chunks.hpp"

#include "image/exif.hpp"

#include <algorithm>

namespace millrace::image {
namespace {

constexpr std::size_t kHeadBytes = 8;  // length and type
constexpr std::size_t kCrcBytes = 4;
constexpr std::uint32_t kSideMax = 0x7FFFFFFF;

constexpr bool valid_depth(std::uint8_t color, std::uint32_t depth) noexcept {
  switch (color) {
    case 0:
      return depth == 1 || depth == 2 || depth == 4 || depth == 8 || depth == 16;
    case 3:
      return depth == 1 || depth == 2 || depth == 4 || depth == 8;
    case 2:
    case 4:
    case 6:
      return depth == 8 || depth == 16;
    default:
      return false;
  }
}

}  // namespace

Result<PngHeader> read_png_header(Bytes file) noexcept {
  constexpr std::size_t kIhdr = kPngSignature.size();
  constexpr std::size_t kIhdrBytes = 13;
  if (file.size() < kIhdr + kHeadBytes + kIhdrBytes + kCrcBytes || !has(file, kIhdr + 4, "IHDR") ||
      big32(file, kIhdr) != kIhdrBytes) {
    return fail(Errc::kMalformedMedia);
  }
  const Bytes ihdr = file.subspan(kIhdr + kHeadBytes, kIhdrBytes);
  PngHeader h{.width = big32(ihdr, 0),
              .height = big32(ihdr, 4),
              .depth = u8(ihdr, 8),
              .color = u8(ihdr, 9)};
  h.interlaced = u8(ihdr, 12) == 1;
  const bool sized = h.width >= 1 && h.width <= kSideMax && h.height >= 1 && h.height <= kSideMax;
  if (!sized || !valid_depth(h.color, h.depth) || u8(ihdr, 12) > 1)
    return fail(Errc::kMalformedMedia);
  std::size_t at = kIhdr + kHeadBytes + kIhdrBytes + kCrcBytes;
  while (file.size() - at >= kHeadBytes && !has(file, at + 4, "IDAT")) {
    const std::size_t length = big32(file, at);
    if (length > file.size() - at - kHeadBytes) break;
    const Bytes data = file.subspan(at + kHeadBytes, length);
    if (has(file, at + 4, "tRNS")) h.transparent = true;
    if (has(file, at + 4, "eXIf")) h.orientation = exif_orientation(data);
    if (has(file, at + 4, "acTL") && length >= 8) h.frames = std::max(1u, big32(data, 0));
    at = std::min(at + kHeadBytes + length + kCrcBytes, file.size());
  }
  return h;
}

}  // namespace millrace::image
