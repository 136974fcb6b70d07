// Photographs in gray, at the least cost and loss that the request allows.
#pragma once

#include "base/cancel_check.hpp"
#include "base/error.hpp"
#include "image/gray_pixels.hpp"
#include "image/image_bytes.hpp"
#include "image/image_info.hpp"

#include <cstdint>
#include <optional>
#include <span>

namespace millrace::image {

struct GrayscaleOptions {
  GrayMethod method = GrayMethod::kLuma;
  std::optional<unsigned>
      quality;  ///< 1 to 100, for JPEG output: asks for re-encoding; PNG ignores it
  std::optional<Format> format;  ///< JPEG or PNG; none: the input's
  ImageLimits limits;
  CancelCheck cancel;  ///< asked at least once per row of blocks
};

/// How the output came about; each way falls back to the next.
enum class GrayPath : std::uint8_t {
  kBitstream,     ///< JPEG: luma's bits copied (jpeg_gray_lossless.hpp)
  kCoefficients,  ///< JPEG: luma's coefficients coded anew; lossless too
  kPixels,        ///< decoded and encoded
};

struct EncodedImage {
  ImageBytes bytes;
  Format format = Format::kJpeg;
  GrayPath path = GrayPath::kPixels;
};

/// `file` in gray. Orientation, EXIF, XMP and comments stay; colour profiles go.
///
/// JPEG to JPEG by luma without a quality is lossless, and a progressive file stays progressive.
/// Re-encoded JPEG is baseline at `quality` or else 90. Gray PNG keeps bit depth and alpha; JPEG
/// has neither, so transparent parts become white there. Animations are refused rather than cut to
/// one frame.
///
/// Memory: at most estimate_bytes() beside the input, most of it only for files off the beaten
/// path. Errors: kEmptyBody; kUnsupportedMedia (not JPEG or PNG, or a kind of them we do not
/// decode); kMalformedMedia (damaged; also cut off: never a half-painted picture); kMediaTooLarge
/// (limits, before any decoding); kBadParameter (quality, format); kOutOfMemory; kCancelled. Thread
/// rule: pure; CPU work of milliseconds to seconds, for the offload pool.
[[nodiscard]] Result<EncodedImage> grayscale(std::span<const std::byte> file,
                                             const GrayscaleOptions& options);

}  // namespace millrace::image
