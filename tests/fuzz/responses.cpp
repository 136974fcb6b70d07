#include "fuzz/responses.hpp"

#include "fuzz/check.hpp"
#include "h1/body_decoder.hpp"
#include "h1/head_parser.hpp"
#include "http/gate.hpp"
#include "http/head_scan.hpp"

namespace millrace::fuzz {
namespace {

struct Head {
  std::size_t bytes = 0;  ///< 0: incomplete
  int status = 0;
  http::BodyLength body;
};

Head read_head(std::string_view wire, http::Method method) {
  http::HeadScanner scanner(http::HeadKind::kResponse);
  const auto size = scanner.scan(wire);
  check(size.has_value(), "the server sent no head");
  if (*size == 0) return {};
  h1::RawResponse raw;
  http::Fields fields;
  check(h1::parse_response(wire.substr(0, *size), raw, fields).has_value(), "a bad status line");
  const auto body = http::judge_response(raw.status, method, raw.version, fields);
  check(body.has_value(), "an answer that we would refuse");
  return {.bytes = *size, .status = raw.status, .body = *body};
}

/// Takes interim heads and the final one off `wire`.
Head read_final_head(std::string_view& wire, const Record& record) {
  for (;;) {
    const Head head = read_head(wire, record.method_id);
    wire.remove_prefix(head.bytes);
    if (head.bytes == 0 || head.status >= 200 || head.status == 101) return head;
    check(record.version != http::Version::kHttp10, "an interim answer for HTTP/1.0");
  }
}

struct Body {
  std::string bytes;
  bool complete = false;
};

Body read_body(std::string_view& wire, http::BodyLength length) {
  Body body;
  h1::BodyDecoder decoder;
  decoder.start(length);
  while (!decoder.done()) {
    const auto piece = decoder.decode(wire);
    check(piece.has_value(), "a body that we would refuse");
    if (piece->used == 0) break;
    wire.remove_prefix(piece->used);
    body.bytes.append(piece->data);
  }
  body.complete = decoder.done() || decoder.until_close();
  return body;
}

/// Takes the answer to `record` off `wire`; false: it was cut off, and nothing may follow.
bool check_response(std::string_view& wire, const Record& record) {
  const Head head = read_final_head(wire, record);
  if (head.bytes == 0) {
    check(!record.finished, "a finished answer without a head");
    return false;
  }
  check(head.status == record.status, "another status than the server's");
  if (head.status == 101) {
    if (record.finished) check(wire == record.body, "the tunnel changed its bytes");
    wire = {};
    return false;
  }
  const Body body = read_body(wire, head.body);
  if (record.finished) {
    check(body.complete, "a finished answer without its end");
    const bool bodiless = head.body.is_none();
    if (record.expected && !bodiless) check(body.bytes == *record.expected, "another body");
    return head.body.kind != http::BodyLength::Kind::kUntilClose;
  }
  const bool ends_by_itself = head.body.kind == http::BodyLength::Kind::kUnknown ||
                              (head.body.is_known() && head.body.bytes != 0);
  check(!ends_by_itself || !body.complete, "an aborted answer ends cleanly");
  return false;
}

}  // namespace

void check_responses(std::string_view wire, const std::deque<Record>& records) {
  for (std::size_t i = 0; i < records.size(); ++i) {
    const bool may_follow = records[i].status != 0 && check_response(wire, records[i]);
    if (!may_follow) check(i + 1 == records.size(), "went on after an answer that was cut off");
  }
  check(wire.empty(), "more bytes than answers");
}

}  // namespace millrace::fuzz
