// CONNECT: a tunnel through a forward proxy (RFC 9110 section 9.3.6), over a stream that leads to
// the proxy.
//
// Nothing but the request's head is sent before the proxy has answered 2xx. What it sends behind
// that answer is refused: in the tunnel the client speaks first (TLS does), so those bytes could
// only be the proxy's own, meant to be taken for the origin's. When connect_tunnel() succeeds not a
// byte of the tunnel has been read, and the stream is as if it had just been connected.
//
// Thread rule: one io thread.
#pragma once

#include "base/error.hpp"
#include "http/limits.hpp"
#include "net/stream.hpp"
#include "runtime/task.hpp"

#include <chrono>
#include <string_view>

namespace millrace::client {

struct TunnelOptions {
  /// Where to: authority_form() of a host that was judged.
  std::string_view authority;
  /// Value of Proxy-Authorization; empty: none.
  std::string_view authorization;
  /// From the first byte out to the end of the answer's head. The proxy resolves and dials
  /// meanwhile.
  Duration timeout = std::chrono::seconds(10);
  /// Of the answer's head, interim ones each.
  http::HeadLimits head{.head_bytes_max = 16 * 1024};
};

/// Interim (1xx) answers before the final one: more are a flood.
inline constexpr unsigned kTunnelInterimMax = 16;

/// What happened, filled in as far as it got.
struct TunnelTrace {
  int status = 0;  ///< of the proxy's final answer; 0: there was none
};

/// Views in `options` must live until the end of the call. On an error the stream is of no more
/// use. Errors:
///   kProxyAuthRequired    407
///   kConnectTimeout       504, or the time is up
///   kConnectFailed        502, 503, or the proxy closed or reset the connection
///   kProxyRefused         any other final status
///   kUpstreamBadMessage, kUpstreamHeadTooLarge    not an answer, or more than one
///   the scope's
[[nodiscard]] Task<Result<void>> connect_tunnel(net::Stream& stream, const TunnelOptions& options,
                                                TunnelTrace& trace);

}  // namespace millrace::client
