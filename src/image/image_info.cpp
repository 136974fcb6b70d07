#include "image/image_info.hpp"

#include "image/byte_order.hpp"
#include "image/exif.hpp"
#include "image/jpeg_markers.hpp"
#include "image/png_chunks.hpp"

#include <algorithm>
#include <limits>

namespace millrace::image {
namespace {

constexpr std::string_view kJpegStart{"\xFF\xD8\xFF"};

Result<ImageInfo> jpeg_info(Bytes file) {
  JpegCursor cursor(file);
  JpegMetadata metadata;
  ImageInfo info{.format = Format::kJpeg};
  while (const auto segment = cursor.next()) {
    if (segment->marker == marker::kEoi || segment->marker == marker::kSos) break;
    metadata.look_at(*segment);
    if (!is_frame(segment->marker) || info.width != 0) continue;
    const Result<JpegFrame> frame = parse_frame(*segment);
    if (!frame) return fail(frame.error());
    info.width = frame->width;
    info.height = frame->height;
    info.channels = frame->count;
    info.bits = frame->precision;
    info.progressive = is_progressive(frame->marker);
    info.samples = frame->samples();
  }
  if (info.width == 0) return fail(Errc::kMalformedMedia);
  info.orientation = metadata.orientation;
  return info;
}

Result<ImageInfo> png_info(Bytes file) {
  const Result<PngHeader> header = read_png_header(file);
  if (!header) return fail(header.error());
  ImageInfo info{.format = Format::kPng,
                 .width = header->width,
                 .height = header->height,
                 .channels = header->channels(),
                 .bits = std::max(8u, header->depth),
                 .orientation = header->orientation,
                 .progressive = header->interlaced,
                 .frames = header->frames};
  info.samples = info.pixels() * info.channels;
  return info;
}

/// Skips a chain of GIF data sub-blocks; false when the file ends in it.
bool skip_sub_blocks(Bytes file, std::size_t& at) {
  while (at < file.size()) {
    const std::size_t length = u8(file, at);
    at += 1 + length;
    if (length == 0) return true;
  }
  return false;
}

/// Counts image descriptors; a file cut off counts as far as it goes.
Result<std::uint32_t> gif_frames(Bytes file, std::size_t at, std::uint32_t most, bool& interlaced) {
  constexpr std::uint8_t kExtension = 0x21;
  constexpr std::uint8_t kImage = 0x2C;
  constexpr std::size_t kDescriptorBytes = 10;
  std::uint32_t frames = 0;
  while (at + 1 < file.size()) {
    const std::uint8_t kind = u8(file, at);
    if (kind == kExtension) {
      at += 2;
    } else if (kind == kImage) {
      if (at + kDescriptorBytes > file.size()) break;
      if (++frames > most) return fail(Errc::kMediaTooLarge);
      const std::uint8_t flags = u8(file, at + 9);
      if (frames == 1) interlaced = (flags & 0x40) != 0;
      const std::size_t colors = (flags & 0x80) != 0 ? std::size_t{3} << ((flags & 7) + 1) : 0;
      at += kDescriptorBytes + colors + 1;
    } else {
      break;
    }
    if (!skip_sub_blocks(file, at)) break;
  }
  return std::max(frames, 1u);
}

Result<ImageInfo> gif_info(Bytes file, const ImageLimits& limits) {
  constexpr std::size_t kScreenEnd = 13;
  if (file.size() < kScreenEnd) return fail(Errc::kMalformedMedia);
  ImageInfo info{.format = Format::kGif,
                 .width = little16(file, 6),
                 .height = little16(file, 8),
                 .channels = 3};
  if (info.width == 0 || info.height == 0) return fail(Errc::kMalformedMedia);
  const std::uint8_t flags = u8(file, 10);
  const std::size_t colors = (flags & 0x80) != 0 ? std::size_t{3} << ((flags & 7) + 1) : 0;
  const auto frames = gif_frames(file, kScreenEnd + colors, limits.frames_max, info.progressive);
  if (!frames) return fail(frames.error());
  info.frames = *frames;
  info.samples = info.pixels() * info.channels;
  return info;
}

std::uint32_t little24(Bytes b, std::size_t at) {
  return little16(b, at) | static_cast<std::uint32_t>(u8(b, at + 2)) << 16;
}

/// Frames and orientation of an extended WebP: RIFF chunks behind VP8X.
Result<void> webp_chunks(Bytes file, const ImageLimits& limits, ImageInfo& info) {
  std::uint32_t frames = 0;
  for (std::size_t at = 12; at + 8 <= file.size();) {
    const std::size_t size = little32(file, at + 4);
    if (has(file, at, "ANMF") && ++frames > limits.frames_max) return fail(Errc::kMediaTooLarge);
    if (size > file.size() - at - 8) break;
    if (has(file, at, "EXIF")) {
      Bytes tiff = file.subspan(at + 8, size);
      if (has(tiff, 0, std::string_view("Exif\0\0", 6))) tiff = tiff.subspan(6);
      info.orientation = exif_orientation(tiff);
    }
    at += 8 + size + (size & 1);
  }
  info.frames = std::max(frames, 1u);
  return {};
}

Result<ImageInfo> webp_info(Bytes file, const ImageLimits& limits) {
  constexpr std::size_t kNeeded = 30;
  if (file.size() < kNeeded) return fail(Errc::kMalformedMedia);
  ImageInfo info{.format = Format::kWebp, .channels = 3};
  if (has(file, 12, "VP8X")) {
    info.width = little24(file, 24) + 1;
    info.height = little24(file, 27) + 1;
    info.channels = (u8(file, 20) & 0x10) != 0 ? 4 : 3;
    if (const auto walked = webp_chunks(file, limits, info); !walked) return fail(walked.error());
  } else if (has(file, 12, "VP8L") && u8(file, 20) == 0x2F) {
    const std::uint32_t packed = little32(file, 21);
    info.width = (packed & 0x3FFF) + 1;
    info.height = ((packed >> 14) & 0x3FFF) + 1;
    info.channels = (packed >> 28 & 1) != 0 ? 4 : 3;
  } else if (has(file, 12, "VP8 ") && has(file, 23, "\x9D\x01\x2A")) {
    info.width = little16(file, 26) & 0x3FFF;
    info.height = little16(file, 28) & 0x3FFF;
  }
  if (info.width == 0 || info.height == 0) return fail(Errc::kMalformedMedia);
  info.samples = info.pixels() * info.channels;
  return info;
}

Result<ImageInfo> dispatch(Bytes file, const ImageLimits& limits) {
  if (file.empty()) return fail(Errc::kEmptyBody);
  if (has(file, 0, kJpegStart)) return jpeg_info(file);
  if (has(file, 0, kPngSignature)) return png_info(file);
  if (has(file, 0, "GIF87a") || has(file, 0, "GIF89a")) return gif_info(file, limits);
  if (has(file, 0, "RIFF") && has(file, 8, "WEBP")) return webp_info(file, limits);
  return fail(Errc::kUnsupportedMedia);
}

}  // namespace

std::string_view name(Format format) noexcept {
  switch (format) {
    case Format::kJpeg:
      return "jpeg";
    case Format::kPng:
      return "png";
    case Format::kGif:
      return "gif";
    case Format::kWebp:
      return "webp";
  }
  return "";
}

std::string_view media_type(Format format) noexcept {
  switch (format) {
    case Format::kJpeg:
      return "image/jpeg";
    case Format::kPng:
      return "image/png";
    case Format::kGif:
      return "image/gif";
    case Format::kWebp:
      return "image/webp";
  }
  return "";
}

Result<ImageInfo> image_info(std::span<const std::byte> file, const ImageLimits& limits) {
  Result<ImageInfo> info = dispatch(file, limits);
  if (info) info->bytes = file.size();
  return info;
}

std::uint64_t estimate_bytes(const ImageInfo& info) noexcept {
  // Tables, rows, and what the codecs' own pools round up to.
  constexpr std::uint64_t kFixedBytes = std::uint64_t{2} << 20;
  constexpr std::uint64_t kPixelsEver = std::uint64_t{1} << 40;
  // A header may claim 2^31 x 2^31: keep the sums below from wrapping.
  if (info.pixels() > kPixelsEver) return std::numeric_limits<std::uint64_t>::max();
  const std::uint64_t sample_bytes = info.bits > 8 ? 2 : 1;
  // The output: of the input's size, or, where that was compressed better, of the raw pixels'.
  const std::uint64_t output = std::max(info.bytes, info.pixels() * sample_bytes);
  // JPEG: two bytes for each coefficient when they are all held. An interlaced PNG is held as
  // pixels.
  std::uint64_t held = 0;
  if (info.format == Format::kJpeg) held = 2 * info.samples;
  if (info.format == Format::kPng && info.progressive) held = info.samples * sample_bytes;
  return kFixedBytes + output + held;
}

Result<void> check_limits(const ImageInfo& info, const ImageLimits& limits) noexcept {
  const bool fits = info.pixels() <= limits.pixels_max &&
                    estimate_bytes(info) <= limits.memory_bytes_max &&
                    info.frames <= limits.frames_max;
  return fits ? Result<void>{} : fail(Errc::kMediaTooLarge);
}

}  // namespace millrace::image
