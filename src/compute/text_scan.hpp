// Text, 64 bytes at a time: which bytes end lines, separate words, begin characters.
//
// The rules are those of GNU wc 9.1 in C.UTF-8 (char_class.hpp), bytes that are no valid UTF-8
// included: such a byte is no character and neutral to words, and decoding goes on one byte later.
// Like glibc, sequences for numbers above U+10FFFF (up to six bytes) count as one unprintable
// character.
//
// Everything is a 64-bit mask with one bit per byte, so that random bytes cost little more than
// prose. One implementation, compiled per instruction set; all give the same answers.
//
// Thread rule: pure functions on the caller's state.
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace::compute {

enum class Simd : std::uint8_t { kPortable, kSse2, kAvx2 };

/// Bit i speaks of byte i; bits from `length` on are zero. No bit is in both separators and
/// neutrals; what is in neither belongs to words.
struct TextBlock {
  std::uint64_t newlines = 0;
  std::uint64_t separators = 0;
  std::uint64_t neutrals = 0;
  std::uint64_t characters = 0;  ///< first bytes of characters
  unsigned length = 0;  ///< bytes judged: a character cut off by the end is left to the next block
};

inline constexpr std::size_t kTextBlock = 64;
/// The longest sequence glibc decodes is six bytes, so up to five may be left over.
inline constexpr std::size_t kTextBlockMin = kTextBlock - 5;

struct TextTotals {
  std::uint64_t lines = 0;
  std::uint64_t words = 0;
  std::uint64_t characters = 0;
  std::uint64_t outside = 1;  ///< 1 between words, 0 inside one
};

/// First bytes of the words that begin in `block`; updates `outside` to the state behind it.
[[nodiscard]] inline std::uint64_t word_starts(const TextBlock& block,
                                               std::uint64_t& outside) noexcept {
  const std::uint64_t live = ~std::uint64_t{0} >> (kTextBlock - block.length);
  const std::uint64_t printable = live & ~(block.separators | block.neutrals);
  const std::uint64_t after_separator = (block.separators << 1) | outside;
  // Adding the first bit of a run of neutrals to the run carries the mark to the byte behind it.
  const std::uint64_t carried =
      (block.neutrals + (block.neutrals & after_separator)) & ~block.neutrals;
  if ((printable | block.separators) != 0) outside = block.separators > printable ? 1 : 0;
  return printable & (after_separator | carried);
}

/// The scanner of one instruction set. The functions read whole blocks only.
struct TextScanner {
  /// Judges the 64 bytes at `p`; block.length is at least kTextBlockMin. `p` must be a character's
  /// boundary.
  void (*classify)(const std::byte* p, TextBlock& block) noexcept;
  /// Counts as many whole blocks of [p, p + size) as there are; the number of bytes consumed, of
  /// which fewer than kTextBlock are left.
  std::size_t (*count)(const std::byte* p, std::size_t size, TextTotals& totals) noexcept;
};

[[nodiscard]] bool supported(Simd simd) noexcept;
/// The widest this machine has.
[[nodiscard]] Simd best_simd() noexcept;
/// Precondition: supported(simd).
[[nodiscard]] const TextScanner& text_scanner(Simd simd) noexcept;

}  // namespace millrace::compute
