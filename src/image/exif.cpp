#include "image/exif.hpp"

namespace millrace::image {
namespace {

constexpr std::uint32_t kOrientationTag = 0x0112;
constexpr std::uint32_t kShortType = 3;
constexpr std::size_t kEntryBytes = 12;

}  // namespace

std::uint32_t exif_orientation(Bytes tiff) noexcept {
  const bool little = has(tiff, 0, std::string_view("II*\0", 4));
  if (!little && !has(tiff, 0, std::string_view("MM\0*", 4))) return 1;
  if (tiff.size() < 8) return 1;
  const auto number16 = [&](std::size_t at) {
    return little ? little16(tiff, at) : big16(tiff, at);
  };
  const std::size_t ifd = little ? little32(tiff, 4) : big32(tiff, 4);
  if (ifd > tiff.size() - 2) return 1;
  const std::size_t count = number16(ifd);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t entry = ifd + 2 + i * kEntryBytes;
    if (entry + kEntryBytes > tiff.size()) return 1;
    if (number16(entry) != kOrientationTag) continue;
    const std::uint32_t value = number16(entry + 8);
    return number16(entry + 2) == kShortType && value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

}  // namespace millrace::image
