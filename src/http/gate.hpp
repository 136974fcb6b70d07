// The gate: framing and head are judged here, once, strictly, for every protocol, before anything
// routes on them. What passes has one meaning; what leaves for an upstream is generated from that
// meaning, never copied. An error of the gate ends the connection (h1) or the stream (h2): nobody
// knows where the next message begins.
//
// Thread rule: pure functions.
#pragma once

#include "base/error.hpp"
#include "http/head.hpp"
#include "http/limits.hpp"

#include <string_view>

namespace millrace::http {

/// What a codec read besides the fields. Views as in RequestHead.
struct RawRequest {
  std::string_view method_text;
  std::string_view target;  ///< h2: `:path`; empty for CONNECT
  Version version = Version::kHttp11;
  bool https = false;          ///< the client's connection is TLS
  bool scanned = false;        ///< HeadScanner has passed it: no value holds a control
  std::string_view authority;  ///< h2: `:authority`; empty where there was none
  bool end_stream = false;     ///< h2: END_STREAM came with the head
  std::string_view protocol;   ///< h2: `:protocol` of an extended CONNECT; empty where none
};

struct RequestVerdict {
  bool expect_continue = false;  ///< the client may wait for 100 before it sends the body
  bool keep_alive = true;        ///< the client lets the connection live after this exchange
};

/// The version of "HTTP/1.1" as 11 (major times ten plus minor). Error: kBadVersion.
[[nodiscard]] Result<Version> version_of(int major_times_ten_plus_minor) noexcept;

/// Takes `head.fields` as the codec filled it (values trimmed, order kept) and fills the rest of
/// `head`. The path is normalised (target.hpp), into the arena of the fields where it changes.
/// `head` is unspecified after an error.
///
/// Transfer-Encoding, HTTP/1.1:
///   `chunked` once, in any case                   body of unknown length
///   with Content-Length; on HTTP/1.0              kBadContentLength; kBadTransferEncoding
///   two fields, empty, not a token, parameters,
///   chunked twice, or a last coding that is not
///   chunked (`gzip`, `identity`, `xchunked`)      kBadTransferEncoding, 400 (RFC 9112 section 6.3:
///   MUST) other codings below chunked (`gzip, chunked`) kUnknownTransferCoding, 501 (section 6.1:
///   SHOULD)
/// Content-Length: one field of digits up to 2^63 - 1, else kBadContentLength.
/// Host: exactly one valid one, on HTTP/1.0 at most one, else kBadHost. The authority of an
/// absolute-form target wins; the Host field is left as it came, and whoever forwards regenerates
/// it. Expect: `100-continue` in any case, else kExpectationFailed; on HTTP/1.0 it is ignored.
/// Field names are tokens, values hold no control but the tab, else kBadField. A name that is one
/// of ours but for an underscore (`Transfer_Encoding`, `X_Forwarded_For`) is kBadField too: to a
/// CGI or WSGI application, both are one name. Others: kBadMethod, kMethodUnknown, kBadTarget,
/// kTargetTooLong, kTooManyFields, kHeadTooLarge. HTTP/2: connection-specific fields, TE other than
/// `trailers`, upper case in names, and a Host unlike
/// `:authority` are kBadField or kBadHost.
///
/// Upgrade: `head.upgrade` is set for HTTP/1.1 with `Connection: upgrade`, one protocol in Upgrade
/// and no body, and for an extended CONNECT (RFC 8441), which becomes a GET without a body. HTTP
/// and TLS are not for upgrading to (h2c: RFC 9113 section 3.1): such a wish is passed over, like
/// every other that we do not understand (RFC 9110 section 7.8). WebSocket is for GET alone.
[[nodiscard]] Result<RequestVerdict> judge_request(const RawRequest& raw, RequestHead& head,
                                                   const HeadLimits& limits = {});

/// How long the body is that follows an upstream's HTTP/1 response head on the wire (RFC 9112
/// section 6.3): none for HEAD, 1xx, 204, 304 and a 2xx to CONNECT, whatever the fields say. The
/// fields are judged all the same. Content-Length with Transfer-Encoding, differing lengths,
/// codings other than chunked, Transfer-Encoding on HTTP/1.0, bad names or values:
/// kUpstreamBadMessage. The same length said twice is one. `scanned`: HeadScanner has found no
/// controls in the values.
[[nodiscard]] Result<BodyLength> judge_response(int status, Method request_method, Version version,
                                                const Fields& fields, const HeadLimits& limits = {},
                                                bool scanned = false) noexcept;

/// The length that the framing fields of a response declare, for a HEAD or 304 answer the length
/// that a GET would have had (kUntilClose: they say nothing). Errors as judge_response.
[[nodiscard]] Result<BodyLength> declared_length(Version version, const Fields& fields) noexcept;

/// The same check of names and values for the fields of a trailer section, and in addition: no
/// framing, routing, authentication or forwarding field may come this late (RFC 9110
/// section 6.5.1); those are for dropping, and are told by is_allowed_trailer.
[[nodiscard]] bool is_valid_field(const Field& field) noexcept;
[[nodiscard]] bool is_allowed_trailer(const Field& field) noexcept;
/// Over HTTP/2, for a head or trailers (RFC 9113 sections 8.2.1 and 8.2.2): nothing about the
/// connection, TE for `trailers` alone, a name without upper case, a value without white space
/// around it. What breaks this makes the message malformed.
[[nodiscard]] bool is_allowed_in_http2(const Field& field) noexcept;

}  // namespace millrace::http
