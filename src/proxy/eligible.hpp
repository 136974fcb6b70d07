// Which of an upstream's targets may get requests now: priorities and panic.
//
// Groups of targets back one another up: the one of the lowest priority in which enough are healthy
// gets everything. "Enough" is the panic share: below it the healthy few would be drowned by what
// was meant for all. Where no group has enough, the health of all is forgotten (perhaps it is the
// checks that are wrong), and the first group gets everything. Whom the operator drains gets
// nothing at any time.
//
// Pure. Thread rule: any thread.
#pragma once

#include "proxy/upstream_state.hpp"

#include <cstddef>
#include <vector>

namespace millrace::proxy {

/// Indices into `targets`; empty: nobody may be used. `panic_share`: 0 to 1.
[[nodiscard]] std::vector<std::size_t> eligible(const UpstreamState::Targets& targets,
                                                double panic_share);

}  // namespace millrace::proxy
