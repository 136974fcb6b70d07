// UTF-8 (RFC 3629) of streams: checked byte by byte, written, and repaired.
//
// Thread rule: one thread at a time for Utf8Check, the rest are pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::parse {

/// One sequence at a time: no overlong forms, no surrogates, nothing above U+10FFFF.
class Utf8Check {
 public:
  /// The first byte, 0x80 or above, of a sequence. False: none begins like this.
  [[nodiscard]] bool lead(unsigned char c) noexcept {
    if (c < 0xc2 || c > 0xf4) return false;
    left_ = static_cast<std::uint8_t>(c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3);
    low_ = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    high_ = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    return true;
  }
  /// Is the sequence not whole yet?
  [[nodiscard]] bool pending() const noexcept { return left_ != 0; }
  /// The next byte of a pending sequence. False: it does not continue it, and nothing has changed.
  [[nodiscard]] bool follow(unsigned char c) noexcept {
    if (c < low_ || c > high_) return false;
    --left_;
    low_ = 0x80;
    high_ = 0xbf;
    return true;
  }

 private:
  std::uint8_t left_ = 0;
  std::uint8_t low_ = 0x80;
  std::uint8_t high_ = 0xbf;
};

/// Behind the well-formed sequences of two bytes and more that [at, end) begins with; those that
/// are cut off at the end, or begin in the last bytes before it, may be left.
[[nodiscard]] inline const char* skip_sequences(const char* at, const char* end) noexcept {
  const auto follows = [&](int i) { return (static_cast<unsigned char>(at[i]) & 0xc0) == 0x80; };
  while (end - at >= 4) {
    const auto lead = static_cast<unsigned char>(at[0]);
    const auto second = static_cast<unsigned char>(at[1]);
    if (lead < 0xc2 || lead > 0xf4 || !follows(1)) break;
    if (lead < 0xe0) {
      at += 2;
    } else if (lead < 0xf0) {
      if (!follows(2) || (lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f)) break;
      at += 3;
    } else {
      if (!follows(2) || !follows(3) || (lead == 0xf0 && second < 0x90) ||
          (lead == 0xf4 && second > 0x8f))
        break;
      at += 4;
    }
  }
  return at;
}

[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

inline constexpr std::size_t kUtf8BytesMax = 4;

/// Writes a code point (not a surrogate) to `out`, which has room for kUtf8BytesMax; how many
/// bytes.
std::size_t write_utf8(char32_t code_point, char* out) noexcept;

/// Appends `text`; each longest part that begins a sequence and does not end it becomes U+FFFD, and
/// so does each byte that begins none ("UTF-8 decode" of the WHATWG Encoding standard).
void append_utf8(std::string& out, std::string_view text);

}  // namespace millrace::parse
