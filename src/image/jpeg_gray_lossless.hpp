// JPEG to gray without decoding: the luma of a YCbCr JPEG is a gray JPEG already.
//
// Of the file's structure only what speaks of luma is kept. A scan that holds luma alone (the AC
// scans of progressive files, most of their bytes) is copied as it is, unread; one that holds it
// among others is rewritten (jpeg_gray_scan.hpp); the rest is dropped. So quantised coefficients
// are the input's, bit for bit, progressive files stay progressive, and the cost is a small part of
// an entropy decoder's, in constant memory beside the output. Restart markers go away with the
// rewritten scans.
//
// Metadata: see survives_gray(). The thumbnail within EXIF stays in colour.
#pragma once

#include "base/cancel_check.hpp"
#include "base/error.hpp"
#include "image/image_bytes.hpp"
#include "image/image_info.hpp"

namespace millrace::image {

/// `file` is a JPEG. Errors:
///  - kUnsupportedMedia: not a Huffman-coded 8-bit gray or YCbCr file with luma at full resolution,
///  or
///    something in it that plain encoders do not write, damage included: ask a decoder, which knows
///    what may be forgiven;
///  - kMalformedMedia: cut off;
///  - kMediaTooLarge: more than scans_max scans; kOutOfMemory; kCancelled.
[[nodiscard]] Result<ImageBytes> gray_lossless(std::span<const std::byte> file,
                                               const ImageLimits& limits, CancelCheck cancel);

}  // namespace millrace::image
