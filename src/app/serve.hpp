// `millrace serve`, `millrace proxy` and `millrace run`.
#pragma once

#include "app/cli.hpp"

namespace millrace::app {

[[nodiscard]] int serve(const ServeCommand& command);
[[nodiscard]] int proxy(const ProxyCommand& command);
[[nodiscard]] int run_command(const RunCommand& command);

}  // namespace millrace::app
