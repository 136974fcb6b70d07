// The door to the tables of keys.cpp, without their templates. Private to src/config.
#pragma once

#include "config/config.hpp"
#include "config/reader.hpp"
#include "config/value.hpp"

namespace millrace::config {

/// Reads the whole tree into `out`; what is wrong lands in `reader`.
void read_config(Reader& reader, const Value& root, Config& out);

}  // namespace millrace::config
