// The way of a head: scanner, parser, gate, and out again. Whatever is accepted has one framing, in
// any number of pieces; what is forwarded of it is accepted again and means the same. Input: the
// bytes of a connection; what begins with "HTTP/" is an upstream's answer, and "h2" a line with
// letters (s: over TLS, e: END_STREAM), and lines of :method, :path, :authority, :protocol and
// "name:value", the head of an HTTP/2 request.
#include "http/gate.hpp"

#include "base/byte_buffer.hpp"
#include "fuzz/check.hpp"
#include "fuzz/pieces.hpp"
#include "h1/head_parser.hpp"
#include "h1/head_writer.hpp"
#include "http/ascii.hpp"
#include "http/forward.hpp"
#include "http/head_scan.hpp"
#include "http/target.hpp"

#include <algorithm>
#include <string>

namespace {

using namespace millrace;
using namespace millrace::http;
using fuzz::check;

// Small, so that small inputs reach them.
constexpr HeadLimits kLimits{.head_bytes_max = 4096, .fields_max = 40, .target_bytes_max = 1024};
// A forwarded head has some fields more than it came with, and longer ones.
constexpr HeadLimits kNextHopLimits{
    .head_bytes_max = 64 * 1024, .fields_max = 80, .target_bytes_max = 1024};

// --- the scanner ---

/// The first answer, shown a little more each time.
Result<std::size_t> scan_in_pieces(HeadScanner& scanner, std::string_view bytes) {
  std::size_t shown = 0;
  for (const std::string_view piece : fuzz::cut(bytes, 16)) {
    shown += piece.size();
    const auto size = scanner.scan(fuzz::Exact(bytes.substr(0, shown)).view());
    if (!size || *size != 0) return size;
  }
  return 0;
}

/// The head, without what is in front of it; empty: there is none.
std::string_view scan(HeadKind kind, std::string_view bytes, const HeadLimits& limits) {
  HeadScanner scanner(kind, limits);
  const auto size = scanner.scan(bytes);
  HeadScanner other(kind, limits);
  const auto pieces = scan_in_pieces(other, bytes);
  check(size.has_value() == pieces.has_value(), "accepted in one cut only");
  if (!size) {
    check(size.error() == pieces.error(), "refused for another reason in another cut");
    return {};
  }
  check(*size == *pieces && scanner.start() == other.start(), "another head in another cut");
  check(*size <= limits.head_bytes_max && scanner.fields() <= limits.fields_max, "limits");
  if (*size == 0) return {};
  const std::string_view head = bytes.substr(scanner.start(), *size - scanner.start());
  check(head.ends_with("\r\n\r\n") && head.find("\r\n\r\n") == head.size() - 4, "head's end");
  check(head.find('\0') == std::string_view::npos, "a NUL");
  return head;
}

// --- fields ---

void check_fields(const Fields& fields) {
  for (const Field& f : fields) {
    check(is_token(f.name) && f.id == field_id(f.name), "a name that is none");
    check(all_are(f.value, kValueByte) && trim_ows(f.value) == f.value, "a bad value");
    check(is_valid_field(f), "a field that is valid here alone");
  }
}

/// Over HTTP/2 the length is but a promise.
void check_http2_framing(const RawRequest& raw, const RequestHead& head) {
  for (const Field& f : head.fields) {
    check(f.id != FieldId::kConnection && f.id != FieldId::kTransferEncoding, "of HTTP/1");
    check(f.id != FieldId::kTe || iequals(f.value, "trailers"), "TE");
    for (const char c : f.name) check(c == to_lower(c), "upper case");
  }
  const Field* length = head.fields.find(FieldId::kContentLength);
  if (length == nullptr || !head.upgrade.empty()) return;
  const auto bytes = parse_decimal(length->value);
  check(bytes && head.fields.count(FieldId::kContentLength) == 1, "Content-Length");
  check(head.body.is_known() ? head.body.bytes == *bytes && (!raw.end_stream || *bytes == 0)
                             : head.body.is_none() && *bytes == 0,
        "another length than the field's");
}

/// What the framing fields say, worked out without the gate.
void check_framing(const RequestHead& head) {
  const std::size_t lengths = head.fields.count(FieldId::kContentLength);
  const std::size_t codings = head.fields.count(FieldId::kTransferEncoding);
  check(lengths + codings <= 1, "two framings");
  if (codings == 1) {
    check(head.version == Version::kHttp11, "a transfer coding on HTTP/1.0");
    check(iequals(head.fields.value_or(FieldId::kTransferEncoding, {}), "chunked"), "coding");
    check(head.body.kind == BodyLength::Kind::kUnknown, "chunked is of unknown length");
  } else if (lengths == 1) {
    const auto bytes = parse_decimal(head.fields.value_or(FieldId::kContentLength, {}));
    check(bytes && *bytes <= INT64_MAX && head.body.is_known(), "Content-Length");
    check(head.body.bytes == *bytes, "another length than the field's");
  } else {
    check(head.body.is_none(), "a body without framing");
  }
}

void check_accepted(const RawRequest& raw, const RequestHead& head, const RequestVerdict& verdict) {
  check(is_token(head.method_text) && head.method_text.size() <= kMethodBytesMax, "method");
  check(head.method == parse_method(head.method_text), "another method");
  check(head.version == raw.version, "version");
  check_fields(head.fields);
  const std::size_t hosts = head.fields.count(FieldId::kHost);
  if (head.version == Version::kHttp2) {
    check_http2_framing(raw, head);
    check(!head.authority.empty() && hosts <= 1, "authority");
  } else {
    check_framing(head);
    check(hosts == 1 || (hosts == 0 && head.version == Version::kHttp10), "Host");
  }
  check(head.authority.empty() ? hosts == 0 : is_authority(head.authority), "authority");
  check(all_are(head.path, kTargetByte) && all_are(head.query, kTargetByte), "target bytes");
  check(head.method == Method::kConnect ? head.path.empty()
                                        : head.path == "*" || head.path.starts_with('/'),
        "path");
  TextArena arena;
  check(normalise_path(head.path, arena) == head.path, "a path that is not normal");
  check(!verdict.expect_continue || head.fields.has(FieldId::kExpect), "nobody expects that");
}

// --- forwarding ---

bool is_of_one_hop(FieldId id) {
  return id == FieldId::kConnection || id == FieldId::kKeepAlive || id == FieldId::kTe ||
         id == FieldId::kUpgrade || id == FieldId::kHttp2Settings || id == FieldId::kTrailer ||
         id == FieldId::kProxyConnection || id == FieldId::kExpect;
}

std::string target_of(const RequestHead& head) {
  std::string target(head.path);
  if (head.has_query) target.append("?").append(head.query);
  return target;
}

std::string forwarded(const RequestHead& head, bool trusted) {
  Fields fields;
  forward_request(
      head.fields,
      {.peer = "192.0.2.1", .authority = head.authority, .https = head.https, .trusted = trusted},
      fields);
  const std::string target = target_of(head);
  ByteBuffer out;
  h1::write_request_head(out,
                         {.method = head.method_text, .target = target, .host = head.authority},
                         fields, head.body, head.method == Method::kPost);
  return std::string(out.view());
}

void check_forwarded(const RequestHead& head, bool trusted) {
  const std::string bytes = forwarded(head, trusted);
  const fuzz::Exact copy(bytes);
  const std::string_view again = scan(HeadKind::kRequest, copy.view(), kNextHopLimits);
  check(again.size() == bytes.size(), "what is forwarded is not one head");
  RawRequest raw;
  RequestHead next;
  check(h1::parse_request(again, raw, next.fields).has_value(), "does not parse again");
  check(judge_request(raw, next, kNextHopLimits).has_value(), "is refused by the next hop");
  check(next.method_text == head.method_text && next.path == head.path, "another request");
  check(next.has_query == head.has_query && next.query == head.query, "another query");
  check(next.authority == head.authority, "another host");
  const bool same_body = next.body.kind == head.body.kind && next.body.bytes == head.body.bytes;
  const bool none_said = head.body.is_none() && next.body.is_known() && next.body.bytes == 0;
  check(same_body || none_said, "another body");
  for (const Field& f : next.fields) {
    if (f.id == FieldId::kTe)
      check(f.value == "trailers", "TE");
    else if (f.id == FieldId::kConnection)
      check(f.value == "TE", "Connection");
    else
      check(!is_of_one_hop(f.id), "a field of the last hop");
  }
}

void run_request(std::string_view bytes) {
  const std::string_view scanned = scan(HeadKind::kRequest, bytes, kLimits);
  if (scanned.empty()) return;
  const fuzz::Exact copy(scanned);
  RawRequest raw;
  RequestHead head;
  if (!h1::parse_request(copy.view(), raw, head.fields)) return;
  const auto verdict = judge_request(raw, head, kLimits);
  if (!verdict) return;
  check_accepted(raw, head, *verdict);
  if (head.method == Method::kConnect || head.authority.empty()) return;
  check_forwarded(head, false);
  check_forwarded(head, true);
}

/// The next line off `text`.
std::string_view take_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(line.size() + 1, text.size()));
  return line;
}

