#include "proxy/reverse_proxy.hpp"

#include "base/log.hpp"
#include "http/forward.hpp"
#include "millrace/body_source.hpp"
#include "proxy/pass_on.hpp"

#include <cstdint>
#include <cstring>
#include <optional>

namespace millrace::proxy {
namespace {

using client::Request;
using client::Response;

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

Task<Result<Response>> ReverseProxy::fetch(Exchange& exchange, Request& request,
                                           TargetLease& lease) {
  UpstreamTrace& trace = exchange.upstream;
  std::optional<std::uint64_t> tried;
  Error failure = Errc::kNoTarget;
  for (;;) {
    PickContext context;
    if (tried) context.avoid = {&*tried, 1};
    lease = upstream_.pick(context);
    if (!lease) co_return fail(failure);
    if (tried == lease.id()) co_return fail(failure);  // there is no other
    request.origin = lease.origin();
    request.host = upstream_.host_for(lease, exchange.request.authority);
    request.trace.attempts = 0;
    Result<Response> response = co_await upstream_.client().fetch(request);
    trace.target = request.trace.target;
    trace.attempts += request.trace.attempts;
    trace.reused = request.trace.reused;
    if (response) {
      lease.answered(response->status());
      co_return response;
    }
    failure = response.error();
    lease.failed(failure);
    log_failure(upstream_.options(), request.trace, failure);
    if (tried || !may_try_another(failure)) co_return response;
    tried = lease.id();
  }
}

Task<Result<void>> ReverseProxy::forward(Exchange& exchange) {
  Request request;
  fill_request(exchange, upstream_.options(), request);
  PassInterim interim(exchange);
  request.interim = &interim;
  ExchangeBody body(exchange);
  if (!exchange.request.body.is_none()) request.body = &body;

  TargetLease lease;
  Result<Response> response = co_await fetch(exchange, request, lease);
  if (!response) co_return fail(response.error());
  exchange.upstream.status = response->status();
  const Result<void> passed = co_await pass_answer(exchange, request, *response);
  lease.finished(passed);
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
