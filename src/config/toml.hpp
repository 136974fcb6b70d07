// The seam to toml++: text in, tree out. toml.cpp is the only file that includes the library.
#pragma once

#include "config/value.hpp"

#include <expected>
#include <string>
#include <string_view>

namespace millrace::config {

struct SyntaxError {
  Position at;
  std::string message;
};

/// A whole document; positions carry source 0.
[[nodiscard]] std::expected<Value, SyntaxError> parse_toml(std::string_view text);

/// The right side of one `key = value`, or nothing if it is not TOML. Positions are all {source, 0,
/// 0}.
[[nodiscard]] std::expected<Value, SyntaxError> parse_toml_value(std::string_view text,
                                                                 std::uint32_t source);

}  // namespace millrace::config
