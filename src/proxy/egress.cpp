#include "proxy/egress.hpp"

#include "base/log.hpp"
#include "http/ascii.hpp"
#include "http/forward.hpp"
#include "millrace/body_source.hpp"
#include "proxy/egress_target.hpp"
#include "proxy/pass_on.hpp"

#include <string>
#include <string_view>

namespace millrace::proxy {
namespace {

using client::Request;
using client::Response;
using http::FieldId;
using http::TargetForm;

constexpr std::string_view kName = "egress";
constexpr std::string_view kForms =
    "This address is a proxy. Give it to a program as HTTP_PROXY and HTTPS_PROXY (requests for "
    "whole URLs, CONNECT host:port), or as the base URL of one: /https/HOST/PATH or "
    "/http/HOST/PATH.";

bool is_gateway(const http::RequestHead& request) noexcept {
  return request.form == TargetForm::kOrigin;
}

/// Any other name than one of this network may be somebody else's whose DNS points here: a page of
/// that name would be of our origin. Names without a dot are nobody's in public.
bool may_be_rebound(const Exchange& exchange) noexcept {
  const auto host = http::parse_authority(exchange.request.authority);
  return !host ||
         (host->kind == http::HostKind::kName && host->host.find('.') != std::string_view::npos &&
          !http::iequals(host->host, "localhost."));
}

/// Sent by a page, and not by a person's typing (Fetch Metadata: Sec-Fetch-Site is never a
/// program's, but is not sent to every address; Origin is).
bool is_from_page(const http::Fields& fields) noexcept {
  const http::Field* site = fields.find("sec-fetch-site");
  return (site != nullptr && site->value != "none") || fields.has(FieldId::kOrigin);
}

Result<void> judge_gateway(Exchange& exchange) {
  if (is_from_page(exchange.request.fields)) {
    exchange.detail = "The gateway is for programs, not for pages in a browser.";
    return fail(Errc::kUrlRefused);
  }
  if (may_be_rebound(exchange)) {
    exchange.detail = "The gateway answers for IP addresses and names without a dot only.";
    return fail(Errc::kUrlRefused);
  }
  return {};
}

Result<http::Url> wanted_url(Exchange& exchange) {
  const http::RequestHead& request = exchange.request;
  if (request.form == TargetForm::kAbsolute)
    return parse_absolute_target(request.method, request.target);
  const Result<http::Url> url = parse_gateway_target(request.target);
  if (!url && url.error().is(Errc::kNotFound)) exchange.detail = kForms;
  if (!url) return url;
  if (const auto passed = judge_gateway(exchange); !passed) return fail(passed.error());
  return url;
}

void fill_request(const Exchange& exchange, Request& request) {
  const http::RequestHead& head = exchange.request;
  request.method = head.method;
  request.method_text = head.method_text;
  request.upgrade = head.upgrade;
  http::forward_egress(head.fields, request.fields);
  http::add_via(head.version, kPseudonym, request.fields);
}

void trace(Exchange& exchange, const Request& request, const http::Url& url) {
  exchange.upstream.target = url.authority();
  exchange.upstream.attempts = request.trace.attempts;
  exchange.upstream.reused = request.trace.reused;
  exchange.upstream.timings = request.trace.timings;
}

// The client learns the code alone; what was wrong with a certificate is for the operator.
void log_failure(const Request& request, const http::Url& url) {
  if (request.trace.tls_cause.empty()) return;
  log::event(LogLevel::kInfo, "egress_tls_failed",
             {{"target", url.authority()}, {"error", request.trace.tls_cause}});
}

std::string location_for_client(const Exchange& exchange, const http::Url& url,
                                const Response& response) {
  // Two Locations are a quarrel that is not ours to settle.
  if (!is_gateway(exchange.request) || response.fields().count(FieldId::kLocation) != 1) return {};
  return gateway_location(url, response.fields().find(FieldId::kLocation)->value);
}

}  // namespace

Task<Result<void>> Egress::pass(Exchange& exchange, http::Url& url) {
  Request request;
  fill_request(exchange, request);
  PassInterim interim(exchange);
  request.interim = &interim;
  ExchangeBody body(exchange);
  if (!exchange.request.body.is_none()) request.body = &body;

  Result<Response> response = co_await fetcher_.fetch(url, request);
  trace(exchange, request, url);
  if (!response) {
    log_failure(request, url);
    co_return fail(response.error());
  }
  exchange.upstream.status = response->status();
  const std::string location = location_for_client(exchange, url, *response);
  // The client's jar knows one host for all origins behind the gateway.
  const AnswerChanges changes{.location = location, .drop_cookies = is_gateway(exchange.request)};
  const Result<void> passed = co_await pass_answer(exchange, request, *response, changes);
  trace(exchange, request, url);
  co_await response->close();
  co_return passed;
}

Task<Result<void>> Egress::fetch(Exchange& exchange) {
  if (exchange.request.method == http::Method::kTrace) co_return fail(Errc::kMethodUnknown);
  Result<http::Url> url = wanted_url(exchange);
  if (!url) co_return fail(url.error());
  exchange.upstream.upstream = kName;
  DeadlineScope limit(Errc::kTotalTimeout, fetcher_.options().total);
  co_return co_await in_scope(limit.scope(), pass(exchange, *url));
}

Task<Result<void>> Egress::handle(Exchange& exchange) {
  exchange.route_name = kName;
  if (exchange.request.form != TargetForm::kAuthority) return fetch(exchange);
  exchange.upstream.upstream = kName;
  return connect_.handle(exchange);
}

}  // namespace millrace::proxy
