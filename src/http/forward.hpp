// What is left of a head when it is forwarded (RFC 9110 sections 7.6 and 7.7).
//
// A forwarded head is built, never edited: end-to-end fields are copied over, everything that
// describes one connection or one hop is left behind, and what the next hop needs is generated.
// Left behind, in both directions: Connection, Keep-Alive, Proxy-Connection, TE, Trailer,
// Transfer-Encoding, Upgrade, HTTP2-Settings, Proxy-Authenticate, Proxy-Authentication-Info,
// Proxy-Authorization, Content-Length (the codec writes framing from the body's length), and what a
// Connection field nominates.
//
// A nomination removes only fields that this program has no name for (FieldId::kOther): everything
// else is end-to-end by its definition, and being able to strip Host, Content-Length, Cookie or
// X-Forwarded-For from a request is an attack. Content-*, Sec-* and X-Real-IP are kept likewise.
//
// Ownership: copied fields are views of `from`, which must outlive `to`; generated values live in
// `to`. Thread rule: pure functions.
#pragma once

#include "http/fields.hpp"
#include "http/head.hpp"

#include <string_view>

namespace millrace::http {

/// The client's side of an exchange, as the next hop shall be told.
struct Hop {
  std::string_view peer;       ///< IP address without port or brackets; empty for a unix socket
  std::string_view authority;  ///< what the client asked for: RequestHead::authority
  bool https = false;          ///< how it asked
  bool trusted = false;  ///< the peer is a proxy of server.trusted_proxies: it may be believed
  std::string_view client_subject = {};  ///< of its verified certificate; empty: none
  std::string_view prefix = {};          ///< taken away from the path: "/api"; empty: none
};

/// Appends what goes upstream of a request to `to`. Besides the above, Host and Expect are left
/// behind (the caller adds Host as its upstream is configured), and Proxy (httpoxy, CVE-2016-5385).
/// `TE: trailers` is generated where the client takes trailers.
///
/// X-Forwarded-For, -Proto and -Host and Forwarded (RFC 7239) are generated from `hop`. What an
/// untrusted peer says of itself (these, any other X-Forwarded-*, X-Real-IP) is left behind; what a
/// trusted one says is kept, and the peer is appended to X-Forwarded-For and Forwarded, each as one
/// field. X-Forwarded-Client-Subject is the subject of the peer's certificate, unless a trusted one
/// tells of its own client. X-Forwarded-Prefix is what was taken away from the path, behind what a
/// trusted one has taken away before.
void forward_request(const Fields& from, const Hop& hop, Fields& to);

/// The same for a client's own proxy (egress): nothing is told of the client that it has not said
/// itself, so X-Forwarded-* and Forwarded pass as they came and none is generated. Every Proxy-*
/// field is left behind.
void forward_egress(const Fields& from, Fields& to);

/// Appends what goes to the client of an upstream's response to `to`.
void forward_response(const Fields& from, Fields& to);

/// `Via: 1.1 pseudonym`, behind those that are there (RFC 9110 section 7.6.3). `received`: the
/// version of the message as it came in.
void add_via(Version received, std::string_view pseudonym, Fields& to);

}  // namespace millrace::http
