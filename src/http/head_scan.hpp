// Finds the end of an HTTP/1 head in a buffer and refuses what must never reach a parser (RFC 9112
// sections 2.2, 3 and 5): bare CR, bare LF, NUL and other controls, line folding, white space
// before a colon, a field line without a name or without a colon.
//
// It is the first of two: this one looks at bytes, so that no parser's leniency matters; the gate
// (gate.hpp) looks at what the parsed head means. The start line's own syntax is the parser's
// business.
//
// A scanner remembers where it stopped: a head that arrives byte by byte costs no more than one
// that arrives whole. It keeps offsets, never pointers, so the buffer may move between calls.
//
// Thread rule: one thread at a time.
#pragma once

#include "base/error.hpp"
#include "http/limits.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::http {

enum class HeadKind : std::uint8_t { kRequest, kResponse };

class HeadScanner {
 public:
  explicit HeadScanner(HeadKind kind, const HeadLimits& limits = {}) noexcept
      : limits_(limits), kind_(kind) {}

  /// `bytes`: all bytes from the beginning of the message on, of which earlier calls saw a prefix.
  /// Returns 0 while more are needed, else the size of the head with its final empty line; whatever
  /// follows is not looked at. A request may have one empty line in front (RFC 9112 section 2.2);
  /// it is part of the size, and start() tells where the start line begins.
  ///
  /// Errors: kBadRequestLine, kBadField, kTargetTooLong, kHeadTooLarge, kTooManyFields; for
  /// responses kUpstreamBadMessage and kUpstreamHeadTooLarge. After an error or a size: reset()
  /// before the next.
  [[nodiscard]] Result<std::size_t> scan(std::string_view bytes) noexcept;

  /// 0, or 2 after an empty line in front of the request line.
  [[nodiscard]] std::size_t start() const noexcept { return progress_.start; }
  /// Field lines seen.
  [[nodiscard]] std::size_t fields() const noexcept { return progress_.fields; }

  /// For the next message of the connection.
  void reset() noexcept { progress_ = {}; }
  void reset(const HeadLimits& limits) noexcept {
    limits_ = limits;
    progress_ = {};
  }

 private:
  enum class Phase : std::uint8_t { kBegin, kStartLine, kLineBegin, kName, kValue };
  enum class Outcome : std::uint8_t { kGoOn, kNeedMore, kDone, kBadByte, kTooLong, kTooMany };

  // Where a scan stands. Copied into a local for the time of a scan, so that it lives in registers.
  struct Progress {
    std::size_t at = 0;          // everything before was looked at
    std::size_t start = 0;       // of the start line
    std::size_t line_begin = 0;  // of the field line that `at` is in
    std::size_t fields = 0;
    Phase phase = Phase::kBegin;
  };

  [[nodiscard]] Outcome start_line(std::string_view text, Progress& progress) const noexcept;
  [[nodiscard]] Outcome field_lines(std::string_view text, Progress& progress) const noexcept;
  [[nodiscard]] Error error_of(Outcome outcome) const noexcept;

  HeadLimits limits_;
  Progress progress_;
  HeadKind kind_;
};

}  // namespace millrace::http
