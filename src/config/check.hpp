// What no single key can tell: names that must exist, combinations that cannot be. Private to
// src/config.
#pragma once

#include "config/config.hpp"
#include "config/reader.hpp"
#include "config/value.hpp"

namespace millrace::config {

/// Fills in what depends on several keys: the route of a file without any, `host` of https
/// upstreams.
void complete(const Value& root, Config& config);

/// Reports every contradiction. `root` tells where things stand and which keys were given.
void check(Reader& reader, const Value& root, const Config& config);

}  // namespace millrace::config
