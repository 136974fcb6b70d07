// Lines, NDJSON, server-sent events and CSV. The first byte of an input says which (L, N, E; C with
// commas, else CSV with semicolons), the rest is the text: what comes out, and the fault, may not
// depend on how it was cut. Limits are small, so that inputs meet them.
#include "fuzz/check.hpp"
#include "fuzz/pieces.hpp"
#include "parse/csv.hpp"
#include "parse/lines.hpp"
#include "parse/ndjson.hpp"
#include "parse/sse.hpp"
#include "parse/utf8.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace millrace;
using fuzz::check;

constexpr std::size_t kItemBytesMax = 60;

// One text per item, which says everything of it.

std::string text_of(std::string_view line) {
  check(!line.contains('\n') && line.size() <= kItemBytesMax, "no line");
  return std::string(line);
}

std::string text_of(const parse::SseEvent& event) {
  for (const std::string_view text : {event.type, event.data, event.last_event_id})
    check(parse::is_utf8(text), "not UTF-8");
  check(!event.type.empty() && !event.last_event_id.contains('\0'), "no event");
  return std::string(event.type) + '\n' + std::string(event.last_event_id) + '\n' +
         std::string(event.data);
}

std::string text_of(parse::CsvRow row) {
  check(!row.empty(), "a row without fields");
  std::string text;
  for (const std::string_view field : row)
    text.append(std::to_string(field.size())).append(":").append(field);
  return text;
}

template <class Splitter>
struct Outcome {
  std::vector<std::string> items;
  std::optional<typename Splitter::Next::error_type> fault;

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

template <class Splitter>
Outcome<Splitter> split(Splitter splitter, std::span<const std::string_view> pieces) {
  Outcome<Splitter> outcome;
  const auto take = [&](const typename Splitter::Next& next) {
    if (!next) outcome.fault = next.error();
    if (!next || !*next) return false;
    outcome.items.push_back(text_of(**next));
    return true;
  };
  for (const std::string_view piece : pieces) {
    const fuzz::Exact exact(piece);
    splitter.feed(exact.view());
    while (take(splitter.next())) {
    }
    if (outcome.fault) return outcome;
  }
  splitter.feed({});
  if constexpr (requires { splitter.finish(); })
    while (take(splitter.finish())) {
    }
  return outcome;
}

template <class Splitter>
Outcome<Splitter> check_cuts(const Splitter& splitter, std::string_view text) {
  const Outcome<Splitter> whole = split(splitter, std::vector{text});
  check(split(splitter, fuzz::cut(text, 8)) == whole, "a cut makes a difference");
  std::vector<std::string_view> bytes;
  for (std::size_t i = 0; i < text.size(); ++i) bytes.push_back(text.substr(i, 1));
  check(split(splitter, bytes) == whole, "cuts everywhere make a difference");
  return whole;
}

void check_lines(std::string_view text) {
  const auto outcome = check_cuts(parse::LineSplitter(kItemBytesMax), text);
  std::size_t bytes = 0;
  for (const std::string& line : outcome.items) bytes += line.size();
  check(bytes <= text.size(), "more than there was");
  // Said again with other ends, the lines are the same.
  std::string again;
  for (const std::string& line : outcome.items) again.append(line).append("\r\n");
  const auto twice = check_cuts(parse::LineSplitter(kItemBytesMax), again);
  check(!twice.fault && twice.items == outcome.items, "lines cannot be said again");
}

void check_csv(std::string_view text, char delimiter) {
  const parse::CsvSplitter csv(
      {.delimiter = delimiter, .row_bytes_max = kItemBytesMax, .fields_max = 10});
  (void)check_cuts(csv, text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (*data) {
    case 'L':
      check_lines(text);
      break;
    case 'N':
      (void)check_cuts(parse::NdjsonSplitter({kItemBytesMax, {.depth_max = 5}}), text);
      break;
    case 'E':
      (void)check_cuts(parse::SseParser(kItemBytesMax), text);
      break;
    case 'C':
      check_csv(text, ',');
      break;
    default:
      check_csv(text, ';');
  }
  return 0;
}
