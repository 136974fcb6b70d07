#include "image/grayscale.hpp"

#include "image/encoders.hpp"
#include "image/jpeg_gray.hpp"
#include "image/jpeg_gray_lossless.hpp"
#include "image/png_gray.hpp"

#include <new>
#include <variant>

namespace millrace::image {
namespace {

constexpr unsigned kDefaultQuality = 90;

CodecTrap make_trap(const GrayscaleOptions& options) noexcept {
  CodecTrap trap;
  trap.cancel = options.cancel;
  trap.warnings_left = options.limits.warnings_max;
  return trap;
}

/// The decoding and encoding of one image; owns everything that the codecs' jumps must not skip.
struct PixelWork {
  PixelWork(Bytes input, const GrayscaleOptions& wanted, Format to)
      : file(input), options(wanted), trap(make_trap(wanted)), jpeg_in(trap), png_in(trap) {
    const unsigned quality = options.quality.value_or(kDefaultQuality);
    if (to == Format::kJpeg) sink = &encoder.emplace<JpegEncoder>(trap, out, quality, kept);
    if (to == Format::kPng) sink = &encoder.emplace<PngEncoder>(trap, out, kept);
  }

  Bytes file;
  const GrayscaleOptions& options;
  CodecTrap trap;
  ImageBytes out;
  ImageBytes held;
  JpegReader jpeg_in;
  PngReader png_in;
  PngAncillary ancillary;
  KeptMetadata kept;
  std::variant<std::monostate, JpegEncoder, PngEncoder> encoder;
  RowSink* sink = nullptr;
  bool same_format = false;
};

/// The TIFF block of the EXIF marker that `c` kept.
Bytes exif_of(const jpeg_decompress_struct& c) noexcept {
  constexpr std::string_view kMark{"Exif\0\0", 6};
  for (const jpeg_marker_struct* m = c.marker_list; m != nullptr; m = m->next) {
    const Bytes payload(reinterpret_cast<const std::byte*>(m->data), m->data_length);
    if (m->marker == JPEG_APP0 + 1 && has(payload, 0, kMark)) return payload.subspan(kMark.size());
  }
  return {};
}

void jpeg_pixels(PixelWork& work) {
  work.jpeg_in.open(work.file, work.options.limits);
  work.kept.exif = exif_of(work.jpeg_in.c);
  if (work.same_format) work.kept.jpeg = &work.jpeg_in.c;
  constexpr std::size_t kPixelBytes = 4;
  if (!work.held.make_room(kPixelBytes * work.jpeg_in.c.image_width)) {
    work.trap.leave(Errc::kOutOfMemory);
  }
  auto* row = reinterpret_cast<std::uint8_t*>(work.held.data());
  decode_gray(work.jpeg_in, work.trap, work.options.method, row, *work.sink);
}

void png_pixels(PixelWork& work) {
  work.png_in.open(work.file, work.options.limits);
  work.kept.exif = work.png_in.exif();
  if (work.same_format) {
    work.ancillary = work.png_in.ancillary();
    work.kept.png = &work.ancillary;
  }
  decode_gray(work.png_in, work.trap, work.options.method, work.same_format, work.held, *work.sink);
}

Result<EncodedImage> by_pixels(Bytes file, Format from, Format to,
                               const GrayscaleOptions& options) {
  PixelWork work(file, options, to);
  work.same_format = from == to;
  const auto run = from == Format::kJpeg ? jpeg_pixels : png_pixels;
  if (const auto done = guarded(work.trap, run, work); !done) return fail(done.error());
  return EncodedImage{std::move(work.out), to, GrayPath::kPixels};
}

/// kUnsupportedMedia: there is no lossless way for this file.
Result<EncodedImage> lossless_jpeg(Bytes file, const GrayscaleOptions& options) {
  Result<ImageBytes> bits = gray_lossless(file, options.limits, options.cancel);
  if (bits) return EncodedImage{std::move(*bits), Format::kJpeg, GrayPath::kBitstream};
  if (!bits.error().is(Errc::kUnsupportedMedia)) return fail(bits.error());
  CodecTrap trap = make_trap(options);
  ImageBytes out;
  const auto done = gray_coefficients(file, options.limits, trap, out);
  if (!done) return fail(done.error());
  return EncodedImage{std::move(out), Format::kJpeg, GrayPath::kCoefficients};
}

Result<EncodedImage> dispatch(Bytes file, const GrayscaleOptions& options) {
  const Result<ImageInfo> info = image_info(file, options.limits);
  if (!info) return fail(info.error());
  const Format to = options.format.value_or(info->format);
  const bool wrong_format =
      options.format && *options.format != Format::kJpeg && *options.format != Format::kPng;
  if (wrong_format || (options.quality && (*options.quality < 1 || *options.quality > 100))) {
    return fail(Errc::kBadParameter);
  }
  const bool readable = info->format == Format::kJpeg || info->format == Format::kPng;
  if (const auto fits = check_limits(*info, options.limits); !fits) return fail(fits.error());
  if (!readable || info->frames > 1) return fail(Errc::kUnsupportedMedia);
  const bool lossless = info->format == Format::kJpeg && to == Format::kJpeg && !options.quality &&
                        options.method == GrayMethod::kLuma;
  if (lossless) {
    Result<EncodedImage> image = lossless_jpeg(file, options);
    if (image || !image.error().is(Errc::kUnsupportedMedia)) return image;
  }
  return by_pixels(file, info->format, to, options);
}

}  // namespace

Result<EncodedImage> grayscale(std::span<const std::byte> file, const GrayscaleOptions& options) {
  try {
    return dispatch(file, options);
  } catch (const std::bad_alloc&) {
    return fail(Errc::kOutOfMemory);
  }
}

}  // namespace millrace::image
