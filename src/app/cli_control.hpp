// The arguments of `millrace status | reload | drain | restart`.
#pragma once

#include "app/cli.hpp"

#include <expected>
#include <string>

namespace CLI {
class App;
}

namespace millrace::app {

struct ControlArguments {
  ControlCommand status, reload, drain, restart;
  std::string timeout = "60s";
};

/// Adds the four commands. `arguments` must outlive the parsing.
void add_control(CLI::App& app, ControlArguments& arguments);

/// The one of the four that was given, if any was. The error is a line for a person.
[[nodiscard]] std::expected<std::optional<ControlCommand>, std::string> to_control_command(
    const CLI::App& app, ControlArguments arguments);

}  // namespace millrace::app
