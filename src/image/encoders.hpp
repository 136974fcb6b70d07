// Gray rows to a file: the two formats that grayscale writes.
#pragma once

#include "image/jpeg_library.hpp"
#include "image/png_library.hpp"
#include "image/row_sink.hpp"

#include <memory>

#include <png.h>

namespace millrace::image {

/// What a re-encoded picture takes along of the input's metadata. Views into the input or the
/// decoder.
struct KeptMetadata {
  Bytes exif;                              ///< a TIFF block; its orientation above all
  jpeg_decompress_struct* jpeg = nullptr;  ///< JPEG to JPEG: all that survives
  const PngAncillary* png = nullptr;       ///< PNG to PNG
};

/// Baseline, standard Huffman tables: streams in constant memory. Alpha is laid over white, 16 bits
/// are rounded to 8.
class JpegEncoder final : public RowSink {
 public:
  JpegEncoder(CodecTrap& trap, ImageBytes& out, unsigned quality, const KeptMetadata& kept) noexcept
      : writer_(trap, out), trap_(trap), quality_(quality), kept_(kept) {}

  void begin(const RowFormat& format) override;
  void row(const std::uint8_t* row) override;
  void end() override;

 private:
  JpegWriter writer_;
  CodecTrap& trap_;
  unsigned quality_;
  const KeptMetadata& kept_;
  RowFormat format_;
  JSAMPARRAY flat_ = nullptr;  ///< one row of libjpeg's memory
};

class PngEncoder final : public RowSink {
 public:
  PngEncoder(CodecTrap& trap, ImageBytes& out, const KeptMetadata& kept) noexcept
      : writer_(trap, out), kept_(kept) {}

  void begin(const RowFormat& format) override;
  void row(const std::uint8_t* row) override;
  void end() override;

 private:
  PngWriter writer_;
  const KeptMetadata& kept_;
};

}  // namespace millrace::image
