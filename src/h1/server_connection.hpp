// A client's HTTP/1 connection: reads heads, runs exchanges in order, keeps alive.
//
// The connection is its coroutine: stream, buffers and parser are its locals. Pipelined requests
// that lie in the buffer are all answered before one write. An idle connection holds no buffer.
//
// Thread rule: one io thread.
#pragma once

#include "base/byte_buffer.hpp"
#include "millrace/exchange.hpp"
#include "millrace/pipeline.hpp"
#include "net/stream.hpp"

#include <optional>

namespace millrace::h1 {

/// A connection whose client turned out to speak HTTP/2 by prior knowledge (RFC 9113 section 3.3).
struct Handover {
  net::Stream stream;
  ByteBuffer received;  ///< from the first byte of the preface on
};

/// Serves `stream` until either side is done with it, or until its first bytes say that this is not
/// HTTP/1. `peer` and `pipeline` must outlive the task. Cancelling its scope ends waits and the
/// running exchange with the scope's reason.
[[nodiscard]] Task<std::optional<Handover>> serve_connection(net::Stream stream,
                                                             const PeerInfo& peer,
                                                             Pipeline& pipeline);

}  // namespace millrace::h1
