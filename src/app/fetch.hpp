// `millrace fetch`: the operator's own URLs, many side by side.
//
// One io thread does it all; standard input and output, which may block, are a thread's each.
#pragma once

#include "app/cli.hpp"

namespace millrace::app {

/// Exit codes: 0 all succeeded (status below 400), 1 one has failed, 2 usage, 130 interrupted.
[[nodiscard]] int fetch(const FetchCommand& command);

}  // namespace millrace::app
