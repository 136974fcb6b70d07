// `millrace check`, and loading a configuration for the other commands.
#pragma once

#include "app/cli.hpp"
#include "config/load.hpp"

#include <memory>
#include <string>
#include <vector>

namespace millrace::app {

/// What stands for a file where there is none.
inline constexpr const char* kBuiltInDefaults = "built-in defaults";

/// `file`, or ./millrace.toml where none is named and there is one. Empty: neither.
[[nodiscard]] std::string config_file(const std::string& file);

/// The file; empty: the built-in defaults.
[[nodiscard]] config::Loaded load_config(const std::string& file,
                                         const std::vector<std::string>& overrides);

/// Each error and warning on a line of its own, to stderr.
void print_diagnostics(const config::Loaded& loaded);

[[nodiscard]] int check(const CheckCommand& command);

}  // namespace millrace::app
