// A client's HTTP/2 connection (RFC 9113) on nghttp2: one coroutine that reads, one per stream.
//
// One read feeds nghttp2 once; what a turn made of it leaves in one write, since frames are made
// when the output asks for them. nghttp2 keeps the protocol; what it does not limit (frames without
// content, resets, fields that are thrown away, answers that nobody takes) is limited here.
//
// Thread rule: one io thread.
#pragma once

#include "base/byte_buffer.hpp"
#include "millrace/exchange.hpp"
#include "millrace/pipeline.hpp"
#include "net/stream.hpp"

namespace millrace::h2 {

/// Serves `stream` until either side is done with it. `received`: what was read from it already,
/// from the first byte of the preface on. `peer` and `pipeline` must outlive the task. Cancelling
/// its scope ends every exchange with the scope's reason.
[[nodiscard, gnu::noinline]] Task<void> serve_connection(net::Stream stream, ByteBuffer received,
                                                         const PeerInfo& peer, Pipeline& pipeline);

}  // namespace millrace::h2
