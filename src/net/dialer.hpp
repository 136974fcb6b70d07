// Connecting: the addresses of one destination, raced as in Happy Eyeballs (RFC 8305), then TLS.
//
// Attempts start in the given order, the next one when an attempt fails or 250 ms after the last
// start; the first that connects wins and the others are cancelled and awaited. One address costs
// no race. With a memory the order begins with what connected lately (dial_memory).
//
// Thread rule: one io thread.
#pragma once

#include "base/error.hpp"
#include "net/address.hpp"
#include "net/address_guard.hpp"
#include "net/dial_memory.hpp"
#include "net/stream.hpp"
#include "net/tls_context.hpp"
#include "runtime/io_thread.hpp"
#include "runtime/task.hpp"

#include <chrono>
#include <span>
#include <string>

namespace millrace::net {

struct DialOptions {
  /// For all attempts together. Long enough for one lost SYN (1 s until it is sent again).
  Duration connect_timeout = std::chrono::seconds(2);
  /// Before the next address is tried beside the ones that do not answer (RFC 8305 section 5).
  Duration stagger = std::chrono::milliseconds(250);
  /// Attempts at once and in all: more addresses than this are not tried.
  std::size_t attempts_max = 8;
  /// Asked about the peer of the connected socket, so that what was checked is what was dialled.
  /// nullptr: anybody. Must outlive the call.
  const AddressGuard* guard = nullptr;
  /// Orders the addresses and learns which connect. nullptr: the given order. Must outlive the
  /// call.
  DialMemory* memory = nullptr;
  /// nullptr: plain. Must outlive the call.
  TlsClient* tls = nullptr;
  /// Name or IP literal that the certificate must be for; sent as SNI when it is a name.
  std::string_view tls_name;
  Duration tls_timeout = std::chrono::seconds(10);
};

/// What a dial did, filled in as far as it got.
struct DialReport {
  TimePoint connected;    ///< when TCP was there; TLS took the rest
  SocketAddress peer;     ///< the address that won, or the last that was tried
  std::string tls_cause;  ///< why TLS failed, in OpenSSL's words: for the log, never for a client
};

/// `addresses` must outlive the call. Errors: kConnectRefused, kConnectFailed, kConnectTimeout,
/// kUrlRefused (by the guard), kTlsFailed, kTlsTimeout, the scope's. After several failures: the
/// last one's.
[[nodiscard]] Task<Result<Stream>> dial(std::span<const SocketAddress> addresses,
                                        const DialOptions& options, DialReport& report);

/// TLS over a stream that is connected already, as through a tunnel: options.tls (not nullptr),
/// tls_name and tls_timeout. dial() does it by itself. Errors: kTlsFailed, kTlsTimeout, the
/// scope's.
[[nodiscard]] Task<Result<void>> secure(Stream& stream, const DialOptions& options,
                                        DialReport& report);

}  // namespace millrace::net
