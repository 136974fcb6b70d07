// The parsed file as a plain tree with positions: what is left of TOML once toml.cpp is done with
// it. Overrides and the environment work on this tree, the typed tables read it. Private to
// src/config.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::config {

/// Where a value was written. `source` 0 is the file, n is the n-th override; line 0: no place in
/// there.
struct Position {
  std::uint32_t source = 0;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  friend auto operator<=>(const Position&, const Position&) = default;
};

struct Member;

struct Value {
  enum class Kind : std::uint8_t { kString, kInteger, kFloat, kBoolean, kDate, kArray, kTable };

  Kind kind = Kind::kTable;
  Position at;
  bool from_environment =
      false;                 ///< a string in which ${NAME} was replaced: numbers may come as such
  bool broken = false;       ///< already reported: readers pass it over
  std::string text;          ///< kString
  std::int64_t integer = 0;  ///< kInteger
  double real = 0.0;         ///< kFloat
  bool boolean = false;      ///< kBoolean
  std::vector<Value> items;  ///< kArray
  std::vector<Member> members;  ///< kTable, names unique

  [[nodiscard]] const Value* find(std::string_view name) const;
  [[nodiscard]] Value* find(std::string_view name);
};

struct Member {
  std::string name;
  Position at;  ///< of the name
  Value value;
};

/// For messages: `the string "x"`, `the number 5`, `a table`.
[[nodiscard]] std::string describe(const Value& value);

/// The value at "server.listen[0]", or the nearest thing around it that exists.
struct Located {
  const Value* value = nullptr;  ///< null unless the whole path exists
  Position at;
};
[[nodiscard]] Located locate(const Value& root, std::string_view path);

}  // namespace millrace::config
