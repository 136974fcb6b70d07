#include "parse/json_scanner.hpp"

#include "parse/byte_scan.hpp"

#include <algorithm>

namespace millrace::parse {

namespace {

constexpr std::string_view kValueExpected = "a value was expected";
constexpr std::string_view kByteOrderMark = "a value was expected, and no byte order mark";
constexpr std::string_view kNameExpected = "a member's name in double quotes was expected";
constexpr std::string_view kColonExpected = "a colon was expected behind a member's name";
constexpr std::string_view kArrayGoesOn = "a comma or the end of the array was expected";
constexpr std::string_view kObjectGoesOn = "a comma or the end of the object was expected";
constexpr std::string_view kTextBehind = "something follows the value";
constexpr std::string_view kBadNumber = "a digit was expected in a number";
constexpr std::string_view kBadLiteral = "true, false or null was expected";
constexpr std::string_view kControl = "a control character in a string is not escaped";
constexpr std::string_view kBadEscape = "an unknown escape in a string";
constexpr std::string_view kBadHex = "four hexadecimal digits were expected behind \\u";
constexpr std::string_view kLoneSurrogate = "half of a surrogate pair in a string";
constexpr std::string_view kBadUtf8 = "a string is not valid UTF-8";
constexpr std::string_view kEmpty = "there is no value";
constexpr std::string_view kCutShort = "the text ends in the middle of a value";

constexpr bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

constexpr int hex_value(char c) noexcept {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Columns of the table of numbers.
constexpr std::size_t number_class(char c) noexcept {
  if (c == '0') return 0;
  if (is_digit(c)) return 1;
  if (c == '.') return 2;
  if (c == 'e' || c == 'E') return 3;
  if (c == '+' || c == '-') return 4;
  return 5;
}

/// What a simple escape stands for; 0: it is none.
constexpr char unescaped(char c) noexcept {
  switch (c) {
    case '"':
    case '\\':
    case '/':
      return c;
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return '\0';
  }
}

}  // namespace

// By state and number_class(); kDone: the byte does not belong to the number.
constinit const std::array<std::array<JsonScanner::State, 6>, JsonScanner::kNumberStates>
    JsonScanner::kNumberNext = [] {
      using enum State;
      return std::array<std::array<State, 6>, kNumberStates>{{
          {kZero, kInteger, kDone, kDone, kDone, kDone},
          {kDone, kDone, kPoint, kExponent, kDone, kDone},
          {kInteger, kInteger, kPoint, kExponent, kDone, kDone},
          {kFraction, kFraction, kDone, kDone, kDone, kDone},
          {kFraction, kFraction, kDone, kExponent, kDone, kDone},
          {kExponentDigits, kExponentDigits, kDone, kDone, kExponentSign, kDone},
          {kExponentDigits, kExponentDigits, kDone, kDone, kDone, kDone},
          {kExponentDigits, kExponentDigits, kDone, kDone, kDone, kDone},
      }};
    }();

bool JsonScanner::may_end(State state) noexcept {
  return state == State::kZero || state == State::kInteger || state == State::kFraction ||
         state == State::kExponentDigits;
}

void JsonScanner::reset() noexcept {
  begin_ = at_ = end_ = nullptr;
  piece_offset_ = 0;
  state_ = State::kValue;
  in_object_ = false;
  depth_ = 0;
  utf8_ = {};
  high_half_ = 0;
  watched_levels_ = 0;
  told_depth_ = kNoDepth;
  fault_ = {};
}

void JsonScanner::feed(std::string_view piece) noexcept {
  piece_offset_ = offset_of(end_);
  begin_ = at_ = piece.data();
  end_ = begin_ + piece.size();
}

JsonScanner::Event JsonScanner::next() {
  if (state_ == State::kFault) return Event::kFault;
  while (at_ != end_)
    if (const Event event = step(); event != Event::kNeedMore) return event;
  return Event::kNeedMore;
}

inline JsonScanner::Event JsonScanner::step() {
  switch (state_) {
    case State::kBegun:
      return value();
    case State::kValue:
    case State::kFirstElement:
    case State::kFirstName:
    case State::kName:
    case State::kColon:
    case State::kAfterValue:
    case State::kDone:
      return between();
    case State::kString:
      return string();
    case State::kEscape:
      return escape();
    case State::kHex:
      return hex();
    case State::kLowBackslash:
      return low_half('\\', State::kLowU);
    case State::kLowU:
      return low_half('u', State::kHex);
    case State::kLiteral:
      return literal();
    case State::kFault:
      return Event::kFault;
    default:
      return number();
  }
}

// A state is left for the next step() only where the piece ends, where there is something to tell,
// and once per value: what usually follows a token is looked at right behind it.

inline bool JsonScanner::skip_space() noexcept {
  if (at_ == end_) return false;
  constexpr NotSpace kNotSpace;
  if (kNotSpace.one(static_cast<unsigned char>(*at_))) return true;
  if (++at_ == end_) return false;
  if (kNotSpace.one(static_cast<unsigned char>(*at_))) return true;
  at_ = find_byte(kNotSpace, begin_, at_, end_);  // an indented text
  return at_ != end_;
}

inline JsonScanner::Event JsonScanner::between() {
  if (!skip_space()) return Event::kNeedMore;
  switch (state_) {
    case State::kAfterValue:
      return after_value();
    case State::kFirstElement:
      if (*at_ == ']') return close();
      return begin_value();
    case State::kValue:
      return begin_value();
    case State::kFirstName:
      if (*at_ == '}') return close();
      return begin_name();
    case State::kName:
      return begin_name();
    case State::kColon:
      return colon();
    default:
      return fail(at_, kTextBehind);
  }
}

inline JsonScanner::Event JsonScanner::after_value() {
  const char c = *at_;
  if (c != ',') {
    if (c == (in_object_ ? '}' : ']')) return close();
    return fail(at_, in_object_ ? kObjectGoesOn : kArrayGoesOn);
  }
  ++at_;
  state_ = in_object_ ? State::kName : State::kValue;
  if (!skip_space()) return Event::kNeedMore;
  return in_object_ ? begin_name() : begin_value();
}

inline JsonScanner::Event JsonScanner::begin_name() {
  if (*at_ != '"') return fail(at_, kNameExpected);
  ++at_;
  in_name_ = true;
  name_offset_ = offset_of(at_);
  const char* const stop = find_byte(StringStop{}, begin_, at_, end_);
  const std::size_t bytes = static_cast<std::size_t>(stop - at_);
  if (stop == end_ || *stop != '"' || bytes > limits_.name_bytes_max) {
    state_ = State::kString;
    return Event::kNeedMore;
  }
  name_ = {at_, bytes};
  at_ = stop + 1;
  state_ = State::kColon;
  if (watched() && bytes > 0) return Event::kName;
  return skip_space() ? colon() : Event::kNeedMore;
}

inline JsonScanner::Event JsonScanner::colon() {
  if (*at_ != ':') return fail(at_, kColonExpected);
  ++at_;
  state_ = State::kValue;
  return skip_space() ? begin_value() : Event::kNeedMore;
}

inline JsonScanner::Event JsonScanner::begin_value() {
  if (!watched()) return value();
  state_ = State::kBegun;
  return Event::kBegin;
}

inline JsonScanner::Event JsonScanner::value() {
  switch (*at_) {
    case '"':
      return begin_string();
    case '{':
      return open(true);
    case '[':
      return open(false);
    case 't':
      return begin_literal("true");
    case 'f':
      return begin_literal("false");
    case 'n':
      return begin_literal("null");
    case '-':
      return begin_number(State::kMinus);
    case '0':
      return begin_number(State::kZero);
    default:
      if (is_digit(*at_)) return begin_number(State::kInteger);
      return fail(at_, offset_of(at_) == 0 && *at_ == '\xEF' ? kByteOrderMark : kValueExpected);
  }
}

inline JsonScanner::Event JsonScanner::begin_string() {
  ++at_;
  in_name_ = false;
  const char* const stop = find_byte(StringStop{}, begin_, at_, end_);
  at_ = stop;
  if (stop == end_ || *stop != '"') {
    state_ = State::kString;
    return Event::kNeedMore;
  }
  ++at_;
  return end_value();
}

inline JsonScanner::Event JsonScanner::begin_number(State state) {
  ++at_;
  state_ = state;
  number_bytes_ = 1;
  return at_ == end_ ? Event::kNeedMore : number();
}

inline JsonScanner::Event JsonScanner::number() {
  State state = state_;
  const char* at = at_;
  for (;;) {
    if (state == State::kInteger || state == State::kFraction || state == State::kExponentDigits)
      while (at != end_ && is_digit(*at)) ++at;
    if (at == end_) break;
    const State next = kNumberNext[static_cast<std::size_t>(state)][number_class(*at)];
    if (next == State::kDone) break;
    state = next;
    ++at;
  }
  const std::size_t room = limits_.number_bytes_max - number_bytes_;
  const std::size_t bytes = static_cast<std::size_t>(at - at_);
  if (bytes > room) return fail(at_ + room, kJsonNumberTooLong);
  number_bytes_ += bytes;
  state_ = state;
  at_ = at;
  if (at == end_) return Event::kNeedMore;
  return may_end(state) ? end_value() : fail(at, kBadNumber);
}

inline JsonScanner::Event JsonScanner::begin_literal(std::string_view text) {
  if (std::string_view(at_, static_cast<std::size_t>(end_ - at_)).starts_with(text)) {
    at_ += text.size();
    return end_value();
  }
  literal_ = text;
  state_ = State::kLiteral;
  return literal();
}

JsonScanner::Event JsonScanner::literal() {
  for (; at_ != end_; ++at_) {
    if (*at_ != literal_.front()) return fail(at_, kBadLiteral);
    literal_.remove_prefix(1);
    if (!literal_.empty()) continue;
    ++at_;
    return end_value();
  }
  return Event::kNeedMore;
}

// Over plain text and whole sequences of UTF-8; inside of a sequence only at its bad byte, or where
// the piece ends.
const char* JsonScanner::skip_text(const char* at) noexcept {
  for (;;) {
    for (; utf8_.pending() && at != end_; ++at)
      if (!utf8_.follow(static_cast<unsigned char>(*at))) return at;
    at = find_byte(StringStop{}, begin_, at, end_);
    if (at == end_ || static_cast<unsigned char>(*at) < 0x80) return at;
    at = skip_sequences(at, end_);
    if (at == end_ || static_cast<unsigned char>(*at) < 0x80) continue;
    if (!utf8_.lead(static_cast<unsigned char>(*at))) return at;
    ++at;
  }
}

JsonScanner::Event JsonScanner::string() {
  const std::string_view run(at_, skip_text(at_));
  if (in_name_) {
    // An escape is counted when it is over, so that a cut in its middle makes no difference.
    const std::uint64_t before = offset_of(at_) - name_offset_;
    const std::uint64_t room =
        limits_.name_bytes_max - std::min<std::uint64_t>(before, limits_.name_bytes_max);
    if (before + run.size() > limits_.name_bytes_max) return fail(at_ + room, kJsonNameTooLong);
    at_ += run.size();
    if (watched() && !run.empty()) {
      name_ = run;
      return Event::kName;
    }
  } else {
    at_ += run.size();
  }
  return at_ == end_ ? Event::kNeedMore : string_stop();
}

inline JsonScanner::Event JsonScanner::string_stop() {
  if (utf8_.pending()) return fail(at_, kBadUtf8);
  switch (*at_) {
    case '"':
      ++at_;
      if (!in_name_) return end_value();
      state_ = State::kColon;
      return Event::kNeedMore;
    case '\\':
      ++at_;
      state_ = State::kEscape;
      return Event::kNeedMore;
    default:
      return fail(at_, static_cast<unsigned char>(*at_) < 0x20 ? kControl : kBadUtf8);
  }
}

JsonScanner::Event JsonScanner::escape() {
  const char c = *at_;
  if (c == 'u') {
    ++at_;
    hex_left_ = 4;
    unicode_ = 0;
    state_ = State::kHex;
    return Event::kNeedMore;
  }
  const char meant = unescaped(c);
  if (meant == '\0') return fail(at_, kBadEscape);
  ++at_;
  return end_escape(static_cast<char32_t>(meant));
}

JsonScanner::Event JsonScanner::hex() {
  for (; at_ != end_; ++at_) {
    const int digit = hex_value(*at_);
    if (digit < 0) return fail(at_, kBadHex);
    unicode_ = unicode_ * 16 + static_cast<char32_t>(digit);
    if (--hex_left_ > 0) continue;
    const bool is_high = unicode_ >= 0xd800 && unicode_ < 0xdc00;
    const bool is_low = unicode_ >= 0xdc00 && unicode_ < 0xe000;
    if (is_low != (high_half_ != 0)) return fail(at_, kLoneSurrogate);
    ++at_;
    if (is_low) return end_escape(0x10000 + ((high_half_ - 0xd800) << 10) + (unicode_ - 0xdc00));
    if (!is_high) return end_escape(unicode_);
    high_half_ = unicode_;
    state_ = State::kLowBackslash;
    return Event::kNeedMore;
  }
  return Event::kNeedMore;
}

JsonScanner::Event JsonScanner::low_half(char wanted, State then) {
  if (*at_ != wanted) return fail(at_, kLoneSurrogate);
  ++at_;
  hex_left_ = 4;
  unicode_ = 0;
  state_ = then;
  return Event::kNeedMore;
}

JsonScanner::Event JsonScanner::end_escape(char32_t code_point) {
  high_half_ = 0;
  state_ = State::kString;
  if (!in_name_ || !watched()) return Event::kNeedMore;
  name_ = std::string_view(unescaped_.data(), write_utf8(code_point, unescaped_.data()));
  return Event::kName;
}

inline JsonScanner::Event JsonScanner::open(bool object) {
  constexpr std::size_t kBits = 64;
  if (depth_ == limits_.depth_max) return fail(at_, kJsonTooDeep);
  if (depth_ / kBits == objects_.size()) objects_.push_back(0);
  const std::uint64_t bit = std::uint64_t{1} << depth_ % kBits;
  std::uint64_t& word = objects_[depth_ / kBits];
  word = object ? word | bit : word & ~bit;
  ++at_;
  ++depth_;
  in_object_ = object;
  state_ = object ? State::kFirstName : State::kFirstElement;
  return Event::kNeedMore;
}

inline JsonScanner::Event JsonScanner::close() {
  constexpr std::size_t kBits = 64;
  ++at_;
  --depth_;
  in_object_ = depth_ > 0 && (objects_[(depth_ - 1) / kBits] >> (depth_ - 1) % kBits & 1) != 0;
  watched_levels_ = std::min(watched_levels_, depth_ + 1);
  return end_value();
}

inline JsonScanner::Event JsonScanner::end_value() {
  state_ = depth_ == 0 ? State::kDone : State::kAfterValue;
  if (depth_ != told_depth_) return Event::kNeedMore;
  told_depth_ = kNoDepth;
  return Event::kEnd;
}

JsonScanner::Event JsonScanner::fail(const char* at, std::string_view reason) {
  fault_ = {offset_of(at), reason};
  at_ = at;
  state_ = State::kFault;
  return Event::kFault;
}

std::expected<void, JsonFault> JsonScanner::finish() noexcept {
  if (state_ == State::kFault) return std::unexpected(fault_);
  if (depth_ == 0 && (state_ == State::kDone || may_end(state_))) {
    state_ = State::kDone;
    return {};
  }
  const bool begun = depth_ > 0 || state_ != State::kValue;
  (void)fail(end_, begun ? kCutShort : kEmpty);
  return std::unexpected(fault_);
}

}  // namespace millrace::parse
