#include "config/toml.hpp"

#include <toml++/toml.h>

namespace millrace::config {
namespace {

Position position(const toml::source_region& region) {
  return {0, region.begin.line, region.begin.column};
}

Value convert(const toml::node& node) {
  Value out;
  out.at = position(node.source());
  if (const auto* text = node.as_string()) {
    out.kind = Value::Kind::kString;
    out.text = text->get();
  } else if (const auto* integer = node.as_integer()) {
    out.kind = Value::Kind::kInteger;
    out.integer = integer->get();
  } else if (const auto* boolean = node.as_boolean()) {
    out.kind = Value::Kind::kBoolean;
    out.boolean = boolean->get();
  } else if (const auto* array = node.as_array()) {
    out.kind = Value::Kind::kArray;
    for (const toml::node& item : *array) out.items.push_back(convert(item));
  } else if (const auto* table = node.as_table()) {
    for (const auto& [key, value] : *table) {
      out.members.push_back({std::string(key.str()), position(key.source()), convert(value)});
    }
  } else if (const auto* real = node.as_floating_point()) {
    out.kind = Value::Kind::kFloat;
    out.real = real->get();
  } else {
    out.kind = Value::Kind::kDate;
  }
  return out;
}

/// toml++ quotes what it saw as it was, line ends too.
std::string one_line(std::string_view text) {
  constexpr std::string_view kPrefix = "Error while parsing ";
  std::string out = "syntax: ";
  if (text.starts_with(kPrefix)) text.remove_prefix(kPrefix.size());
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += '?';
    } else {
      out += c;
    }
  }
  return out;
}

void place(Value& value, Position at) {
  value.at = at;
  for (Value& item : value.items) place(item, at);
  for (Member& member : value.members) {
    member.at = at;
    place(member.value, at);
  }
}

}  // namespace

std::expected<Value, SyntaxError> parse_toml(std::string_view text) {
  try {
    return convert(toml::parse(text));
  } catch (const toml::parse_error& error) {
    return std::unexpected(SyntaxError{position(error.source()), one_line(error.description())});
  }
}

std::expected<Value, SyntaxError> parse_toml_value(std::string_view text, std::uint32_t source) {
  // A line end could smuggle a second key in; it is no part of any value that fits into an
  // argument.
  if (text.find('\n') != std::string_view::npos) return std::unexpected(SyntaxError{});
  auto document = parse_toml("value = " + std::string(text));
  if (!document) return document;
  Value value = std::move(document->members.front().value);
  place(value, {source, 0, 0});
  return value;
}

}  // namespace millrace::config
