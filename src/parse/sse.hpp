// Server-sent events: the event stream format of the WHATWG HTML standard, section 9.2.6.
//
//   parser.feed(piece);
//   for (;;) { const auto event = parser.next(); ... until it holds none }
//
// There is no finish(): an event without the empty line behind it is dropped, as the standard says.
// Bytes that are not UTF-8 become U+FFFD, and a byte order mark at the beginning is skipped.
//
// Ownership: refers to the last piece, which must stay until next() has no more. Thread rule: one
// thread at a time. Memory: one event, and thrice that where it is not UTF-8.
#pragma once

#include "parse/lines.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::parse {

struct SseEvent {
  std::string_view type;  ///< "message" when the stream did not say
  std::string_view data;  ///< the lines of data, joined by LF
  std::string_view
      last_event_id;  ///< the last that the stream said, of this event or of one before

  friend bool operator==(const SseEvent&, const SseEvent&) = default;
};

inline constexpr std::string_view kEventTooLong = "the event is too long";

class SseParser {
 public:
  static constexpr std::size_t kEventBytesMax = std::size_t{1024} * 1024;
  /// None: the piece is used up. The event is there until the next call. A fault stays.
  using Next = std::expected<std::optional<SseEvent>, LineFault>;

  /// `event_bytes_max` of what an event's fields say and its line at hand, a comment too.
  explicit SseParser(std::size_t event_bytes_max = kEventBytesMax) noexcept
      : event_bytes_max_(event_bytes_max) {}

  /// After next() had no more, or first.
  void feed(std::string_view piece) noexcept { rest_ = piece; }
  [[nodiscard]] Next next();

  /// What a client that connects again sends as Last-Event-ID, when it is not empty.
  [[nodiscard]] std::string_view last_event_id() const noexcept { return last_event_id_; }
  /// The reconnection time, once the stream has said one.
  [[nodiscard]] std::optional<std::chrono::milliseconds> retry() const noexcept { return retry_; }

 private:
  enum class Taken : std::uint8_t { kLine, kNothing, kTooLong };
  Taken take_line(std::string_view& line);
  void forget_given() noexcept;
  [[nodiscard]] bool fits(std::size_t line_bytes) const noexcept;
  [[nodiscard]] bool dispatch();
  void interpret(std::string_view line);
  void field(std::string_view name, std::string_view value);

  const std::size_t event_bytes_max_;
  std::string_view rest_;
  std::string held_;         ///< of a line that began in an earlier piece
  bool held_taken_ = false;  ///< held_ is the line at hand
  bool skip_lf_ = false;     ///< the last line ended with a CR
  bool given_ = false;       ///< data_ and type_ are the event that was given last
  bool failed_ = false;
  std::uint64_t lines_ = 0;

  std::string type_;
  std::string data_;  ///< each line with an LF behind it
  std::string id_;
  std::string last_event_id_;
  std::optional<std::chrono::milliseconds> retry_;
};

}  // namespace millrace::parse
