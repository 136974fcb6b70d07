// What a running server cannot change.
#pragma once

#include "config/config.hpp"

#include <string>
#include <vector>

namespace millrace::app {

/// A configuration in which nothing but those keys is set, as `config` has them.
[[nodiscard]] config::Config fixed_part(const config::Config& config);

/// Keys whose values differ and that only a restart changes, in the order of the configuration.
/// Pure.
[[nodiscard]] std::vector<std::string> restart_needed(const config::Config& running,
                                                      const config::Config& wanted);

}  // namespace millrace::app
