#include "config/overrides.hpp"

#include "config/toml.hpp"
#include "config/units.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace millrace::config {
namespace {

Value parse_value(std::string_view text, std::uint32_t source) {
  if (auto value = parse_toml_value(text, source); value) return std::move(*value);
  return Value{.kind = Value::Kind::kString, .at = {source, 0, 0}, .text = std::string(text)};
}

std::optional<std::size_t> parse_index(std::string_view text) {
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return index;
}

/// The place that `step` names within `parent`, made if it is a table's; null with a message
/// otherwise.
Value* enter(Value& parent, std::string_view step, std::string_view walked, Position at,
             std::string& fault) {
  if (parent.kind == Value::Kind::kArray) {
    const auto index = parse_index(step);
    if (index && *index < parent.items.size()) return &parent.items[*index];
    fault = quote(walked) + " is an array of " + std::to_string(parent.items.size()) +
            ", expected an index into it, got " + quote(step);
    return nullptr;
  }
  if (parent.kind != Value::Kind::kTable) {
    fault = quote(walked) + " is no table";
    return nullptr;
  }
  if (Value* found = parent.find(step); found != nullptr) return found;
  parent.members.push_back({std::string(step), at, Value{.at = at}});
  return &parent.members.back().value;
}

void apply(Reader& reader, Value& root, std::string_view argument, std::uint32_t source) {
  const Position at{source, 0, 0};
  const auto equals = argument.find('=');
  const std::string_view path = argument.substr(0, equals);
  if (equals == std::string_view::npos || path.empty()) {
    return reader.error_at(at, "expected key=value, such as server.threads=2");
  }
  Value* place = &root;
  std::size_t begin = 0;
  while (begin <= path.size()) {
    const std::size_t end = std::min(path.find('.', begin), path.size());
    const std::string_view step = path.substr(begin, end - begin);
    if (step.empty())
      return reader.error_at(at, "expected a key, such as server.threads, got " + quote(path));
    std::string fault;
    place = enter(*place, step, path.substr(0, begin == 0 ? 0 : begin - 1), at, fault);
    if (place == nullptr) return reader.error_at(at, std::move(fault));
    begin = end + 1;
  }
  *place = parse_value(argument.substr(equals + 1), source);
}

}  // namespace

void apply_overrides(Reader& reader, Value& root, std::span<const std::string> overrides) {
  for (std::size_t i = 0; i < overrides.size(); ++i) {
    apply(reader, root, overrides[i], static_cast<std::uint32_t>(i + 1));
  }
}

}  // namespace millrace::config
