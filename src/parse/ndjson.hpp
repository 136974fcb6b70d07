// NDJSON (JSON Lines): a JSON text per line, each validated before it is given.
//
// Used like LineSplitter (lines.hpp). Empty lines and lines of nothing but white space are skipped,
// and counted. A line is given as it was written, without its end.
//
// Ownership, memory, thread rule: as of LineSplitter.
#pragma once

#include "parse/json_scanner.hpp"
#include "parse/lines.hpp"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

namespace millrace::parse {

struct NdjsonFault {
  std::uint64_t line = 0;    ///< from 1
  std::uint64_t offset = 0;  ///< of the byte in the line, from 0; 0 for a line that is too long
  std::string_view reason;   ///< static text: a sentence without a full stop

  friend bool operator==(const NdjsonFault&, const NdjsonFault&) = default;
};

class NdjsonSplitter {
 public:
  struct Limits {
    std::size_t line_bytes_max;
    JsonLimits json;
  };
  static constexpr Limits kDefaults{LineSplitter::kLineBytesMax, {}};
  /// None: the piece is used up. The line is there until the next call. A fault stays.
  using Next = std::expected<std::optional<std::string_view>, NdjsonFault>;

  explicit NdjsonSplitter(const Limits& limits = kDefaults) noexcept
      : lines_(limits.line_bytes_max), scanner_(limits.json) {}

  /// After next() had no more, or first.
  void feed(std::string_view piece) noexcept { lines_.feed(piece); }
  [[nodiscard]] Next next();
  /// After the last piece, when next() had no more: the last line, where there is one.
  [[nodiscard]] Next finish();
  /// The number of the line that was given last, from 1.
  [[nodiscard]] std::uint64_t line() const noexcept { return lines_.line(); }

 private:
  [[nodiscard]] Next judge(const LineSplitter::Next& line);

  LineSplitter lines_;
  JsonScanner scanner_;
  std::optional<NdjsonFault> fault_;
};

}  // namespace millrace::parse
