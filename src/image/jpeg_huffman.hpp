// Huffman tables of JPEG (T.81 annex C and F.2.2.3), for walking over codes rather than for
// decoding coefficients: one look-up tells how many bits a code and its extra bits take and how far
// it advances.
#pragma once

#include "base/error.hpp"
#include "image/byte_order.hpp"

#include <array>
#include <cstdint>

namespace millrace::image {

/// A table as DHT defines it.
struct HuffmanSpec {
  std::array<std::uint8_t, 16> counts{};  ///< codes of 1, 2... 16 bits
  std::array<std::uint8_t, 256> symbols{};
  std::uint32_t size = 0;  ///< symbols in use; 0: not defined
  friend bool operator==(const HuffmanSpec&, const HuffmanSpec&) = default;
};

/// The tables of one file so far, by slot.
struct HuffmanSlots {
  std::array<HuffmanSpec, 4> dc;
  std::array<HuffmanSpec, 4> ac;

  /// Takes over what a DHT segment defines. kMalformedMedia when it is no such segment.
  [[nodiscard]] Result<void> define(Bytes payload) noexcept;
};

struct HuffmanEntry {
  std::uint8_t code_bits = 0;   ///< 0: longer than kLookupBits, or no code
  std::uint8_t total_bits = 0;  ///< with the extra bits
  std::uint8_t advance = 0;     ///< AC: coefficients passed, or one of the two below
  std::uint8_t size = 0;        ///< of the extra bits: the symbol's low half
};

/// `advance` of the end of a block: with any k in 1..63 it sums up to 129..191.
inline constexpr std::uint8_t kEndOfBlock = 128;
/// `advance` of symbols that a sequential block cannot have.
inline constexpr std::uint8_t kBadSymbol = 255;

class HuffmanWalker {
 public:
  static constexpr unsigned kLookupBits = 11;

  /// kMalformedMedia when the code is over-subscribed.
  [[nodiscard]] Result<void> build(const HuffmanSpec& spec) noexcept;

  /// The code at the top of `bits`. What is no code comes back with kBadSymbol and at least one
  /// bit.
  [[nodiscard]] HuffmanEntry at(std::uint64_t bits) const noexcept {
    const HuffmanEntry entry = lookup_[bits >> (64 - kLookupBits)];
    return entry.code_bits != 0 ? entry : long_code(bits);
  }

 private:
  [[nodiscard]] HuffmanEntry long_code(std::uint64_t bits) const noexcept;

  std::array<HuffmanEntry, 1 << kLookupBits> lookup_;
  std::array<std::uint32_t, 17> first_code_;   ///< of each length
  std::array<std::uint32_t, 17> first_index_;  ///< its place in the symbols
  HuffmanSpec spec_;
};

/// How far one look-up gets within the AC codes of a block.
struct AcStep {
  std::uint8_t total_bits = 0;  ///< of the first code, with its extra bits; 0: a long code
  std::uint8_t advance = 0;     ///< of the first code, as in HuffmanEntry
  std::uint8_t pair_bits = 0;   ///< of the first two, where both codes lie in the looked-up bits
  std::uint8_t pair_advance = 0;
};

/// Walks over AC codes, two at a time where they are short: nobody asks for their values.
class AcWalker {
 public:
  [[nodiscard]] Result<void> build(const HuffmanSpec& spec) noexcept;

  /// The codes at the top of `bits`; without a second one the pair is the first alone.
  [[nodiscard]] AcStep at(std::uint64_t bits) const noexcept {
    const AcStep step = steps_[bits >> (64 - HuffmanWalker::kLookupBits)];
    return step.total_bits != 0 ? step : long_step(bits);
  }

 private:
  [[nodiscard]] AcStep long_step(std::uint64_t bits) const noexcept;

  std::array<AcStep, 1 << HuffmanWalker::kLookupBits> steps_;
  HuffmanWalker codes_;
};

/// Table K.3, the usual one for luminance DC: every difference that 8-bit samples can have.
[[nodiscard]] const HuffmanSpec& standard_dc() noexcept;

struct HuffmanCode {
  std::uint16_t bits;
  std::uint8_t length;
};

inline constexpr unsigned kDcCategoryMax = 11;
/// The codes of standard_dc() by category.
[[nodiscard]] const std::array<HuffmanCode, kDcCategoryMax + 1>& standard_dc_codes() noexcept;

}  // namespace millrace::image
