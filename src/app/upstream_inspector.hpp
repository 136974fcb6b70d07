// What the admin address shows of the upstreams.
#pragma once

#include "millrace/upstream_status.hpp"
#include "proxy/target_board.hpp"

#include <vector>

namespace millrace::app {

[[nodiscard]] std::vector<UpstreamStatus> upstream_status(const proxy::TargetBoard& board);

}  // namespace millrace::app
