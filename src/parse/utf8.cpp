#include "parse/utf8.hpp"

#include <cstring>

namespace millrace::parse {

namespace {

/// How many bytes of ASCII the text begins with.
std::size_t ascii_length(std::string_view text) noexcept {
  constexpr std::uint64_t kHighs = 0x8080808080808080;
  std::size_t at = 0;
  for (; text.size() - at >= sizeof(std::uint64_t); at += sizeof(std::uint64_t)) {
    std::uint64_t word;
    std::memcpy(&word, text.data() + at, sizeof word);
    if ((word & kHighs) != 0) break;
  }
  while (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80) ++at;
  return at;
}

struct Sequence {
  std::size_t bytes;
  bool whole;
};

/// What a text begins with whose first byte is not ASCII: at least one byte.
Sequence sequence_of(std::string_view text) noexcept {
  Utf8Check check;
  if (!check.lead(static_cast<unsigned char>(text.front()))) return {1, false};
  std::size_t at = 1;
  while (check.pending()) {
    if (at == text.size() || !check.follow(static_cast<unsigned char>(text[at])))
      return {at, false};
    ++at;
  }
  return {at, true};
}

/// How many bytes of well-formed UTF-8 the text begins with.
std::size_t good_length(std::string_view text) noexcept {
  std::size_t at = 0;
  for (;;) {
    at += ascii_length(text.substr(at));
    if (at == text.size()) return at;
    const Sequence sequence = sequence_of(text.substr(at));
    if (!sequence.whole) return at;
    at += sequence.bytes;
  }
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
  return good_length(text) == text.size();
}

std::size_t write_utf8(char32_t code_point, char* out) noexcept {
  const auto part = [&](unsigned shift) {
    return static_cast<char>(0x80 | ((code_point >> shift) & 0x3f));
  };
  if (code_point < 0x80) {
    out[0] = static_cast<char>(code_point);
    return 1;
  }
  if (code_point < 0x800) {
    out[0] = static_cast<char>(0xc0 | (code_point >> 6));
    out[1] = part(0);
    return 2;
  }
  if (code_point < 0x10000) {
    out[0] = static_cast<char>(0xe0 | (code_point >> 12));
    out[1] = part(6);
    out[2] = part(0);
    return 3;
  }
  out[0] = static_cast<char>(0xf0 | (code_point >> 18));
  out[1] = part(12);
  out[2] = part(6);
  out[3] = part(0);
  return 4;
}

void append_utf8(std::string& out, std::string_view text) {
  for (;;) {
    const std::size_t good = good_length(text);
    out.append(text.substr(0, good));
    text.remove_prefix(good);
    if (text.empty()) return;
    out.append("\xEF\xBF\xBD");
    text.remove_prefix(sequence_of(text).bytes);
  }
}

}  // namespace millrace::parse
