#include "base/error.hpp"

#include <array>
#include <cstring>

namespace millrace {
namespace {

using enum Errc;
using F = Fault;
using R = Retry;
using L = LogLevel;

constexpr std::array<ErrcInfo, static_cast<std::size_t>(kCount_)> kTable{{
    {kCancelled, "cancelled", 499, F::kNobody, R::kNever, L::kDebug, "the work was cancelled"},
    {kDeadline, "deadline", 504, F::kServer, R::kNever, L::kInfo,
     "the deadline of the request passed"},
    {kShuttingDown, "shutting_down", 503, F::kServer, R::kIfUnsent, L::kInfo,
     "the server is shutting down"},

    {kBadRequestLine, "bad_request_line", 400, F::kClient, R::kNever, L::kInfo,
     "the request line is malformed"},
    {kBadMethod, "bad_method", 400, F::kClient, R::kNever, L::kInfo, "the method is not a token"},
    {kMethodUnknown, "method_unknown", 501, F::kClient, R::kNever, L::kInfo,
     "the method is not implemented here"},
    {kBadTarget, "bad_target", 400, F::kClient, R::kNever, L::kInfo,
     "the request target is malformed"},
    {kTargetTooLong, "target_too_long", 414, F::kClient, R::kNever, L::kInfo,
     "the request target is longer than limits.target"},
    {kBadVersion, "bad_version", 505, F::kClient, R::kNever, L::kInfo,
     "the HTTP version is not supported"},
    {kBadField, "bad_field", 400, F::kClient, R::kNever, L::kInfo, "a header field is malformed"},
    {kBadHost, "bad_host", 400, F::kClient, R::kNever, L::kInfo,
     "the Host field is missing, repeated or malformed"},
    {kHeadTooLarge, "head_too_large", 431, F::kClient, R::kNever, L::kInfo,
     "the request head is larger than limits.head"},
    {kTooManyFields, "too_many_fields", 431, F::kClient, R::kNever, L::kInfo,
     "the request has more header fields than limits.fields"},
    {kBadContentLength, "bad_content_length", 400, F::kClient, R::kNever, L::kInfo,
     "Content-Length is malformed, repeated or in conflict with Transfer-Encoding"},
    {kBadTransferEncoding, "bad_transfer_encoding", 400, F::kClient, R::kNever, L::kInfo,
     "Transfer-Encoding is malformed or not allowed here"},
    {kUnknownTransferCoding, "unknown_transfer_coding", 501, F::kClient, R::kNever, L::kInfo,
     "the transfer coding is not supported"},
    {kBadChunk, "bad_chunk", 400, F::kClient, R::kNever, L::kInfo, "the chunked body is malformed"},
    {kBadTrailer, "bad_trailer", 400, F::kClient, R::kNever, L::kInfo,
     "the trailer section is malformed or too large"},
    {kBodyTooLarge, "body_too_large", 413, F::kClient, R::kNever, L::kInfo,
     "the request body is larger than allowed"},
    {kBodyTruncated, "body_truncated", 400, F::kClient, R::kNever, L::kInfo,
     "the request body ended early"},
    {kBodyTooSlow, "body_too_slow", 408, F::kClient, R::kNever, L::kInfo,
     "the request body arrived too slowly"},
    {kHeadTimeout, "head_timeout", 408, F::kClient, R::kNever, L::kInfo,
     "the request head did not arrive in time"},
    {kIdleTimeout, "idle_timeout", 0, F::kNobody, R::kNever, L::kDebug, "the connection was idle"},
    {kExpectationFailed, "expectation_failed", 417, F::kClient, R::kNever, L::kInfo,
     "the expectation is not supported (only 100-continue is)"},
    {kUnexpectedUpgrade, "unexpected_upgrade", 400, F::kClient, R::kNever, L::kInfo,
     "the upgrade is not possible here"},
    {kMisdirected, "misdirected", 421, F::kClient, R::kNever, L::kInfo,
     "this connection's certificate is not for the requested host; use another connection"},

    {kClientGone, "client_gone", 499, F::kClient, R::kNever, L::kInfo, "the client went away"},
    {kWriteStalled, "write_stalled", 499, F::kClient, R::kNever, L::kInfo,
     "the client stopped reading"},

    {kNotFound, "not_found", 404, F::kClient, R::kNever, L::kInfo, "there is nothing at this path"},
    {kMethodNotAllowed, "method_not_allowed", 405, F::kClient, R::kNever, L::kInfo,
     "the method is not allowed at this path"},
    {kBadParameter, "bad_parameter", 400, F::kClient, R::kNever, L::kInfo,
     "a parameter is missing or malformed"},
    {kEmptyBody, "empty_body", 400, F::kClient, R::kNever, L::kInfo,
     "the request needs a body or a ?url="},
    {kUnsupportedMedia, "unsupported_media", 415, F::kClient, R::kNever, L::kInfo,
     "the format of the body is not supported here"},
    {kMalformedMedia, "malformed_media", 422, F::kClient, R::kNever, L::kInfo,
     "the body is damaged or not what it says it is"},
    {kMediaTooLarge, "media_too_large", 413, F::kClient, R::kNever, L::kInfo,
     "the body decodes to more than allowed"},
    {kUrlRefused, "url_refused", 403, F::kClient, R::kNever, L::kInfo,
     "the URL may not be fetched from here"},

    {kDnsNotFound, "dns_not_found", 502, F::kUpstream, R::kNever, L::kWarn,
     "the host name does not exist"},
    {kDnsFailed, "dns_failed", 502, F::kUpstream, R::kIfUnsent, L::kWarn,
     "the host name could not be resolved"},
    {kDnsTimeout, "dns_timeout", 504, F::kUpstream, R::kIfUnsent, L::kWarn,
     "the host name was not resolved in time"},
    {kConnectRefused, "connect_refused", 502, F::kUpstream, R::kIfUnsent, L::kWarn,
     "the upstream refused the connection"},
    {kConnectFailed, "connect_failed", 502, F::kUpstream, R::kIfUnsent, L::kWarn,
     "the upstream could not be reached"},
    {kConnectTimeout, "connect_timeout", 504, F::kUpstream, R::kIfUnsent, L::kWarn,
     "the upstream did not accept the connection in time"},
    {kTlsFailed, "tls_failed", 502, F::kUpstream, R::kIfUnsent, L::kWarn,
     "the TLS handshake with the upstream failed"},
    {kTlsTimeout, "tls_timeout", 504, F::kUpstream, R::kIfUnsent, L::kWarn,
     "the TLS handshake with the upstream did not finish in time"},
    {kUpstreamClosed, "upstream_closed", 502, F::kUpstream, R::kIfIdempotent, L::kWarn,
     "the upstream closed the connection before it answered"},
    {kUpstreamReset, "upstream_reset", 502, F::kUpstream, R::kIfIdempotent, L::kWarn,
     "the upstream reset the connection"},
    {kUpstreamBadMessage, "upstream_bad_message", 502, F::kUpstream, R::kNever, L::kWarn,
     "the upstream sent something that is not a valid HTTP response"},
    {kUpstreamNoUpgrade, "upstream_no_upgrade", 501, F::kClient, R::kNever, L::kInfo,
     "the upstream is spoken to in HTTP/2, over which it is asked for no upgrade"},
    {kUpstreamHeadTooLarge, "upstream_head_too_large", 502, F::kUpstream, R::kNever, L::kWarn,
     "the upstream's response head is too large"},
    {kUpstreamTruncated, "upstream_truncated", 502, F::kUpstream, R::kNever, L::kWarn,
     "the upstream's response body ended early"},
    {kUpstreamBadCoding, "upstream_bad_coding", 502, F::kUpstream, R::kNever, L::kWarn,
     "the upstream's content coding is damaged or not supported"},
    {kUpstreamTooLarge, "upstream_too_large", 502, F::kUpstream, R::kNever, L::kWarn,
     "the upstream's response is larger than allowed here"},
    {kFirstByteTimeout, "first_byte_timeout", 504, F::kUpstream, R::kNever, L::kWarn,
     "the upstream did not start its answer in time"},
    {kUpstreamIdleTimeout, "upstream_idle_timeout", 504, F::kUpstream, R::kNever, L::kWarn,
     "the upstream stopped sending"},
    {kTotalTimeout, "total_timeout", 504, F::kUpstream, R::kNever, L::kWarn,
     "the upstream did not finish its answer in time"},
    {kRequestDeadline, "request_deadline", 504, F::kServer, R::kNever, L::kInfo,
     "the deadline that came with the request passed before the upstream had answered"},
    {kTryTimeout, "try_timeout", 504, F::kUpstream, R::kIfIdempotent, L::kWarn,
     "the upstream did not begin its answer within the time of one try"},
    {kTooManyRedirects, "too_many_redirects", 502, F::kUpstream, R::kNever, L::kInfo,
     "the URL redirects too often"},
    {kProxyAuthRequired, "proxy_auth_required", 502, F::kServer, R::kNever, L::kError,
     "the forward proxy wants other credentials"},
    {kProxyRefused, "proxy_refused", 502, F::kUpstream, R::kNever, L::kWarn,
     "the forward proxy refused to connect"},

    {kNoTarget, "no_target", 503, F::kServer, R::kNever, L::kWarn, "no target is available"},
    {kCircuitOpen, "circuit_open", 503, F::kServer, R::kNever, L::kWarn,
     "the upstream has failed too often and is left alone; try again shortly"},
    {kQueueFull, "queue_full", 503, F::kServer, R::kNever, L::kWarn, "the queue is full"},
    {kQueueTimeout, "queue_timeout", 503, F::kServer, R::kNever, L::kWarn,
     "the request waited too long for its turn"},
    {kOffloadFull, "offload_full", 503, F::kServer, R::kNever, L::kWarn,
     "the CPU pool is full; try again shortly"},
    {kOutOfMemory, "out_of_memory", 503, F::kServer, R::kNever, L::kError, "out of memory"},
    {kIo, "io", 500, F::kServer, R::kNever, L::kError, "an input or output operation failed"},
    {kInternal, "internal", 500, F::kServer, R::kNever, L::kError, "an internal error"},
}};

consteval bool rows_in_order() {
  for (std::size_t i = 0; i < kTable.size(); ++i)
    if (kTable[i].errc != static_cast<Errc>(i)) return false;
  return true;
}
static_assert(rows_in_order(), "one row per enumerator, in the enumerators' order");

}  // namespace

const ErrcInfo& info(Errc errc) noexcept {
  return kTable[static_cast<std::size_t>(errc)];
}

std::span<const ErrcInfo> all_errc_info() noexcept {
  return kTable;
}

std::string Error::describe() const {
  std::string out(info().text);
  if (os_error != 0) {
    out += " (";
    if (const char* name = ::strerrorname_np(os_error)) out += name;
    out += ")";
  }
  return out;
}

}  // namespace millrace
