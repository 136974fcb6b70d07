// Which values of a JSON text are meant: a JSON Pointer (RFC 6901), or a subset of JSONPath
// (RFC 9535) that a stream can answer in constant memory.
//
//   ""  "/items/0/id"  "/a~1b"                       pointers
//   $  .name  ['name']  ["name"]  [0]  [*]  .*        JSONPath
//
// Both are a list of steps, one per level of the text. `.name` takes a letter, `_` or non-ASCII
// first, then digits too; other names are written in quotes, where JSONPath's escapes hold. A
// pointer's `0` is the element of an array or the member of that name of an object. `[*]` and `.*`
// are the same: every element of an array, every member of an object.
//
// Ownership: holds its own copy. Thread rule: immutable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::parse {

class JsonPath {
 public:
  static constexpr std::size_t kTextBytesMax = std::size_t{8} * 1024;
  static constexpr std::size_t kStepsMax = 128;

  struct Step {
    bool any = false;
    std::optional<std::string> name;     ///< in an object: its members of this name
    std::optional<std::uint64_t> index;  ///< in an array: this element

    friend bool operator==(const Step&, const Step&) = default;
  };

  /// Error: for the user; what is wrong, and at which position, counted in bytes from 1.
  [[nodiscard]] static std::expected<JsonPath, std::string> parse(std::string_view text);

  /// Has it a wildcard? Without one it means one value at most, where no object has a name twice.
  [[nodiscard]] bool many() const noexcept;
  [[nodiscard]] std::span<const Step> steps() const noexcept { return steps_; }

  friend bool operator==(const JsonPath&, const JsonPath&) = default;

 private:
  JsonPath() = default;

  std::vector<Step> steps_;
};

}  // namespace millrace::parse
