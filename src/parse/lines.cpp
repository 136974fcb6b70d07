#include "parse/lines.hpp"

namespace millrace::parse {

LineSplitter::Next LineSplitter::next() {
  forget_given();
  if (failed_) return fail();
  const std::size_t end = rest_.find('\n');
  if (end == rest_.npos) return hold_rest();
  std::string_view line = rest_.substr(0, end);
  rest_.remove_prefix(end + 1);
  if (held_.size() + line.size() > line_bytes_max_ + 1) return fail();
  if (!held_.empty()) {
    held_.append(line);
    line = held_;
    given_ = true;
  }
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.size() > line_bytes_max_) return fail();
  ++line_;
  return line;
}

LineSplitter::Next LineSplitter::finish() {
  forget_given();
  if (failed_ || held_.size() > line_bytes_max_) return fail();
  if (held_.empty()) return std::nullopt;
  given_ = true;
  ++line_;
  return held_;
}

LineSplitter::Next LineSplitter::hold_rest() {
  if (rest_.empty()) return std::nullopt;
  // A CR at the end may belong to the line's end.
  const std::size_t bytes = held_.size() + rest_.size() - (rest_.ends_with('\r') ? 1 : 0);
  if (bytes > line_bytes_max_) return fail();
  held_.append(rest_);
  rest_ = {};
  return std::nullopt;
}

LineSplitter::Next LineSplitter::fail() noexcept {
  failed_ = true;
  return std::unexpected(LineFault{line_ + 1, kLineTooLong});
}

void LineSplitter::forget_given() noexcept {
  if (!given_) return;
  held_.clear();
  given_ = false;
}

}  // namespace millrace::parse
