// The one thing read from EXIF: how to hold the picture.
#pragma once

#include "image/byte_order.hpp"

#include <cstdint>

namespace millrace::image {

/// Orientation (tag 0x0112, 1 to 8) of IFD0 in a TIFF block; 1 when absent, wrong or damaged. Never
/// reads outside `tiff`, at most 65535 entries.
[[nodiscard]] std::uint32_t exif_orientation(Bytes tiff) noexcept;

}  // namespace millrace::image
