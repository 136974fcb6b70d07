// Is a body, that comes in pieces, UTF-8 text?
//
// Thread rule: one thread at a time.
#pragma once

#include "parse/utf8.hpp"

#include <cstdint>
#include <cstring>
#include <string_view>

namespace millrace::endpoints {

class TextCheck {
 public:
  void feed(std::string_view piece) noexcept {
    while (text_ && !piece.empty()) {
      if (!sequence_.pending()) piece.remove_prefix(ascii_length(piece));
      if (piece.empty()) return;
      const auto byte = static_cast<unsigned char>(piece.front());
      text_ = sequence_.pending() ? sequence_.follow(byte) : sequence_.lead(byte);
      piece.remove_prefix(1);
    }
  }
  /// All of it was, and no sequence is cut off.
  [[nodiscard]] bool whole() const noexcept { return text_ && !sequence_.pending(); }

 private:
  static std::size_t ascii_length(std::string_view text) noexcept {
    std::size_t n = 0;
    for (; n + sizeof(std::uint64_t) <= text.size(); n += sizeof(std::uint64_t)) {
      std::uint64_t word;
      std::memcpy(&word, text.data() + n, sizeof word);
      if ((word & 0x8080'8080'8080'8080) != 0) break;
    }
    while (n < text.size() && static_cast<unsigned char>(text[n]) < 0x80) ++n;
    return n;
  }

  parse::Utf8Check sequence_;
  bool text_ = true;
};

}  // namespace millrace::endpoints
