#include "parse/sse.hpp"

#include "parse/byte_scan.hpp"
#include "parse/utf8.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

namespace millrace::parse {

namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::size_t find_line_end(std::string_view text) noexcept {
  const char* const begin = text.data();
  return static_cast<std::size_t>(find_byte(LineEnd{}, begin, begin, begin + text.size()) - begin);
}

/// None: not digits alone. More than fits is as long as it gets.
std::optional<std::chrono::milliseconds> parse_retry(std::string_view digits) noexcept {
  using std::chrono::milliseconds;
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (digits.empty() || !std::ranges::all_of(digits, is_digit)) return std::nullopt;
  milliseconds::rep value = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return read.ec == std::errc() ? milliseconds(value) : milliseconds::max();
}

}  // namespace

SseParser::Next SseParser::next() {
  forget_given();
  for (;;) {
    std::string_view line;
    const Taken taken = failed_ ? Taken::kTooLong : take_line(line);
    if (taken == Taken::kNothing) return std::nullopt;
    if (taken == Taken::kTooLong) {
      failed_ = true;
      return std::unexpected(LineFault{lines_ + 1, kEventTooLong});
    }
    if (++lines_ == 1 && line.starts_with(kByteOrderMark)) line.remove_prefix(3);
    if (!line.empty())
      interpret(line);
    else if (dispatch())
      return SseEvent{type_.empty() ? "message" : std::string_view(type_), data_, last_event_id_};
  }
}

SseParser::Taken SseParser::take_line(std::string_view& line) {
  if (held_taken_) {
    held_.clear();
    held_taken_ = false;
  }
  if (skip_lf_ && !rest_.empty()) {
    if (rest_.front() == '\n') rest_.remove_prefix(1);
    skip_lf_ = false;
  }
  const std::size_t end = find_line_end(rest_);
  if (!fits(held_.size() + end)) return Taken::kTooLong;
  line = rest_.substr(0, end);
  if (!held_.empty() || end == rest_.size()) held_.append(line);
  if (end == rest_.size()) {
    rest_ = {};
    return Taken::kNothing;
  }
  skip_lf_ = rest_[end] == '\r';
  rest_.remove_prefix(end + 1);
  if (held_.empty()) return Taken::kLine;
  line = held_;
  held_taken_ = true;
  return Taken::kLine;
}

bool SseParser::fits(std::size_t line_bytes) const noexcept {
  return data_.size() + type_.size() + id_.size() + line_bytes <= event_bytes_max_;
}

bool SseParser::dispatch() {
  if (last_event_id_ != id_) last_event_id_ = id_;
  if (data_.empty()) {
    type_.clear();
    return false;
  }
  data_.pop_back();
  given_ = true;
  return true;
}

void SseParser::forget_given() noexcept {
  if (!given_) return;
  data_.clear();
  type_.clear();
  given_ = false;
}

void SseParser::interpret(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == 0) return;  // a comment
  std::string_view value;
  if (colon != line.npos) value = line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  field(line.substr(0, colon), value);
}

void SseParser::field(std::string_view name, std::string_view value) {
  if (name == "data") {
    append_utf8(data_, value);
    data_ += '\n';
  } else if (name == "event") {
    type_.clear();
    append_utf8(type_, value);
  } else if (name == "id") {
    if (value.contains('\0')) return;
    id_.clear();
    append_utf8(id_, value);
  } else if (name == "retry") {
    if (const auto time = parse_retry(value)) retry_ = time;
  }
}

}  // namespace millrace::parse
