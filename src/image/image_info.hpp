// What an image is, by its header alone: nothing is decoded and nothing is allocated.
//
// Thread rule: pure functions.
#pragma once

#include "base/error.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace millrace::image {

enum class Format : std::uint8_t { kJpeg, kPng, kGif, kWebp };

/// "jpeg", "png"...: what `format=` takes and info answers.
[[nodiscard]] std::string_view name(Format format) noexcept;
/// "image/jpeg"...
[[nodiscard]] std::string_view media_type(Format format) noexcept;

/// What a client may make us do. Checked on the header, before any decoding.
struct ImageLimits {
  std::uint64_t pixels_max =
      100'000'000;                    ///< width * height of one frame; a 100 MP camera's picture
  std::uint32_t scans_max = 100;      ///< of one JPEG; real progressive ones have about ten
  std::uint32_t frames_max = 10'000;  ///< of an animation
  std::uint32_t warnings_max = 32;    ///< harmless oddities a decoder may report before we give up
  std::uint64_t memory_bytes_max = std::uint64_t{1} << 30;  ///< compared with estimate_bytes
};

struct ImageInfo {
  Format format = Format::kJpeg;
  std::uint32_t width = 0;  ///< as stored: before the orientation is applied
  std::uint32_t height = 0;
  std::uint32_t channels = 0;  ///< 1 gray, 2 gray + alpha, 3 colour, 4 colour + alpha or CMYK
  std::uint32_t bits = 8;      ///< per channel; palettes count as the 8-bit colours they stand for
  std::uint32_t orientation = 1;  ///< 1 to 8, as in EXIF
  bool progressive = false;       ///< several passes: progressive JPEG, interlaced PNG or GIF
  std::uint32_t frames = 1;       ///< over 1: animated
  std::uint64_t bytes = 0;        ///< of the file
  std::uint64_t samples = 0;      ///< of all channels, subsampling and padding considered

  [[nodiscard]] std::uint64_t pixels() const noexcept { return std::uint64_t{width} * height; }
};

/// Errors: kEmptyBody; kUnsupportedMedia when no format is recognised; kMalformedMedia when the
/// header is damaged or cut off; kMediaTooLarge when an animation has more than frames_max frames.
[[nodiscard]] Result<ImageInfo> image_info(std::span<const std::byte> file,
                                           const ImageLimits& limits = {});

/// Upper bound of the memory that an operation on the decoded image takes beside the input, for
/// admission.
[[nodiscard]] std::uint64_t estimate_bytes(const ImageInfo& info) noexcept;

/// kMediaTooLarge when pixels or estimated memory are over the limits.
[[nodiscard]] Result<void> check_limits(const ImageInfo& info, const ImageLimits& limits) noexcept;

}  // namespace millrace::image
