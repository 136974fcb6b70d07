// Lines of a stream, cut anywhere.
//
//   lines.feed(piece);
//   for (;;) { const auto line = lines.next(); ... until it holds none }
//   ... and after the last piece: lines.finish().
//
// A line ends with LF or CRLF, which are not part of it; a CR elsewhere is. What follows the last
// LF is a line too, unless it is empty. A line that lies in one piece is a view into that piece,
// others are put together.
//
// Ownership: refers to the last piece, which must stay until next() has no more. Thread rule: one
// thread at a time. Memory: the longest line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::parse {

struct LineFault {
  std::uint64_t line = 0;   ///< from 1
  std::string_view reason;  ///< static text: a sentence without a full stop

  friend bool operator==(const LineFault&, const LineFault&) = default;
};

inline constexpr std::string_view kLineTooLong = "the line is too long";

class LineSplitter {
 public:
  static constexpr std::size_t kLineBytesMax = std::size_t{1024} * 1024;
  /// None: the piece is used up. The line is there until the next call. A fault stays.
  using Next = std::expected<std::optional<std::string_view>, LineFault>;

  /// `line_bytes_max` without the line's end.
  explicit LineSplitter(std::size_t line_bytes_max = kLineBytesMax) noexcept
      : line_bytes_max_(line_bytes_max) {}

  /// After next() had no more, or first.
  void feed(std::string_view piece) noexcept { rest_ = piece; }
  [[nodiscard]] Next next();
  /// After the last piece, when next() had no more: the last line, where there is one.
  [[nodiscard]] Next finish();
  /// The number of the line that was given last, from 1.
  [[nodiscard]] std::uint64_t line() const noexcept { return line_; }

 private:
  [[nodiscard]] Next hold_rest();
  [[nodiscard]] Next fail() noexcept;
  void forget_given() noexcept;

  const std::size_t line_bytes_max_;
  std::string_view rest_;
  std::string held_;    ///< of a line that began in an earlier piece
  bool given_ = false;  ///< held_ is the line that was given last
  bool failed_ = false;
  std::uint64_t line_ = 0;
};

}  // namespace millrace::parse
