#include "http/head_scan.hpp"

#include "http/byte_scan.hpp"

#include <algorithm>

namespace millrace::http {
namespace {

// The start line of a request may be this much longer than its target: method, version and spaces.
constexpr std::size_t kStartLineSlackBytes = kMethodBytesMax + 16;

enum class LineEnd : std::uint8_t { kNone, kSplit, kWhole };

// Is there a CR LF at `at`, or the first half of one in the last byte?
inline LineEnd line_end(std::string_view text, std::size_t at) noexcept {
  if (text[at] != '\r') return LineEnd::kNone;
  if (at + 1 == text.size()) return LineEnd::kSplit;
  return text[at + 1] == '\n' ? LineEnd::kWhole : LineEnd::kNone;
}

template <class Match>
inline std::size_t find(std::string_view text, std::size_t at) noexcept {
  const char* const begin = text.data();
  return static_cast<std::size_t>(find_byte<Match>(begin, begin + at, begin + text.size()) - begin);
}

}  // namespace

Result<std::size_t> HeadScanner::scan(std::string_view bytes) noexcept {
  const std::string_view text = bytes.substr(0, limits_.head_bytes_max);
  Progress progress = progress_;
  Outcome outcome = Outcome::kGoOn;
  if (progress.phase <= Phase::kStartLine) outcome = start_line(text, progress);
  if (outcome == Outcome::kGoOn) outcome = field_lines(text, progress);
  progress_ = progress;
  if (outcome == Outcome::kDone) return progress_.at;
  if (outcome != Outcome::kNeedMore) return fail(error_of(outcome));
  if (text.size() < limits_.head_bytes_max) return 0;
  return fail(error_of(Outcome::kTooLong));
}

inline HeadScanner::Outcome HeadScanner::start_line(std::string_view text,
                                                    Progress& progress) const noexcept {
  std::size_t& at = progress.at;
  if (at == text.size()) return Outcome::kNeedMore;
  if (progress.phase == Phase::kBegin) {
    if (text.front() == '\r' && kind_ == HeadKind::kRequest) {
      const LineEnd end = line_end(text, 0);
      if (end != LineEnd::kWhole)
        return end == LineEnd::kSplit ? Outcome::kNeedMore : Outcome::kBadByte;
      at = progress.start = 2;
    }
    progress.phase = Phase::kStartLine;
  }
  at = find<ControlButTab>(text, at);
  const std::size_t length = at - progress.start;
  if (kind_ == HeadKind::kRequest && length > limits_.target_bytes_max + kStartLineSlackBytes)
    return Outcome::kTooLong;
  if (at == text.size()) return Outcome::kNeedMore;
  const LineEnd end = line_end(text, at);
  if (end == LineEnd::kNone || length == 0) return Outcome::kBadByte;
  if (end == LineEnd::kSplit) return Outcome::kNeedMore;
  at += 2;
  progress.phase = Phase::kLineBegin;
  return Outcome::kGoOn;
}

// One turn per line, entered where the last call stopped.
inline HeadScanner::Outcome HeadScanner::field_lines(std::string_view text,
                                                     Progress& progress) const noexcept {
  std::size_t& at = progress.at;
  for (;; progress.phase = Phase::kLineBegin) {
    if (progress.phase == Phase::kLineBegin) {
      if (at == text.size()) return Outcome::kNeedMore;
      if (text[at] == '\r') {
        const LineEnd end = line_end(text, at);
        if (end == LineEnd::kSplit) return Outcome::kNeedMore;
        at += 2;
        return end == LineEnd::kWhole ? Outcome::kDone : Outcome::kBadByte;
      }
      if (++progress.fields > limits_.fields_max) return Outcome::kTooMany;
      progress.line_begin = at;
      progress.phase = Phase::kName;
    }
    if (progress.phase == Phase::kName) {
      // A folded line begins with white space, and a line without a colon ends before one: in both
      // something else than a colon comes first.
      at = find<NameEnd>(text, at);
      if (at == text.size()) return Outcome::kNeedMore;
      if (text[at] != ':' || at == progress.line_begin) return Outcome::kBadByte;
      ++at;
      progress.phase = Phase::kValue;
    }
    at = find<ControlButTab>(text, at);
    if (at == text.size()) return Outcome::kNeedMore;
    const LineEnd end = line_end(text, at);
    if (end == LineEnd::kNone) return Outcome::kBadByte;
    if (end == LineEnd::kSplit) return Outcome::kNeedMore;
    at += 2;
  }
}

Error HeadScanner::error_of(Outcome outcome) const noexcept {
  if (kind_ == HeadKind::kResponse)
    return outcome == Outcome::kBadByte ? Errc::kUpstreamBadMessage : Errc::kUpstreamHeadTooLarge;
  const bool in_start_line = progress_.phase <= Phase::kStartLine;
  if (outcome == Outcome::kTooMany) return Errc::kTooManyFields;
  if (outcome == Outcome::kTooLong)
    return in_start_line ? Errc::kTargetTooLong : Errc::kHeadTooLarge;
  return in_start_line ? Errc::kBadRequestLine : Errc::kBadField;
}

}  // namespace millrace::http
