#include "compute/char_class.hpp"

#include "compute/unprintable_ranges.hpp"

namespace millrace::compute {
namespace {

constexpr std::uint64_t kAllBits = ~std::uint64_t{0};

// Word by word, not bit by bit: compilers limit the steps of a constant evaluation.
constexpr void set_range(UnusualBitmap& bitmap, char32_t first, char32_t last) {
  for (std::size_t word = first >> 6; word <= last >> 6; ++word) {
    const std::uint64_t from = word == first >> 6 ? kAllBits << (first & 63) : kAllBits;
    const std::uint64_t to = word == last >> 6 ? kAllBits >> (63 - (last & 63)) : kAllBits;
    bitmap[word] |= from & to;
  }
}

constexpr UnusualBitmap make_unusual() {
  UnusualBitmap bitmap{};
  set_range(bitmap, 0x00, 0x20);
  set_range(bitmap, 0x7F, 0x7F);
  for (const CodePointRange& range : kUnprintableRanges) set_range(bitmap, range.first, range.last);
  for (char32_t c = 0; c <= 0x3000; ++c) {
    if (is_separator(c)) set_range(bitmap, c, c);
  }
  return bitmap;
}

}  // namespace

constinit const UnusualBitmap kUnusual = make_unusual();

}  // namespace millrace::compute
