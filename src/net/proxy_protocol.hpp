// The PROXY protocol, versions 1 (a line of text) and 2 (binary), as haproxy's proxy-protocol.txt
// has it: how a TCP proxy in front of us tells whose connection it passes on.
//
// Stateless: it is shown every byte that came since the connection began, and says how many of them
// are the header. It never needs more bytes than the header has, so whoever peeks leaves what
// follows, TLS or HTTP, untouched. Strict where the specification leaves room: what two receivers
// might read differently is malformed.
//
// Who may send one is not decided here (server/proxy_header.hpp): believing a header of just
// anybody is believing any address. Thread rule: pure functions.
#pragma once

#include "net/address.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace millrace::net {

/// Version 1's line with its CRLF: the specification's worst case.
inline constexpr std::size_t kProxyLineBytesMax = 107;
/// Version 2 behind its 16 fixed bytes. Addresses take 36 and senders' TLVs some hundred bytes; the
/// specification allows 64 KiB.
inline constexpr std::size_t kProxyBlockBytesMax = 4096;
/// The longest header there is: a buffer of so many bytes always gets an answer.
inline constexpr std::size_t kProxyHeaderBytesMax = 16 + kProxyBlockBytesMax;

/// The ends of the connection that the proxy passes on, as sent (v4-mapped ones are not unmapped).
struct ProxyAddresses {
  SocketAddress source;
  SocketAddress destination;
  friend bool operator==(const ProxyAddresses&, const ProxyAddresses&) = default;
};

struct ProxyHeader {
  enum class State : std::uint8_t {
    kNeedMore,   ///< the bytes may be the beginning of a header
    kNone,       ///< they are something else
    kMalformed,  ///< they begin like a header and are none
    kDone,
  };
  State state = State::kNeedMore;
  std::size_t used = 0;  ///< kDone: the size of the header
  /// kDone: empty for LOCAL, UNKNOWN and whatever is not TCP over IPv4 or IPv6; then the
  /// connection's own addresses count.
  std::optional<ProxyAddresses> addresses;
};

/// `bytes`: everything from the connection's first byte on. Once it says kNone, kMalformed or
/// kDone, further bytes do not change its mind.
///
/// Version 1: single spaces, addresses of the family that the line names, ports without leading
/// zeros, CRLF within kProxyLineBytesMax. Behind UNKNOWN anything but CR and LF may stand.
/// Version 2: commands LOCAL (the rest is skipped) and PROXY; unassigned commands, families and
/// protocols, blocks too short for their addresses or over kProxyBlockBytesMax, TLVs that do not
/// end with the block, and a CRC32c that is wrong are malformed. Other TLVs are skipped.
[[nodiscard]] ProxyHeader parse_proxy_header(std::string_view bytes) noexcept;

}  // namespace millrace::net
