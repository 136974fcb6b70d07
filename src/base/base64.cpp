#include "base/base64.hpp"

#include <array>
#include <cstdint>

namespace millrace {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kNoDigit = 0xff;

constexpr std::array<std::uint8_t, 256> make_digits() {
  std::array<std::uint8_t, 256> digits{};
  digits.fill(kNoDigit);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i)
    digits[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
  return digits;
}
constexpr std::array<std::uint8_t, 256> kDigits = make_digits();

std::uint32_t byte(char c) noexcept {
  return static_cast<unsigned char>(c);
}

// The 24 bits of four digits; nullopt: one of them is none.
std::optional<std::uint32_t> group(std::string_view four) noexcept {
  std::uint32_t bits = 0;
  for (const char c : four) {
    const std::uint8_t digit = kDigits[static_cast<unsigned char>(c)];
    if (digit == kNoDigit) return std::nullopt;
    bits = bits << 6 | digit;
  }
  return bits << (6 * (4 - four.size()));
}

void append_bytes(std::string& out, std::uint32_t bits, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) out += static_cast<char>(bits >> (16 - 8 * i) & 0xff);
}

}  // namespace

void append_base64(std::string& out, std::string_view bytes) {
  out.reserve(out.size() + (bytes.size() + 2) / 3 * 4);
  for (; !bytes.empty(); bytes.remove_prefix(bytes.size() < 3 ? bytes.size() : 3)) {
    const std::size_t n = bytes.size();
    const std::uint32_t bits =
        byte(bytes[0]) << 16 | (n > 1 ? byte(bytes[1]) << 8 : 0) | (n > 2 ? byte(bytes[2]) : 0);
    out += kAlphabet[bits >> 18];
    out += kAlphabet[bits >> 12 & 63];
    out += n > 1 ? kAlphabet[bits >> 6 & 63] : '=';
    out += n > 2 ? kAlphabet[bits & 63] : '=';
  }
}

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (; !text.empty(); text.remove_prefix(4)) {
    std::string_view four = text.substr(0, 4);
    if (text.size() == 4)
      for (int i = 0; i < 2 && four.back() == '='; ++i) four.remove_suffix(1);
    const auto bits = group(four);
    if (!bits) return std::nullopt;
    const std::size_t count = four.size() - 1;
    if ((*bits & (0xffffffU >> (8 * count))) != 0) return std::nullopt;  // not what encoders write
    append_bytes(out, *bits, count);
  }
  return out;
}

}  // namespace millrace
