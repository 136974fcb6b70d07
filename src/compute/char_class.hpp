// What a code point is to a word counter: part of a word, between words, or neither.
//
// Taken from GNU wc 9.1 in the locale C.UTF-8: a character separates words when it is one of the
// blanks below; it begins or continues a word when it is printable; an unprintable one (a control,
// an unassigned code point, a byte that is no valid UTF-8) does neither, so "a\x01b" is one word
// and "\x01" none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace millrace::compute {

enum class CharClass : std::uint8_t { kPrintable, kSeparator, kNeutral };

inline constexpr char32_t kCodePointMax = 0x10FFFF;

/// iswspace() or wc's own list of no-break spaces (U+00A0, U+2007, U+202F, U+2060). U+0085, U+2028
/// and U+2029 are not among them: they are unprintable to glibc.
[[nodiscard]] constexpr bool is_separator(char32_t c) noexcept {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x202F || c == 0x205F || c == 0x2060 || c == 0x3000;
}

/// One bit per code point, set for those that are not plainly printable (separators and neutrals).
using UnusualBitmap = std::array<std::uint64_t, (kCodePointMax + 1) / 64>;
extern const UnusualBitmap kUnusual;

[[nodiscard]] inline bool is_plain(char32_t c) noexcept {
  return c <= kCodePointMax && ((kUnusual[c >> 6] >> (c & 63)) & 1) == 0;
}

[[nodiscard]] inline CharClass char_class(char32_t c) noexcept {
  if (is_plain(c)) return CharClass::kPrintable;
  return is_separator(c) ? CharClass::kSeparator : CharClass::kNeutral;
}

}  // namespace millrace::compute
