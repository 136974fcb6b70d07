// Writing log lines into room that was measured before: numbers, times, escaped text.
//
// What a client sent is escaped byte by byte, so that no line can forge another, move a terminal's
// cursor or break a JSON reader: bytes outside of printable ASCII become \u00XX (JSON) or \xXX
// (plain text); JSON's readers thus see them as Latin-1.
//
// Thread rule: one thread at a time.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <time.h>

namespace millrace::log {

/// How text is made harmless.
enum class Escape : std::uint8_t { kJson, kPlain };

class LineWriter {
 public:
  /// An escaped byte takes at most so many.
  static constexpr std::size_t kEscapedBytesMax = 6;

  explicit LineWriter(char* at) noexcept : begin_(at), at_(at) {}

  void put(char c) noexcept { *at_++ = c; }
  void put(std::string_view text) noexcept {
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  void put_number(std::uint64_t n) noexcept { at_ = std::to_chars(at_, at_ + 20, n).ptr; }
  void put_number(std::int64_t n) noexcept { at_ = std::to_chars(at_, at_ + 20, n).ptr; }
  /// Escaped, without quotes around it.
  void put_text(std::string_view text, Escape escape) noexcept;
  /// Like put_text, for the query of a target: the values of parameters whose name speaks of a
  /// secret become "***", and so does the query of a URL inside of a value (presigned URLs).
  void put_query(std::string_view query, Escape escape) noexcept;

  /// 2026-11-21T03:04:05.678Z
  void put_iso_time(const timespec& t) noexcept;
  /// 03:04:05.678 (UTC)
  void put_clock_time(const timespec& t) noexcept;
  /// 21/Nov/2026:03:04:05 +0000
  void put_combined_time(const timespec& t) noexcept;

  [[nodiscard]] std::size_t written() const noexcept {
    return static_cast<std::size_t>(at_ - begin_);
  }

 private:
  void put_digits(unsigned value, unsigned digits) noexcept;
  void put_milliseconds(const timespec& t) noexcept;

  char* begin_;
  char* at_;
};

/// Does a query parameter of this name (percent-encoded or not, in any case) hold a secret?
[[nodiscard]] bool is_secret_name(std::string_view name) noexcept;

}  // namespace millrace::log
