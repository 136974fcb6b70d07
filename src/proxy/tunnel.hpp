// Two directions of bytes between a client and an upstream that have agreed on a protocol of their
// own (a 101 answer): WebSocket and whatever else starts with Upgrade.
//
// Each side may end its direction first; the tunnel ends when the upstream has ended its own, or
// when neither has said anything for the idle limit.
//
// Thread rule: one io thread.
#pragma once

#include "client/response.hpp"
#include "millrace/exchange.hpp"

namespace millrace::proxy {

/// Runs the tunnel that `exchange` has opened by starting with 101, after `upstream` had answered
/// 101. Errors: kClientGone, kUpstreamReset, kUpstreamIdleTimeout (after `idle`), the scope's.
[[nodiscard]] Task<Result<void>> run_tunnel(Exchange& exchange, client::Response& upstream,
                                            Duration idle);

}  // namespace millrace::proxy
