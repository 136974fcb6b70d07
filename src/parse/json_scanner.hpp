// One JSON text (RFC 8259), checked as it comes, in constant memory, cut anywhere.
//
//   scanner.feed(piece);
//   for (;;) switch (scanner.next()) { ... until kNeedMore or kFault }
//   ... and after the last piece: scanner.finish().
//
// Strict: no byte order mark, no comments, no trailing commas, no NaN, valid UTF-8, escaped
// surrogates in pairs. Numbers are not converted, so their range is not judged; names may come
// twice. A text of which only the validity matters has no events: next() runs to the piece's end.
//
// Events are for whoever watches the outer levels of a text. Level 1 is the text's one value, level
// 2 are the members and elements of that, and so on; values deeper than the watched levels are only
// checked. A consumer that means to look into a value widens watch() by a level when that begins;
// it is narrowed again when the value ends.
//
// Ownership: refers to the last piece, which must stay until next() says kNeedMore. Thread rule:
// one thread at a time. Memory: one bit per level of nesting.
#pragma once

#include "parse/utf8.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <string_view>
#include <vector>

namespace millrace::parse {

/// Where a text stopped being JSON, and why.
struct JsonFault {
  /// Of the byte in the stream, from 0; the stream's length: the text is cut short.
  std::uint64_t offset = 0;
  std::string_view reason;  ///< static text: a sentence without a full stop

  friend bool operator==(const JsonFault&, const JsonFault&) = default;
};

struct JsonLimits {
  /// Arrays and objects inside one another. RFC 8259 section 9 leaves it to the parser.
  static constexpr std::size_t kDepthMax = 128;
  /// A member's name as it is written, between its quotes.
  static constexpr std::size_t kNameBytesMax = std::size_t{64} * 1024;
  /// A double has 767 significant digits at most; more say nothing.
  static constexpr std::size_t kNumberBytesMax = 1024;

  std::size_t depth_max = kDepthMax;
  std::size_t name_bytes_max = kNameBytesMax;
  std::size_t number_bytes_max = kNumberBytesMax;
};

/// Reasons that say that a limit was met and not that the text is wrong.
inline constexpr std::string_view kJsonTooDeep = "arrays and objects are nested too deeply";
inline constexpr std::string_view kJsonNameTooLong = "a member's name is too long";
inline constexpr std::string_view kJsonNumberTooLong = "a number is too long";

class JsonScanner {
 public:
  enum class Event : std::uint8_t {
    kNeedMore,  ///< the piece is used up
    kName,      ///< name() is the next part of the name of the member whose value comes next
    kBegin,     ///< a value is to begin at at(), inside of depth() arrays and objects
    kEnd,       ///< the value that tell_end() was said of has ended before at()
    kFault,     ///< fault(), at at(); nothing comes after it
  };

  explicit JsonScanner(JsonLimits limits = {}) noexcept : limits_(limits) {}

  /// For another text, with the same limits; nothing is watched.
  void reset() noexcept;
  /// Events for the values of the outer `levels`: first, or after the kBegin of an array or object.
  void watch(std::size_t levels) noexcept { watched_levels_ = levels; }
  /// After kBegin: tell of this value's end. Of one value at a time.
  void tell_end() noexcept { told_depth_ = depth_; }

  /// After kNeedMore, or first.
  void feed(std::string_view piece) noexcept;
  [[nodiscard]] Event next();
  /// After the last piece and its kNeedMore: was it a whole JSON text? A number that is the whole
  /// text ends only here, without an event.
  [[nodiscard]] std::expected<void, JsonFault> finish() noexcept;

  /// How many arrays and objects are open.
  [[nodiscard]] std::size_t depth() const noexcept { return depth_; }
  /// Is the innermost of them an object?
  [[nodiscard]] bool in_object() const noexcept { return in_object_; }
  /// In the piece: how far it was read.
  [[nodiscard]] const char* at() const noexcept { return at_; }
  /// kName: part of a member's name, unescaped; never empty. Until the next call.
  [[nodiscard]] std::string_view name() const noexcept { return name_; }
  [[nodiscard]] const JsonFault& fault() const noexcept { return fault_; }

 private:
  enum class State : std::uint8_t {
    // Of numbers, in the order of the table in the .cpp.
    kMinus,
    kZero,
    kInteger,
    kPoint,
    kFraction,
    kExponent,
    kExponentSign,
    kExponentDigits,
    // Between tokens.
    kValue,
    kBegun,  ///< as kValue, and its event was given
    kFirstElement,
    kFirstName,
    kName,
    kColon,
    kAfterValue,
    kDone,
    // In tokens.
    kString,
    kEscape,
    kHex,
    kLowBackslash,  ///< behind the first half of an escaped surrogate pair
    kLowU,
    kLiteral,
    kFault,
  };
  static constexpr std::size_t kNoDepth = static_cast<std::size_t>(-1);
  static constexpr std::size_t kNumberStates = 8;
  static const std::array<std::array<State, 6>, kNumberStates> kNumberNext;

  // Each goes on at at_, which is not end_. kNeedMore: nothing to tell, and not that at_ is end_.
  Event step();
  Event between();
  Event after_value();
  Event begin_name();
  Event colon();
  Event begin_value();
  Event value();
  Event begin_string();
  Event begin_number(State state);
  Event number();
  Event begin_literal(std::string_view text);
  Event literal();
  Event string();
  Event string_stop();
  Event escape();
  Event hex();
  Event low_half(char wanted, State then);
  Event end_escape(char32_t code_point);
  Event open(bool object);
  Event close();
  Event end_value();
  Event fail(const char* at, std::string_view reason);

  /// False: at_ is end_.
  bool skip_space() noexcept;
  const char* skip_text(const char* at) noexcept;
  /// Is a number that got so far one?
  [[nodiscard]] static bool may_end(State state) noexcept;
  [[nodiscard]] bool watched() const noexcept { return depth_ < watched_levels_; }
  [[nodiscard]] std::uint64_t offset_of(const char* at) const noexcept {
    return piece_offset_ + static_cast<std::uint64_t>(at - begin_);
  }

  const JsonLimits limits_;
  const char* begin_ = nullptr;
  const char* at_ = nullptr;
  const char* end_ = nullptr;
  State state_ = State::kValue;
  bool in_object_ = false;
  bool in_name_ = false;
  std::size_t depth_ = 0;
  std::size_t watched_levels_ = 0;
  std::size_t told_depth_ = kNoDepth;
  std::vector<std::uint64_t> objects_;  ///< a bit per open level: is it an object?

  std::uint64_t piece_offset_ = 0;
  std::uint64_t name_offset_ = 0;  ///< of a name's first byte
  std::size_t number_bytes_ = 0;   ///< in earlier pieces
  std::string_view literal_;       ///< what is left of it
  Utf8Check utf8_;
  std::uint8_t hex_left_ = 0;
  char32_t unicode_ = 0;
  char32_t high_half_ = 0;
  std::string_view name_;
  std::array<char, kUtf8BytesMax> unescaped_{};
  JsonFault fault_;
};

}  // namespace millrace::parse
