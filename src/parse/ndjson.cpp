#include "parse/ndjson.hpp"

namespace millrace::parse {

namespace {

bool is_blank(const LineSplitter::Next& line) noexcept {
  return line && *line && (*line)->find_first_not_of(" \t\r") == std::string_view::npos;
}

}  // namespace

NdjsonSplitter::Next NdjsonSplitter::next() {
  if (fault_) return std::unexpected(*fault_);
  for (;;)
    if (const auto line = lines_.next(); !is_blank(line)) return judge(line);
}

NdjsonSplitter::Next NdjsonSplitter::finish() {
  if (fault_) return std::unexpected(*fault_);
  const auto line = lines_.finish();
  if (is_blank(line)) return std::nullopt;
  return judge(line);
}

NdjsonSplitter::Next NdjsonSplitter::judge(const LineSplitter::Next& line) {
  if (!line) {
    fault_ = {line.error().line, 0, line.error().reason};
    return std::unexpected(*fault_);
  }
  if (!*line) return std::nullopt;
  scanner_.reset();
  scanner_.feed(**line);
  (void)scanner_.next();  // nothing is watched: to the end, or to a fault that finish() repeats
  if (const auto whole = scanner_.finish(); !whole) {
    fault_ = {lines_.line(), whole.error().offset, whole.error().reason};
    return std::unexpected(*fault_);
  }
  return **line;
}

}  // namespace millrace::parse
