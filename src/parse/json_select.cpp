#include "parse/json_select.hpp"

#include <utility>

namespace millrace::parse {

// The scanner watches as many levels as the path leads down at the moment: depth() + 1 of them when
// it tells of a name or of a value's begin.

JsonSelect::JsonSelect(const JsonPath& path, JsonSelectSink& sink, Limits limits)
    : path_(path), sink_(sink), scanner_(limits), elements_(path.steps().size()) {
  scanner_.watch(1);
}

std::expected<void, JsonFault> JsonSelect::feed(std::string_view piece) {
  using enum JsonScanner::Event;
  scanner_.feed(piece);
  unsent_ = piece.data();
  for (;;) {
    switch (scanner_.next()) {
      case kName:
        on_name();
        break;
      case kBegin:
        on_begin();
        break;
      case kEnd:
        on_end();
        break;
      case kNeedMore:
        flush();
        return {};
      case kFault:
        flush();
        selected_ = false;
        return std::unexpected(scanner_.fault());
    }
  }
}

std::expected<void, JsonFault> JsonSelect::finish() {
  const auto whole = scanner_.finish();
  // A number that is the whole text ends with it.
  if (std::exchange(selected_, false) && whole) sink_.value_end();
  return whole;
}

void JsonSelect::reset() noexcept {
  scanner_.reset();
  scanner_.watch(1);
  name_bytes_ = 0;
  name_equal_ = true;
  selected_ = false;
}

void JsonSelect::on_name() noexcept {
  const auto& wanted = path_.steps()[scanner_.depth() - 1].name;
  if (!wanted || !name_equal_) return;
  const std::string_view part = scanner_.name();
  name_equal_ = std::string_view(*wanted).substr(name_bytes_).starts_with(part);
  name_bytes_ += part.size();
}

bool JsonSelect::takes_child() noexcept {
  const std::size_t depth = scanner_.depth();
  if (depth == 0) return true;
  const JsonPath::Step& step = path_.steps()[depth - 1];
  if (!scanner_.in_object()) {
    const std::uint64_t index = elements_[depth - 1]++;
    return step.any || step.index == index;
  }
  const bool equal = step.name && name_equal_ && name_bytes_ == step.name->size();
  name_bytes_ = 0;
  name_equal_ = true;
  return step.any || equal;
}

void JsonSelect::on_begin() {
  const std::size_t depth = scanner_.depth();
  if (!takes_child()) return;
  if (depth == path_.steps().size()) {
    selected_ = true;
    scanner_.tell_end();
    unsent_ = scanner_.at();
    return;
  }
  const char c = *scanner_.at();
  if (c != '{' && c != '[') return;
  elements_[depth] = 0;
  scanner_.watch(depth + 2);
}

void JsonSelect::on_end() {
  flush();
  selected_ = false;
  sink_.value_end();
}

void JsonSelect::flush() {
  if (selected_ && scanner_.at() != unsent_)
    sink_.value_piece({unsent_, static_cast<std::size_t>(scanner_.at() - unsent_)});
  unsent_ = scanner_.at();
}

}  // namespace millrace::parse
