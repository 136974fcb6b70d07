// One entropy-coded scan, rewritten so that only the first component's blocks are left, in the
// order that a one-component image has them.
//
// A gray image has its blocks row by row; an interleaved scan has them MCU by MCU (T.81 A.2). The
// AC codes of a block do not depend on its neighbours, so they are copied bit for bit under their
// own table. DC differences do: they are decoded and written again with the standard table. Colour
// blocks are walked over.
#pragma once

#include "base/cancel_check.hpp"
#include "base/error.hpp"
#include "image/jpeg_bits.hpp"
#include "image/jpeg_huffman.hpp"
#include "image/jpeg_markers.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace millrace::image {

enum class ScanKind : std::uint8_t {
  kSequential,  ///< whole blocks
  kDcFirst,     ///< progressive: the DC differences, without their low bits
  kDcRefine,    ///< progressive: one more bit of each DC value
};

/// A component as this scan has it.
struct ScanComponent {
  std::uint32_t blocks_h = 1;  ///< per MCU
  std::uint32_t blocks_v = 1;
  const HuffmanSpec* dc = nullptr;  ///< needed unless kDcRefine
  const HuffmanSpec* ac = nullptr;  ///< needed for kSequential
};

struct ScanPlan {
  ScanKind kind = ScanKind::kSequential;
  std::uint32_t count = 0;
  std::array<ScanComponent, 4> components{};
  std::uint32_t luma = 0;     ///< which of them is kept
  std::uint32_t columns = 0;  ///< blocks of the gray image
  std::uint32_t rows = 0;
  std::uint32_t restart_interval = 0;  ///< in MCUs; 0: none
};

/// Appends the gray scan's data to `out`, without restart markers. kUnsupportedMedia or
/// kMalformedMedia when the data is not what a plain encoder writes: the caller then asks a
/// decoder. Also kOutOfMemory and kCancelled. `out` is unusable after an error.
[[nodiscard]] Result<void> rewrite_scan(const ScanPlan& plan, Bytes data, CancelCheck cancel,
                                        ImageBytes& out);

}  // namespace millrace::image
