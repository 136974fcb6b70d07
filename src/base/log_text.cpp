#include "base/log_text.hpp"

#include <array>

namespace millrace::log {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

consteval std::array<bool, 256> make_escaped() {
  std::array<bool, 256> table{};
  for (unsigned c = 0; c < table.size(); ++c)
    table[c] = c < 0x20 || c >= 0x7f || c == '"' || c == '\\';
  return table;
}
/// Bytes that may not stand in a line as they are.
constexpr auto kEscaped = make_escaped();

/// True when one of eight bytes needs escaping; may be true for others, too.
constexpr bool may_need_escaping(std::uint64_t word) noexcept {
  constexpr std::uint64_t kOnes = 0x0101010101010101, kHighs = 0x8080808080808080;
  const auto has_less = [word](std::uint64_t n) { return (word - kOnes * n) & ~word; };
  const auto has = [word](std::uint64_t c) {
    const std::uint64_t x = word ^ kOnes * c;
    return (x - kOnes) & ~x;
  };
  return ((word | has_less(0x20) | has('"') | has('\\') | has(0x7f)) & kHighs) != 0;
}

/// A time of day, computed once a second and thread.
struct Second {
  time_t at = -1;
  tm parts{};
};

const tm& parts_of(time_t at) noexcept {
  static thread_local Second cache;
  if (cache.at != at) {
    ::gmtime_r(&at, &cache.parts);
    cache.at = at;
  }
  return cache.parts;
}

constexpr char to_lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

constexpr int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = to_lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// Names that end in one of these: access_token, x-amz-signature, api_key...
constexpr std::array<std::string_view, 10> kSecretEndings{
    "token",  "key",       "password", "passwd",     "pwd",
    "secret", "signature", "sig",      "credential", "auth"};

/// Where the query of a URL that stands in `value` begins: behind "?" or "%3F".
std::size_t inner_query(std::string_view value) noexcept {
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '?') return i + 1;
    if (value[i] == '%' && i + 2 < value.size() && value[i + 1] == '3' &&
        to_lower(value[i + 2]) == 'f')
      return i + 3;
  }
  return value.size();
}

constexpr std::string_view kHidden = "***";

}  // namespace

bool is_secret_name(std::string_view name) noexcept {
  // Only the end counts, and no ending is longer than this.
  std::array<char, 16> tail{};
  std::size_t at = tail.size();
  for (std::size_t i = name.size(); i > 0 && at > 0;) {
    int byte = 0;
    if (i >= 3 && name[i - 3] == '%' && hex_digit(name[i - 2]) >= 0 &&
        hex_digit(name[i - 1]) >= 0) {
      byte = hex_digit(name[i - 2]) * 16 + hex_digit(name[i - 1]);
      i -= 3;
    } else {
      byte = name[--i];
    }
    tail[--at] = to_lower(static_cast<char>(byte));
  }
  const std::string_view end(tail.data() + at, tail.size() - at);
  for (const std::string_view secret : kSecretEndings)
    if (end.ends_with(secret)) return true;
  return false;
}

void LineWriter::put_text(std::string_view text, Escape escape) noexcept {
  // Eight bytes at a time where none needs escaping, which is nearly always.
  while (text.size() >= sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data(), sizeof word);
    if (may_need_escaping(word)) break;
    std::memcpy(at_, &word, sizeof word);
    at_ += sizeof word;
    text.remove_prefix(sizeof word);
  }
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (!kEscaped[byte]) [[likely]] {
      *at_++ = c;
      continue;
    }
    if (escape == Escape::kJson && (c == '"' || c == '\\')) {
      put('\\');
      put(c);
      continue;
    }
    put(escape == Escape::kJson ? std::string_view("\\u00") : std::string_view("\\x"));
    put(kHexDigits[byte >> 4]);
    put(kHexDigits[byte & 15]);
  }
}

void LineWriter::put_query(std::string_view query, Escape escape) noexcept {
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    const std::size_t equals = pair.find('=');
    const std::string_view name = pair.substr(0, equals);
    put_text(name, escape);
    if (equals != std::string_view::npos) {
      const std::string_view value = pair.substr(equals + 1);
      put('=');
      const std::size_t shown = is_secret_name(name) ? 0 : inner_query(value);
      put_text(value.substr(0, shown), escape);
      if (shown < value.size()) put(kHidden);
    }
    if (end == std::string_view::npos) return;
    put('&');
    query.remove_prefix(end + 1);
  }
}

void LineWriter::put_digits(unsigned value, unsigned digits) noexcept {
  for (unsigned i = digits; i > 0; --i) {
    at_[i - 1] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
  at_ += digits;
}

void LineWriter::put_milliseconds(const timespec& t) noexcept {
  put('.');
  put_digits(static_cast<unsigned>(t.tv_nsec / 1'000'000), 3);
}

void LineWriter::put_iso_time(const timespec& t) noexcept {
  const tm& parts = parts_of(t.tv_sec);
  put_digits(static_cast<unsigned>(parts.tm_year) + 1900, 4);
  put('-');
  put_digits(static_cast<unsigned>(parts.tm_mon) + 1, 2);
  put('-');
  put_digits(static_cast<unsigned>(parts.tm_mday), 2);
  put('T');
  put_clock_time(t);
  put('Z');
}

void LineWriter::put_clock_time(const timespec& t) noexcept {
  const tm& parts = parts_of(t.tv_sec);
  put_digits(static_cast<unsigned>(parts.tm_hour), 2);
  put(':');
  put_digits(static_cast<unsigned>(parts.tm_min), 2);
  put(':');
  put_digits(static_cast<unsigned>(parts.tm_sec), 2);
  put_milliseconds(t);
}

void LineWriter::put_combined_time(const timespec& t) noexcept {
  static constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const tm& parts = parts_of(t.tv_sec);
  put_digits(static_cast<unsigned>(parts.tm_mday), 2);
  put('/');
  put(kMonths.substr(static_cast<std::size_t>(parts.tm_mon) * 3, 3));
  put('/');
  put_digits(static_cast<unsigned>(parts.tm_year) + 1900, 4);
  put(':');
  put_digits(static_cast<unsigned>(parts.tm_hour), 2);
  put(':');
  put_digits(static_cast<unsigned>(parts.tm_min), 2);
  put(':');
  put_digits(static_cast<unsigned>(parts.tm_sec), 2);
  put(" +0000");
}

}  // namespace millrace::log
