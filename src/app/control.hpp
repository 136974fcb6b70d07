// `millrace status | reload | drain | restart NAME`: talk to the running server.
#pragma once

#include "app/cli.hpp"

namespace millrace::app {

/// On a terminal text, else JSON, on stdout; errors and warnings are lines on stderr. The exit
/// code.
[[nodiscard]] int control(const ControlCommand& command);

}  // namespace millrace::app
