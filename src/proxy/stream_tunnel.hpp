// Two directions of bytes between a client and a connection of its choice: what CONNECT opens.
//
// Each side may end its direction first; the other goes on. Bytes are read only as fast as the
// other side takes them, and a direction that waits holds no buffer.
//
// Thread rule: one io thread.
#pragma once

#include "millrace/exchange.hpp"
#include "net/stream.hpp"
#include "runtime/deadline_wheel.hpp"

#include <chrono>

namespace millrace::proxy {

struct TunnelLimits {
  /// Nobody says anything for so long: the tunnel ends. Duration::max(): never.
  Duration idle = std::chrono::hours(1);
  /// The same once one side has said everything. What is left is the end of one answer, and many
  /// programs that go away in this state never say so.
  Duration half_closed = std::chrono::seconds(30);
  /// The connection takes no byte that the client sends.
  Duration write_stall = std::chrono::seconds(60);
};

/// Runs the tunnel that `exchange` has opened, until both directions have ended. After an error the
/// connection is reset, unless the client had said everything. Errors: kClientGone, kUpstreamReset,
/// kUpstreamIdleTimeout (a limit), the scope's.
[[nodiscard]] Task<Result<void>> run_stream_tunnel(Exchange& exchange, net::Stream stream,
                                                   TunnelLimits limits);

}  // namespace millrace::proxy
