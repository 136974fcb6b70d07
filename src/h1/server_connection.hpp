// A client's HTTP/1 connection: reads heads, runs exchanges in order, keeps alive.
//
// The connection is its coroutine: stream, buffers and parser are its locals. Pipelined requests
// that lie in the buffer are all answered before one write. An idle connection holds no buffer.
//
// Thread rule: one io thread.
#pragma once

#include "millrace/exchange.hpp"
#include "millrace/pipeline.hpp"
#include "net/stream.hpp"

namespace millrace::h1 {

/// Serves `stream` until either side is done with it. `peer` and `pipeline` must outlive the task.
/// Cancelling its scope ends waits and the running exchange with the scope's reason.
[[nodiscard]] Task<void> serve_connection(net::Stream stream, const PeerInfo& peer,
                                          Pipeline& pipeline);

}  // namespace millrace::h1