void run_http2_request(std::string_view text) {
  RequestHead head;
  const std::string_view letters = take_line(text);
  RawRequest raw{.method_text = take_line(text),
                 .target = take_line(text),
                 .version = Version::kHttp2,
                 .https = letters.contains('s'),
                 .authority = take_line(text),
                 .end_stream = letters.contains('e'),
                 .protocol = take_line(text)};
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    const std::size_t colon = std::min(line.find(':'), line.size());
    head.fields.add(line.substr(0, colon), trim_ows(line.substr(std::min(colon + 1, line.size()))));
  }
  const auto verdict = judge_request(raw, head, kLimits);
  if (!verdict) return;
  check_accepted(raw, head, *verdict);
  if (head.method == Method::kConnect) return;
  check_forwarded(head, false);
  check_forwarded(head, true);
}

// --- answers ---

void check_answer(Method method, const h1::RawResponse& raw, const Fields& fields) {
  const auto length = judge_response(raw.status, method, raw.version, fields, kLimits);
  if (!length) return;
  check_fields(fields);
  const bool bodiless = method == Method::kHead || status_forbids_body(raw.status);
  check(!bodiless || length->is_none(), "a body where none may be");
  if (length->kind == BodyLength::Kind::kUnknown)
    check(fields.count(FieldId::kTransferEncoding) == 1, "chunked without saying so");
  if (raw.status < 200) return;
  ResponseHead next{.status = raw.status, .body = *length, .fields = {}};
  forward_response(fields, next.fields);
  ByteBuffer out;
  h1::write_response_head(out, next, {.chunked = !length->is_known() && !length->is_none()});
  const fuzz::Exact copy(out.view());
  const std::string_view again = scan(HeadKind::kResponse, copy.view(), kNextHopLimits);
  check(again.size() == out.size(), "what is passed on is not one head");
  h1::RawResponse next_raw;
  Fields next_fields;
  check(h1::parse_response(again, next_raw, next_fields).has_value(), "does not parse again");
  check(next_raw.status == raw.status, "another status");
  check(
      judge_response(raw.status, method, next_raw.version, next_fields, kNextHopLimits).has_value(),
      "is refused by the next hop");
}

void run_response(std::string_view bytes) {
  const std::string_view scanned = scan(HeadKind::kResponse, bytes, kLimits);
  if (scanned.empty()) return;
  const fuzz::Exact copy(scanned);
  h1::RawResponse raw;
  Fields fields;
  if (!h1::parse_response(copy.view(), raw, fields)) return;
  check(raw.status >= 100 && raw.status <= 999 && raw.version != Version::kHttp2, "status line");
  for (const Method method : {Method::kGet, Method::kHead, Method::kConnect})
    check_answer(method, raw, fields);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Exact bytes({reinterpret_cast<const char*>(data), size});
  if (bytes.view().starts_with("HTTP/"))
    run_response(bytes.view());
  else if (bytes.view().starts_with("h2"))
    run_http2_request(bytes.view());
  else
    run_request(bytes.view());
  return 0;
}
