// Where in the file the checks are. Private to src/config.
#pragma once

#include "config/suggest.hpp"
#include "config/value.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace millrace::config {

/// "route[3]"
[[nodiscard]] inline std::string at(std::string_view path, std::size_t index) {
  return std::string(path) + "[" + std::to_string(index) + "]";
}

[[nodiscard]] inline bool given(const Value& root, std::string_view path) {
  return locate(root, path).value != nullptr;
}

/// " (line 7)"; nothing for what does not stand in a file.
[[nodiscard]] inline std::string place_text(const Value& root, std::string_view path) {
  const Position where = locate(root, path).at;
  return where.line == 0 ? std::string() : " (line " + std::to_string(where.line) + ")";
}

/// ", did you mean ...?" of the keys of `map`.
template <class Map>
[[nodiscard]] std::string nearest_name(const std::string& name, const Map& map) {
  std::vector<std::string_view> names;
  names.reserve(map.size());
  for (const auto& [known, item] : map) names.push_back(known);
  return did_you_mean(name, names);
}

}  // namespace millrace::config
