// PNG pixels to gray rows.
#pragma once

#include "image/gray_pixels.hpp"
#include "image/image_bytes.hpp"
#include "image/png_library.hpp"
#include "image/row_sink.hpp"

namespace millrace::image {

/// Decodes `reader` (opened) to gray rows: 16 bits stay 16, alpha and transparent colours become an
/// alpha channel, gray below 8 bits stays packed when `keep_depth`. Row by row in constant memory;
/// an interlaced file is held whole, in `held`. Gamma is ignored. Within guarded().
void decode_gray(PngReader& reader, CodecTrap& trap, GrayMethod method, bool keep_depth,
                 ImageBytes& held, RowSink& sink);

}  // namespace millrace::image
