// `millrace check`, and loading a configuration for the other commands.
#pragma once

#include "app/cli.hpp"
#include "config/load.hpp"

#include <memory>
#include <string>
#include <vector>

namespace millrace::app {

/// The file, or ./millrace.toml where there is one, or the built-in defaults.
[[nodiscard]] config::Loaded load_config(const std::string& file,
                                         const std::vector<std::string>& overrides);

/// Each error and warning on a line of its own, to stderr.
void print_diagnostics(const config::Loaded& loaded);

[[nodiscard]] int check(const CheckCommand& command);

}  // namespace millrace::app
