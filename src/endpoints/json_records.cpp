#include "endpoints/json_records.hpp"

#include "http/ascii.hpp"

#include <algorithm>
#include <array>

namespace millrace::endpoints {
namespace {

using parse::JsonFault;

std::string not_json(std::string_view what, const JsonFault& fault) {
  std::string text(what);
  text.append(" is not JSON: ").append(fault.reason).append(" at byte ");
  return text.append(std::to_string(fault.offset));
}

bool is_blank(std::string_view line) noexcept {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

}  // namespace

JsonFraming json_framing_of(std::string_view content_type) noexcept {
  constexpr auto kLineTypes = std::to_array<std::string_view>(
      {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines",
       "application/jsonlines", "application/json-lines"});
  const std::string_view type = http::trim_ows(content_type.substr(0, content_type.find(';')));
  const auto is = [type](std::string_view name) { return http::iequals(type, name); };
  if (is("text/event-stream")) return JsonFraming::kEvents;
  return std::ranges::any_of(kLineTypes, is) ? JsonFraming::kLines : JsonFraming::kText;
}

JsonRecords::Outcome JsonRecords::feed(std::string_view piece) {
  begun_bytes_ += piece.size();
  switch (framing_) {
    case JsonFraming::kText:
      begun_bytes_ = 0;
      if (const auto fed = select_.feed(piece); !fed)
        return std::unexpected(not_json("the answer", fed.error()));
      return {};
    case JsonFraming::kLines:
      lines_.feed(piece);
      if (piece.find('\n') != std::string_view::npos) begun_bytes_ = piece.size();
      return feed_lines();
    case JsonFraming::kEvents:
      return feed_events(piece);
  }
  return {};
}

JsonRecords::Outcome JsonRecords::feed_lines() {
  for (;;) {
    const auto line = lines_.next();
    if (!line)
      return std::unexpected("line " + std::to_string(line.error().line) + ": " +
                             std::string(line.error().reason));
    if (!*line) return {};
    if (const Outcome taken = take_line(**line); !taken) return taken;
  }
}

JsonRecords::Outcome JsonRecords::take_line(std::string_view line) {
  if (is_blank(line)) return {};
  if (const auto taken = take(line); !taken)
    return std::unexpected(not_json("line " + std::to_string(lines_.line()), taken.error()));
  return {};
}

JsonRecords::Outcome JsonRecords::feed_events(std::string_view piece) {
  events_.feed(piece);
  for (;;) {
    const auto event = events_.next();
    if (!event)
      return std::unexpected("line " + std::to_string(event.error().line) + ": " +
                             std::string(event.error().reason));
    if (!*event) return {};
    begun_bytes_ = piece.size();
    if (is_json((*event)->data)) (void)take((*event)->data);
  }
}

// What was selected of a text cannot be taken back: the data is looked at before.
bool JsonRecords::is_json(std::string_view text) {
  scanner_.reset();
  scanner_.feed(text);
  (void)scanner_.next();  // nothing is watched: to the end, or to a fault that finish() repeats
  return scanner_.finish().has_value();
}

std::expected<void, JsonFault> JsonRecords::take(std::string_view text) {
  select_.reset();
  if (auto fed = select_.feed(text); !fed) return fed;
  return select_.finish();
}

JsonRecords::Outcome JsonRecords::finish() {
  if (framing_ == JsonFraming::kText) {
    const auto whole = select_.finish();
    if (!whole) return std::unexpected(not_json("the answer", whole.error()));
  }
  if (framing_ != JsonFraming::kLines) return {};
  const auto line = lines_.finish();
  if (!line)
    return std::unexpected("line " + std::to_string(line.error().line) + ": " +
                           std::string(line.error().reason));
  return *line ? take_line(**line) : Outcome{};
}

}  // namespace millrace::endpoints
