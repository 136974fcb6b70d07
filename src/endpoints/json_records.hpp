// The JSON texts of an answer, each led through one selector: the whole body, the lines of NDJSON,
// or the data of server-sent events.
//
// Empty lines are skipped, and so is the data of events that is not JSON, such as the "[DONE]" that
// language models end their streams with. A line that is not JSON is an error.
//
// Ownership: the selector must outlive it, each piece its feed(). Thread rule: one io thread.
// Memory: the line or event at hand, at most a mebibyte.
#pragma once

#include "parse/json_scanner.hpp"
#include "parse/json_select.hpp"
#include "parse/lines.hpp"
#include "parse/sse.hpp"

#include <algorithm>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace millrace::endpoints {

/// How an answer holds JSON.
enum class JsonFraming : std::uint8_t {
  kText,    ///< the body is one
  kLines,   ///< application/x-ndjson and its other names
  kEvents,  ///< text/event-stream
};

[[nodiscard]] JsonFraming json_framing_of(std::string_view content_type) noexcept;

class JsonRecords {
 public:
  /// The error says what is wrong: "line 3 is not JSON: ... at byte 7".
  using Outcome = std::expected<void, std::string>;

  JsonRecords(JsonFraming framing, parse::JsonSelect& select) noexcept
      : framing_(framing), select_(select) {}

  [[nodiscard]] Outcome feed(std::string_view piece);
  /// The body was whole.
  [[nodiscard]] Outcome finish();
  /// At most so much is kept of a line or event that has begun.
  [[nodiscard]] std::uint64_t held_bytes_max() const noexcept {
    return std::min(begun_bytes_, kHeldBytesMax);
  }
  /// What a byte of the body may become in a value, and a comma: bytes of events that are not UTF-8
  /// become three.
  [[nodiscard]] std::uint64_t growth_max() const noexcept {
    return framing_ == JsonFraming::kEvents ? 4 : 2;
  }

 private:
  [[nodiscard]] Outcome feed_lines();
  [[nodiscard]] Outcome take_line(std::string_view line);
  [[nodiscard]] Outcome feed_events(std::string_view piece);
  [[nodiscard]] bool is_json(std::string_view text);
  [[nodiscard]] std::expected<void, parse::JsonFault> take(std::string_view text);

  // An event, thrice where it is not UTF-8; more than a line has.
  static constexpr std::uint64_t kHeldBytesMax = 3 * parse::SseParser::kEventBytesMax;
  static_assert(kHeldBytesMax >= parse::LineSplitter::kLineBytesMax);

  const JsonFraming framing_;
  parse::JsonSelect& select_;
  parse::LineSplitter lines_;
  parse::SseParser events_;
  parse::JsonScanner scanner_;
  std::uint64_t begun_bytes_ = 0;
};

}  // namespace millrace::endpoints
