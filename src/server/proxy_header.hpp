// The PROXY header in front of a connection's TLS or HTTP bytes: who may send it, and who the
// client is then (net/proxy_protocol.hpp says what one looks like).
//
// Thread rule: the stream's io thread.
#pragma once

#include "config/config.hpp"
#include "net/address.hpp"
#include "net/stream.hpp"
#include "runtime/task.hpp"

namespace millrace::server {

/// A connection's two ends, for everybody behind the acceptor. Unmapped.
struct ConnectionEnds {
  net::SocketAddress peer;
  net::SocketAddress local;
};

struct ProxyHeaderRule {
  config::ProxyProtocol wanted = config::ProxyProtocol::kOff;
  bool trusted = false;  ///< the peer is in server.trusted_proxies
  Duration patience{};   ///< from now to the header's last byte
};

/// Reads the header, where the rule has one, before the first byte was read of `stream`; exactly
/// the header is taken, so what follows is there for TLS or HTTP. `ends` become those that it
/// tells; they stay as they are for LOCAL, UNKNOWN and anything but TCP.
///
/// kOptional: what does not begin like a header is left untouched, and so is every byte of a peer
/// that is not trusted: to HTTP and TLS a header is garbage. kRequired: both are refused.
/// False: the connection is to be closed, without a word, since nobody knows what the client would
/// understand. The log has the reason, but for clients that went away.
[[nodiscard, gnu::noinline]] Task<bool> read_proxy_header(net::Stream& stream, ProxyHeaderRule rule,
                                                          ConnectionEnds& ends);

}  // namespace millrace::server
