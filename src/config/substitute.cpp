#include "config/substitute.hpp"

#include "http/ascii.hpp"

#include <algorithm>

namespace millrace::config {
namespace {

bool is_variable_name(std::string_view name) {
  const auto word = [](char c) {
    return http::is(c, http::kAlpha) || http::is(c, http::kDigit) || c == '_';
  };
  return !name.empty() && !http::is(name.front(), http::kDigit) && std::ranges::all_of(name, word);
}

/// What stands between `${` and `}`.
Parsed<std::string> expand(std::string_view inside, const Environment& environment) {
  const auto separator = inside.find(":-");
  const std::string name(inside.substr(0, separator));
  if (!is_variable_name(name)) {
    return std::unexpected("expected the name of an environment variable in ${...}, got " +
                           quote(name));
  }
  if (auto value = environment(name); value) return std::move(*value);
  if (separator != std::string_view::npos) return std::string(inside.substr(separator + 2));
  return std::unexpected("the environment variable " + name + " is not set; ${" + name +
                         ":-default} gives it a default, $$ is a dollar");
}

void substitute_one(Reader& reader, Value& value, const Environment& environment) {
  if (value.text.find('$') == std::string::npos) return;
  auto text = substitute(value.text, environment);
  if (!text) {
    reader.error(value.at, text.error());
    value.broken = true;
    return;
  }
  value.from_environment = value.text.find("${") != std::string::npos;
  value.text = std::move(*text);
}

}  // namespace

Parsed<std::string> substitute(std::string_view text, const Environment& environment) {
  std::string out;
  while (true) {
    const auto dollar = text.find('$');
    out += text.substr(0, dollar);
    if (dollar == std::string_view::npos) return out;
    text.remove_prefix(dollar + 1);
    if (text.starts_with('$')) {
      out += '$';
      text.remove_prefix(1);
      continue;
    }
    if (!text.starts_with('{')) {
      out += '$';
      continue;
    }
    const auto end = text.find('}');
    if (end == std::string_view::npos)
      return std::unexpected("\"${\" without its \"}\"; $$ is a dollar");
    const auto value = expand(text.substr(1, end - 1), environment);
    if (!value) return value;
    out += *value;
    text.remove_prefix(end + 1);
  }
}

void substitute_all(Reader& reader, Value& root, const Environment& environment) {
  if (root.kind == Value::Kind::kString) substitute_one(reader, root, environment);
  for (std::size_t i = 0; i < root.items.size(); ++i) {
    const Reader::Inside inside(reader, i);
    substitute_all(reader, root.items[i], environment);
  }
  for (Member& member : root.members) {
    const Reader::Inside inside(reader, quote_key(member.name));
    substitute_all(reader, member.value, environment);
  }
}

}  // namespace millrace::config
