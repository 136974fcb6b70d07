// libjpeg(-turbo) behind two small types: its structures with their life times, its errors as
// traps.
//
// Thread rule: one thread per object.
#pragma once

#include "image/byte_order.hpp"
#include "image/codec_trap.hpp"
#include "image/image_bytes.hpp"
#include "image/image_info.hpp"
#include "image/row_sink.hpp"

#include <cstdio>  // jpeglib.h needs FILE

#include <jpeglib.h>

namespace millrace::image {

/// libjpeg's error manager, leading to a trap. Damage found in the data counts as an error;
/// harmless oddities up to the trap's warnings_left are let pass.
struct JpegErrors {
  jpeg_error_mgr manager;  // first: libjpeg hands back a pointer to it
  CodecTrap* trap;
};

/// Called by libjpeg every few rows, in whole-image passes too.
struct JpegProgress {
  jpeg_progress_mgr manager;  // first, as above
  CodecTrap* trap;
  std::uint32_t scans_max;
};

/// A decompressor over a file in memory. create() and everything on `c` only within guarded().
class JpegReader {
 public:
  explicit JpegReader(CodecTrap& trap) noexcept : trap_(&trap) {}
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;
  ~JpegReader() { jpeg_destroy_decompress(&c); }

  /// Reads the header, metadata kept, and judges what libjpeg understood of it by the limits.
  void open(Bytes file, const ImageLimits& limits);

  jpeg_decompress_struct c{};

 private:
  CodecTrap* trap_;
  JpegErrors errors_{};
  JpegProgress progress_{};
};

/// A compressor into an ImageBytes. As above.
class JpegWriter {
 public:
  JpegWriter(CodecTrap& trap, ImageBytes& out) noexcept : trap_(&trap), out_(&out) {}
  JpegWriter(const JpegWriter&) = delete;
  JpegWriter& operator=(const JpegWriter&) = delete;
  ~JpegWriter() { jpeg_destroy_compress(&c); }

  void create();

  jpeg_compress_struct c{};

 private:
  struct Destination {
    jpeg_destination_mgr manager;  // first, as above
    CodecTrap* trap;
    ImageBytes* out;
  };
  static void start(j_compress_ptr c);
  static boolean grow(j_compress_ptr c);
  static void finish(j_compress_ptr c);

  CodecTrap* trap_;
  ImageBytes* out_;
  JpegErrors errors_{};
  JpegProgress progress_{};
  Destination destination_{};
};

/// Writes what survives_gray() of the metadata that `from` kept. After jpeg_start_compress or
/// jpeg_write_coefficients.
void copy_metadata(jpeg_decompress_struct& from, jpeg_compress_struct& to);

}  // namespace millrace::image
