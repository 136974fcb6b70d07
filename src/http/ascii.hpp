// Bytes as HTTP sees them: one table of byte classes and the strict little parsers built on it.
// Nothing here looks at a locale.
//
// Thread rule: pure functions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace millrace::http {

/// Bits of a byte's row in the class table.
enum ByteClass : std::uint8_t {
  kTchar = 1,        ///< RFC 9110 section 5.6.2: what a token is made of
  kDigit = 2,        ///< 0-9
  kAlpha = 4,        ///< A-Z a-z
  kHex = 8,          ///< 0-9 A-F a-f
  kUnreserved = 16,  ///< RFC 3986 section 2.3
  kTargetByte = 32,  ///< what we take in a request target: see target.hpp
  kValueByte = 64,   ///< RFC 9110 section 5.5: VCHAR, obs-text, space and tab
};

namespace detail {

constexpr std::uint8_t classify(unsigned c) {
  const bool digit = c >= '0' && c <= '9';
  const bool alpha = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  const bool hex = digit || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
  const bool visible = c > 0x20 && c < 0x7f;
  const auto in = [c](std::string_view set) {
    return c < 0x80 && set.find(static_cast<char>(c)) != std::string_view::npos;
  };
  unsigned row = 0;
  if (digit) row |= kDigit;
  if (alpha) row |= kAlpha;
  if (hex) row |= kHex;
  if (digit || alpha || in("!#$%&'*+-.^_`|~")) row |= kTchar;
  if (digit || alpha || in("-._~")) row |= kUnreserved;
  if (visible && !in("#\"<>\\")) row |= kTargetByte;
  if (visible || c == ' ' || c == '\t' || c >= 0x80) row |= kValueByte;
  return static_cast<std::uint8_t>(row);
}

consteval std::array<std::uint8_t, 256> make_byte_classes() {
  std::array<std::uint8_t, 256> table{};
  for (unsigned c = 0; c < table.size(); ++c) table[c] = classify(c);
  return table;
}

}  // namespace detail

inline constexpr std::array<std::uint8_t, 256> kByteClasses = detail::make_byte_classes();

[[nodiscard]] constexpr bool is(char c, ByteClass wanted) noexcept {
  return (kByteClasses[static_cast<unsigned char>(c)] & wanted) != 0;
}

/// True for the empty text.
[[nodiscard]] constexpr bool all_are(std::string_view text, ByteClass wanted) noexcept {
  for (const char c : text)
    if (!is(c, wanted)) return false;
  return true;
}

/// 1*tchar.
[[nodiscard]] constexpr bool is_token(std::string_view text) noexcept {
  return !text.empty() && all_are(text, kTchar);
}

[[nodiscard]] constexpr char to_lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

[[nodiscard]] constexpr bool iequals(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (to_lower(a[i]) != to_lower(b[i])) return false;
  return true;
}

[[nodiscard]] constexpr bool istarts_with(std::string_view text, std::string_view prefix) noexcept {
  return text.size() >= prefix.size() && iequals(text.substr(0, prefix.size()), prefix);
}

/// Without the spaces and tabs at both ends (OWS, RFC 9110 section 5.6.3).
[[nodiscard]] constexpr std::string_view trim_ows(std::string_view text) noexcept {
  const auto ows = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && ows(text.front())) text.remove_prefix(1);
  while (!text.empty() && ows(text.back())) text.remove_suffix(1);
  return text;
}

/// 1*DIGIT that fits: no sign, no space, no separator. Leading zeros are in the grammar.
[[nodiscard]] constexpr std::optional<std::uint64_t> parse_decimal(std::string_view text) noexcept {
  if (text.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (!is(c, kDigit)) return std::nullopt;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (value > (UINT64_MAX - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  return value;
}

/// The value of one hexadecimal digit; -1 for any other byte.
[[nodiscard]] constexpr int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// 1*HEXDIG that fits: no prefix, no sign.
[[nodiscard]] constexpr std::optional<std::uint64_t> parse_hex(std::string_view text) noexcept {
  if (text.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    const int digit = hex_digit(c);
    if (digit < 0 || value >> 60 != 0) return std::nullopt;
    value = value << 4 | static_cast<std::uint64_t>(digit);
  }
  return value;
}

/// Calls `visit(element)` for each element of a comma-separated list, trimmed, the empty ones left
/// out (RFC 9110 section 5.6.1.2); stops early when `visit` returns false. Quoted commas split too:
/// not for lists whose elements may hold quoted strings.
template <class Visit>
constexpr void for_each_element(std::string_view list, Visit&& visit) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    const std::string_view element = trim_ows(list.substr(0, comma));
    if (!element.empty() && !visit(element)) return;
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace millrace::http
