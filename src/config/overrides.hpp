// --set key.path=value, applied to the tree before anything is read from it. Private to src/config.
#pragma once

#include "config/reader.hpp"
#include "config/value.hpp"

#include <span>
#include <string>

namespace millrace::config {

/// Override i (from 0) is source i + 1 of the reader. The value is TOML, else a string; tables on
/// the way are made as needed, elements of arrays must be there.
void apply_overrides(Reader& reader, Value& root, std::span<const std::string> overrides);

}  // namespace millrace::config
