// JPEG to gray by way of libjpeg: for files that gray_lossless() leaves to a decoder, and for
// pixels.
#pragma once

#include "image/codec_trap.hpp"
#include "image/gray_pixels.hpp"
#include "image/image_bytes.hpp"
#include "image/image_info.hpp"
#include "image/row_sink.hpp"

namespace millrace::image {

/// Entropy decoding and coding only: quantised luma coefficients stay, under optimised Huffman
/// tables, baseline. kUnsupportedMedia when the file is not gray or YCbCr with luma at full
/// resolution; kMalformedMedia, kMediaTooLarge, kOutOfMemory, kCancelled.
[[nodiscard]] Result<void> gray_coefficients(std::span<const std::byte> file,
                                             const ImageLimits& limits, CodecTrap& trap,
                                             ImageBytes& out);

class JpegReader;

/// Decodes `reader` (opened) to gray rows. Luma of a YCbCr file is decoded alone, its colours
/// never. Within guarded(). `row` has at least 4 bytes per pixel.
void decode_gray(JpegReader& reader, CodecTrap& trap, GrayMethod method, std::uint8_t* row,
                 RowSink& sink);

}  // namespace millrace::image
