// libpng behind two small types: its structures with their life times, its errors as traps.
//
// Thread rule: one thread per object.
#pragma once

#include "image/byte_order.hpp"
#include "image/codec_trap.hpp"
#include "image/image_bytes.hpp"
#include "image/image_info.hpp"

#include <png.h>

namespace millrace::image {

/// Chunks beside the pixels that stay true in gray. Views into the reader.
struct PngAncillary {
  bool has_gamma = false;
  png_fixed_point gamma = 0;
  int srgb_intent = -1;  ///< -1: no sRGB
  bool has_density = false;
  png_uint_32 density_x = 0;
  png_uint_32 density_y = 0;
  int density_unit = 0;
  png_textp text = nullptr;
  int text_count = 0;
};

/// A reader over a file in memory. Everything but the constructor only within guarded().
class PngReader {
 public:
  explicit PngReader(CodecTrap& trap) noexcept : trap_(&trap) {}
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;
  ~PngReader() { png_destroy_read_struct(&png, &info, nullptr); }

  /// Reads up to the pixels, with limits on sizes, chunks and what they expand to.
  void open(Bytes file, const ImageLimits& limits);
  [[nodiscard]] PngAncillary ancillary() const;
  [[nodiscard]] Bytes exif() const;

  png_structp png = nullptr;
  png_infop info = nullptr;

 private:
  static void read(png_structp png, png_bytep to, std::size_t size);

  CodecTrap* trap_;
  Bytes left_;
};

/// A writer into an ImageBytes. As above.
class PngWriter {
 public:
  PngWriter(CodecTrap& trap, ImageBytes& out) noexcept : trap_(&trap), out_(&out) {}
  PngWriter(const PngWriter&) = delete;
  PngWriter& operator=(const PngWriter&) = delete;
  ~PngWriter() { png_destroy_write_struct(&png, &info); }

  void create();

  png_structp png = nullptr;
  png_infop info = nullptr;

 private:
  static void write(png_structp png, png_bytep bytes, std::size_t size);

  CodecTrap* trap_;
  ImageBytes* out_;
};

}  // namespace millrace::image
