// What to fetch, how, and what became of it.
#pragma once

#include "client/origin.hpp"
#include "http/fields.hpp"
#include "http/method.hpp"
#include "millrace/client_exchange.hpp"
#include "millrace/timings.hpp"
#include "net/resolver.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::client {

/// Limits of the phases; the whole is the caller's (DeadlineScope). Under a second they are
/// precise, from there on up to 200 ms late.
struct Timeouts {
  /// For its turn: a permit, a connection that somebody else dials or uses. kQueueTimeout.
  Duration queue = std::chrono::seconds(5);
  /// For all addresses together; long enough for one lost SYN.
  Duration connect = std::chrono::seconds(2);
  Duration tls = std::chrono::seconds(10);
  /// From the end of sending to the end of the answer's head: 504. A Python worker may take its
  /// time.
  Duration first_byte = std::chrono::seconds(60);
  /// Between two pieces of the answer's body.
  Duration idle = std::chrono::seconds(60);
  /// A tunnel (WebSocket) in which neither side says anything. Its users ping now and then, or mean
  /// to be quiet: HAProxy's `timeout tunnel` has the same hour.
  Duration tunnel = std::chrono::hours(1);
};

/// What happened, also when the fetch failed.
struct Trace {
  Timings timings;
  std::string target;     ///< address of the last connection: "127.0.0.1:8000", "unix:/path"
  unsigned attempts = 0;  ///< times that a request was begun to be sent
  bool reused = false;    ///< the last one went over a connection that had served before
  bool unsent = false;    ///< the last one failed before a byte of it was written
  bool answered = false;  ///< the last one failed behind the first byte of an answer
  http::Version version = http::Version::kHttp11;        ///< of the answer
  net::DnsSource dns_source = net::DnsSource::kLiteral;  ///< of the addresses that were dialled
  std::string tls_cause;                                 ///< why TLS failed: for the log only
};

/// Ownership: views must live as long as the response. Outlives its response.
struct Request {
  http::Method method = http::Method::kGet;
  std::string_view method_text = "GET";
  OriginPtr origin;
  /// Path and query as they go out; never a full URL.
  std::string_view target = "/";
  /// The Host field.
  std::string_view host;
  /// The protocol to go on with ("websocket"); empty: none. An answer of 101 opens a tunnel
  /// (Response::is_tunnel). Such a request has no body.
  std::string_view upgrade;
  /// End-to-end fields only: framing, Host and Connection are generated.
  http::Fields fields;
  /// nullptr: none.
  BodySource* body = nullptr;
  /// Told of interim answers; nullptr: nobody. Must live until fetch() returns.
  InterimSink* interim = nullptr;
  Timeouts timeouts;
  /// Asks for gzip and undoes it: the caller sees plain bytes and no Content-Encoding. Without it
  /// bodies come as they are.
  bool decode = false;
  /// Of the body as the caller sees it: over that, kUpstreamTooLarge.
  std::uint64_t body_bytes_max = UINT64_MAX;

  Trace trace;
};

}  // namespace millrace::client
