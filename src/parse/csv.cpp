#include "parse/csv.hpp"

#include "parse/byte_scan.hpp"

#include <algorithm>

namespace millrace::parse {

namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::string_view kQuoteInField = "a quote in a field that does not begin with one";
constexpr std::string_view kTextBehindQuote = "a closing quote is followed by more of the field";
constexpr std::string_view kLoneReturn = "a carriage return without a line feed";
constexpr std::string_view kOpenQuote = "the closing quote is missing";

}  // namespace

CsvSplitter::Next CsvSplitter::next() {
  forget_given();
  at_ = rest_.data();
  if (reason_.empty())
    while (at_ != end() && step()) {
    }
  if (reason_.empty() && !row_ended_) (void)fits();
  if (!reason_.empty()) return std::unexpected(CsvFault{row_ + 1, reason_});
  if (row_ended_) return give_row();
  held_.append(rest_);
  rest_ = {};
  return std::nullopt;
}

CsvSplitter::Next CsvSplitter::finish() {
  forget_given();
  at_ = rest_.data();
  if (reason_.empty() && !end_last_field()) return std::nullopt;
  if (!reason_.empty()) return std::unexpected(CsvFault{row_ + 1, reason_});
  return give_row();
}

/// Of the row that is held. False: there is none.
bool CsvSplitter::end_last_field() {
  const std::size_t size = held_.size();
  switch (state_) {
    case State::kBegin:
      if (size == 0) return false;
      field_offset_ = 0;
      break;
    case State::kFieldBegin:
      if (fields_.empty()) return false;
      field_offset_ = size;
      break;
    case State::kPlain:
      break;
    case State::kQuoted:
      (void)fail(kOpenQuote);
      return true;
    case State::kQuote:
      (void)end_field(size - 1);
      return true;
    case State::kReturn:
      (void)fail(kLoneReturn);
      return true;
  }
  (void)end_field(size);
  return true;
}

inline bool CsvSplitter::step() {
  if (state_ != State::kReturn && !fits()) return false;
  switch (state_) {
    case State::kBegin:
      return begin();
    case State::kFieldBegin:
      return field_begin();
    case State::kPlain:
      return plain();
    case State::kQuoted:
      return quoted();
    case State::kQuote:
      return quote();
    case State::kReturn:
      return line_feed();
  }
  return false;
}

bool CsvSplitter::begin() {
  if (*at_ == kByteOrderMark[mark_bytes_]) {
    ++at_;
    if (++mark_bytes_ == kByteOrderMark.size()) state_ = State::kFieldBegin;
    return true;
  }
  // What looked like a mark was the text of a field.
  field_offset_ = 0;
  state_ = mark_bytes_ == 0 ? State::kFieldBegin : State::kPlain;
  return true;
}

inline bool CsvSplitter::field_begin() {
  const bool is_quoted = *at_ == '"';
  if (is_quoted) ++at_;
  state_ = is_quoted ? State::kQuoted : State::kPlain;
  field_offset_ = offset();
  return is_quoted || plain();
}

inline bool CsvSplitter::plain() {
  at_ = find_byte(CsvStop{options_.delimiter}, rest_.data(), at_, end());
  if (!fits()) return false;
  if (at_ == end()) return true;
  if (*at_ == '"') return fail(kQuoteInField);
  return end_field(offset()) && after_field();
}

inline bool CsvSplitter::quoted() {
  const std::string_view text(at_, static_cast<std::size_t>(end() - at_));
  const std::size_t quote = text.find('"');
  at_ += std::min(quote, text.size());
  if (!fits()) return false;
  if (at_ == end()) return true;
  ++at_;
  state_ = State::kQuote;
  return true;
}

inline bool CsvSplitter::quote() {
  if (*at_ == '"') {
    ++at_;
    has_escapes_ = true;
    state_ = State::kQuoted;
    return true;
  }
  if (*at_ != options_.delimiter && *at_ != '\n' && *at_ != '\r') return fail(kTextBehindQuote);
  return end_field(offset() - 1) && after_field();
}

/// At a delimiter, CR or LF.
inline bool CsvSplitter::after_field() {
  const char c = *at_++;
  if (c == options_.delimiter) {
    state_ = State::kFieldBegin;
    return true;
  }
  row_ended_ = c == '\n';
  state_ = State::kReturn;
  return !row_ended_;
}

inline bool CsvSplitter::line_feed() {
  if (*at_ != '\n') return fail(kLoneReturn);
  ++at_;
  row_ended_ = true;
  return false;
}

inline bool CsvSplitter::end_field(std::size_t end) {
  if (fields_.size() == options_.fields_max) return fail(kTooManyFields);
  fields_.push_back({field_offset_, end, has_escapes_});
  has_escapes_ = false;
  return true;
}

bool CsvSplitter::fail(std::string_view reason) noexcept {
  reason_ = reason;
  return false;
}

inline bool CsvSplitter::fits() noexcept {
  if (state_ == State::kReturn || offset() <= options_.row_bytes_max) return true;
  return fail(kRowTooLong);
}

CsvSplitter::Next CsvSplitter::give_row() {
  const std::size_t in_piece = static_cast<std::size_t>(at_ - rest_.data());
  std::string_view row = rest_.substr(0, in_piece);
  rest_.remove_prefix(in_piece);
  if (!held_.empty()) row = held_.append(row);
  views_.clear();
  unescaped_.clear();
  for (const Field& field : fields_) {
    const std::string_view text = row.substr(field.begin, field.end - field.begin);
    if (field.has_escapes && unescaped_.empty()) unescaped_.reserve(row.size());
    views_.push_back(field.has_escapes ? unescape(text) : text);
  }
  given_ = true;
  ++row_;
  return CsvRow(views_);
}

/// `unescaped_` has room for the whole row: views into it hold.
std::string_view CsvSplitter::unescape(std::string_view text) {
  const std::size_t begin = unescaped_.size();
  for (;;) {
    const std::size_t quote = text.find('"');
    unescaped_.append(text.substr(0, quote));
    if (quote == text.npos) break;
    unescaped_ += '"';
    text.remove_prefix(quote + 2);
  }
  return std::string_view(unescaped_).substr(begin);
}

void CsvSplitter::forget_given() noexcept {
  if (!given_) return;
  held_.clear();
  fields_.clear();
  state_ = State::kFieldBegin;
  row_ended_ = false;
  given_ = false;
}

}  // namespace millrace::parse
