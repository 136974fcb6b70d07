// `millrace serve` and `millrace proxy`.
#pragma once

#include "app/cli.hpp"

namespace millrace::app {

[[nodiscard]] int serve(const ServeCommand& command);
[[nodiscard]] int proxy(const ProxyCommand& command);

}  // namespace millrace::app
