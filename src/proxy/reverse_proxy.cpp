#include "proxy/reverse_proxy.hpp"

#include "base/log.hpp"
#include "http/ascii.hpp"
#include "http/forward.hpp"
#include "http/gate.hpp"
#include "http/websocket.hpp"
#include "millrace/body_source.hpp"
#include "proxy/tunnel.hpp"

#include <cstring>

namespace millrace::proxy {
namespace {

using client::Request;
using client::Response;

constexpr std::string_view kPseudonym = "millrace";

// Path and query as the gate normalised them. They mostly lie side by side in the client's own
// head.
std::string_view target_of(const http::RequestHead& head, http::TextArena& arena) {
  if (!head.has_query) return head.path;
  const std::size_t size = head.path.size() + 1 + head.query.size();
  if (head.path.data() + head.path.size() + 1 == head.query.data()) return {head.path.data(), size};
  char* text = arena.reserve(size);
  std::memcpy(text, head.path.data(), head.path.size());
  text[head.path.size()] = '?';
  if (!head.query.empty())
    std::memcpy(text + head.path.size() + 1, head.query.data(), head.query.size());
  return {text, size};
}

void fill_request(const Exchange& exchange, const Upstream::Options& options, Request& request) {
  const http::RequestHead& head = exchange.request;
  request.method = head.method;
  request.method_text = head.method_text;
  request.target = target_of(head, request.fields.arena());
  request.timeouts = options.timeouts;
  request.upgrade = head.upgrade;
  const bool is_ip = exchange.peer.address != "unix";
  http::forward_request(head.fields,
                        {.peer = is_ip ? exchange.peer.address : std::string_view(),
                         .authority = head.authority,
                         .https = head.https,
                         .trusted = exchange.peer.trusted_proxy,
                         .client_subject = exchange.peer.client_subject},
                        request.fields);
  http::add_via(head.version, kPseudonym, request.fields);
  if (!exchange.request_id.empty())
    request.fields.set(http::FieldId::kXRequestId, exchange.request_id);
}

/// RFC 9110 section 15.2: interim answers are passed on, but for 100, which nobody asked this
/// upstream for: the client's codec says it when the body is read.
class PassInterim final : public InterimSink {
 public:
  explicit PassInterim(Exchange& exchange) noexcept : exchange_(exchange) {}
  void interim(int status, const http::Fields& fields) override {
    if (status == 100) return;
    http::Fields passed;
    http::forward_response(fields, passed);
    exchange_.interim(status, passed);
  }

 private:
  Exchange& exchange_;
};

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

Task<Result<void>> pass_tunnel(Exchange& exchange, const Request& request, Response& response) {
  if (!is_proven(exchange, response)) co_return fail(Errc::kUpstreamBadMessage);
  {
    http::ResponseHead head;
    head.status = response.status();
    http::forward_response(response.fields(), head.fields);
    exchange.start(head);
  }
  co_return co_await run_tunnel(exchange, response, request.timeouts.tunnel);
}

Task<Result<void>> pass_response(Exchange& exchange, const Request& request, Response& response) {
  {
    http::ResponseHead head;
    head.status = response.status();
    head.body = length_for_client(response, request);
    http::forward_response(response.fields(), head.fields);
    exchange.start(head);
  }
  while (!response.done()) {
    const Result<Bytes> piece = co_await response.read();
    if (!piece) co_return fail(piece.error());
    if (piece->empty()) break;
    if (const auto written = co_await exchange.write(*piece); !written) co_return written;
  }
  co_return exchange.finish(response.trailers());
}

/// Nothing of the request has been sent, and it is the target that is to blame.
bool may_try_another(const Error& error) noexcept {
  return error.info().fault == Fault::kUpstream && error.info().retry == Retry::kIfUnsent;
}

// The client learns the code alone; what was wrong with a certificate is for the operator.
void log_failure(const Upstream::Options& options, const client::Trace& trace, const Error& error) {
  if (error.info().fault != Fault::kUpstream) return;
  log::event(LogLevel::kWarn, "upstream_failed",
             {{"upstream", options.name},
              {"target", trace.target},
              {"cause", error.info().code},
              {"error", trace.tls_cause.empty() ? error.describe() : trace.tls_cause}});
}

}  // namespace

Task<Result<Response>> ReverseProxy::fetch(Exchange& exchange, Request& request) {
  UpstreamTrace& trace = exchange.upstream;
  std::optional<std::size_t> avoid;
  Error failure = Errc::kNoTarget;
  for (;;) {
    const std::optional<std::size_t> target = upstream_.pick(avoid);
    if (!target) co_return fail(Errc::kNoTarget);
    if (target == avoid) co_return fail(failure);  // there is no other
    request.origin = upstream_.origin(*target);
    request.host = upstream_.host_for(*target, exchange.request.authority);
    request.trace.attempts = 0;
    Result<Response> response = co_await upstream_.client().fetch(request);
    trace.target = request.trace.target;
    trace.attempts += request.trace.attempts;
    trace.reused = request.trace.reused;
    if (response) co_return response;
    failure = response.error();
    log_failure(upstream_.options(), request.trace, failure);
    if (avoid || !may_try_another(failure)) co_return response;
    avoid = target;
  }
}

Task<Result<void>> ReverseProxy::forward(Exchange& exchange) {
  Request request;
  fill_request(exchange, upstream_.options(), request);
  PassInterim interim(exchange);
  request.interim = &interim;
  ExchangeBody body(exchange);
  if (!exchange.request.body.is_none()) request.body = &body;

  Result<Response> response = co_await fetch(exchange, request);
  if (!response) co_return fail(response.error());
  exchange.upstream.status = response->status();
  const Result<void> passed = response->is_tunnel()
                                  ? co_await pass_tunnel(exchange, request, *response)
                                  : co_await pass_response(exchange, request, *response);
  co_await response->close();
  co_return passed;
}

Task<Result<void>> ReverseProxy::handle(Exchange& exchange) {
  exchange.upstream.upstream = upstream_.options().name;
  if (exchange.request.method == http::Method::kConnect) co_return fail(Errc::kMethodUnknown);
  if (upstream_.options().total == Duration::max()) co_return co_await forward(exchange);
  DeadlineScope limit(Errc::kTotalTimeout, upstream_.options().total);
  co_return co_await in_scope(limit.scope(), forward(exchange));
}

}  // namespace millrace::proxy
