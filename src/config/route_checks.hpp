// What no single key of a route can tell. Private to src/config; see check.hpp.
#pragma once

#include "config/config.hpp"
#include "config/reader.hpp"
#include "config/value.hpp"

#include <string>

namespace millrace::config {

/// What route `path` says in part is the upstream's otherwise.
void complete_route(const Value& root, const std::string& path, const Config& config, Route& route);

void check_routes(Reader& reader, const Value& root, const Config& config);

}  // namespace millrace::config
