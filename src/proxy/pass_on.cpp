#include "proxy/pass_on.hpp"

#include "client/server_timing.hpp"
#include "http/ascii.hpp"
#include "http/forward.hpp"
#include "http/gate.hpp"
#include "http/websocket.hpp"
#include "proxy/tunnel.hpp"

namespace millrace::proxy {
namespace {

using client::Request;
using client::Response;

/// How long the answer's body is for the client's codec. Where the answer has none, what a GET
/// would have got.
http::BodyLength length_for_client(const Response& response, const Request& request) noexcept {
  using Kind = http::BodyLength::Kind;
  const bool head_only = request.method == http::Method::kHead || response.status() == 304;
  http::BodyLength length = response.body_length();
  if (head_only) {
    const auto declared = http::declared_length(response.version(), response.fields());
    length = declared && declared->kind != Kind::kUntilClose ? *declared : http::BodyLength::none();
  }
  return length.kind == Kind::kUntilClose ? http::BodyLength::unknown() : length;
}

/// Has the upstream really understood that this is a WebSocket (RFC 6455 section 4.1)?
bool is_proven(const Exchange& exchange, const Response& response) {
  if (!http::iequals(exchange.request.upgrade, "websocket")) return true;
  const http::Field* key = exchange.request.fields.find("sec-websocket-key");
  const http::Field* accept = response.fields().find("sec-websocket-accept");
  return key != nullptr && accept != nullptr && accept->value == http::websocket_accept(key->value);
}

Task<Result<void>> pass_tunnel(Exchange& exchange, const Request& request, Response& response,
                               const AnswerChanges& changes) {
  if (!is_proven(exchange, response)) co_return fail(Errc::kUpstreamBadMessage);
  {
    http::ResponseHead head;
    head.status = response.status();
    http::forward_response(response.fields(), head.fields);
    if (!changes.set_cookie.empty()) head.fields.add(http::FieldId::kSetCookie, changes.set_cookie);
    exchange.start(head);
  }
  co_return co_await run_tunnel(exchange, response, request.timeouts.tunnel);
}

Task<Result<void>> pass_response(Exchange& exchange, const Request& request, Response& response,
                                 const AnswerChanges& changes) {
  {
    http::ResponseHead head;
    head.status = response.status();
    head.body = length_for_client(response, request);
    http::forward_response(response.fields(), head.fields);
    if (!changes.location.empty()) head.fields.set(http::FieldId::kLocation, changes.location);
    if (changes.timings != nullptr)
      head.fields.add(http::FieldId::kServerTiming,
                      client::server_timing(*changes.timings, head.fields.arena()));
    if (changes.drop_cookies) head.fields.remove(http::FieldId::kSetCookie);
    if (!changes.set_cookie.empty()) head.fields.add(http::FieldId::kSetCookie, changes.set_cookie);
    exchange.start(head);
  }
  while (!response.done()) {
    const Result<Bytes> piece = co_await response.read();
    if (!piece) co_return fail(piece.error());
    if (piece->empty()) break;
    if (changes.use != nullptr) changes.use->progress();
    if (const auto written = co_await exchange.write(*piece); !written) co_return written;
  }
  co_return exchange.finish(response.trailers());
}

}  // namespace

void PassInterim::interim(int status, const http::Fields& fields) {
  if (status == 100) return;
  http::Fields passed;
  http::forward_response(fields, passed);
  exchange_.interim(status, passed);
}

Task<Result<void>> pass_answer(Exchange& exchange, const Request& request, Response& response,
                               const AnswerChanges& changes) {
  if (response.is_tunnel()) return pass_tunnel(exchange, request, response, changes);
  return pass_response(exchange, request, response, changes);
}

}  // namespace millrace::proxy
