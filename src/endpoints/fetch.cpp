#include "endpoints/fetch.hpp"

#include "client/server_timing.hpp"
#include "endpoints/answer.hpp"
#include "endpoints/fetch_fields.hpp"
#include "http/ascii.hpp"
#include "http/forward.hpp"
#include "http/gate.hpp"
#include "http/query.hpp"

#include <array>
#include <chrono>
#include <cstdio>

namespace millrace::endpoints {
namespace {

using client::Request;
using client::Response;
using http::FieldId;
using http::Method;

constexpr std::string_view kHeaderPrefix = "fetch-header-";

// --- fields ---

bool goes_out(const http::Field& field) noexcept {
  return field.id == FieldId::kContentType || field.id == FieldId::kRange ||
         http::istarts_with(field.name, "accept") || http::istarts_with(field.name, "if-");
}

Result<void> choose_fields(Exchange& exchange, http::Fields& to) {
  for (const http::Field& field : exchange.request.fields) {
    if (http::istarts_with(field.name, kHeaderPrefix)) {
      const std::string_view name = field.name.substr(kHeaderPrefix.size());
      if (!may_be_chosen(name)) {
        exchange.detail = "Fetch-Header- may not name this field.";
        return fail(Errc::kBadParameter);
      }
      to.add(name, field.value);
    } else if (goes_out(field)) {
      to.add(field);
    }
  }
  if (!to.has(FieldId::kUserAgent)) to.add(FieldId::kUserAgent, kFetchUserAgent);
  return {};
}

// Fields that would change how a browser treats our own origin.
bool acts_on_our_origin(const http::Field& field) noexcept {
  if (field.id == FieldId::kSetCookie) return true;
  if (field.id != FieldId::kOther) return false;
  constexpr auto kNames = std::to_array<std::string_view>(
      {"alt-svc", "clear-site-data", "nel", "public-key-pins", "refresh", "report-to",
       "reporting-endpoints", "service-worker-allowed", "set-cookie2", "sourcemap",
       "strict-transport-security"});
  for (const std::string_view name : kNames)
    if (http::iequals(field.name, name)) return true;
  return false;
}

void fill_head(const Request& request, const Response& response, http::ResponseHead& head) {
  head.status = response.status();
  http::Fields passed;
  http::forward_response(response.fields(), passed);
  for (const http::Field& field : passed)
    if (!acts_on_our_origin(field)) head.fields.add(field);
  head.fields.set(FieldId::kContentSecurityPolicy, "sandbox");
  head.fields.set(FieldId::kXContentTypeOptions, "nosniff");
  head.fields.add(FieldId::kServerTiming,
                  client::server_timing(request.trace.timings, head.fields.arena()));
  head.body = response.body_length();
  if (request.method == Method::kHead || head.status == 304) {
    const auto declared = http::declared_length(response.version(), response.fields());
    head.body = declared ? *declared : http::BodyLength::none();
    if (head.body.kind == http::BodyLength::Kind::kUntilClose) head.body = http::BodyLength::none();
  }
  if (head.body.kind == http::BodyLength::Kind::kUntilClose)
    head.body = http::BodyLength::unknown();
}

void start_answer(Exchange& exchange, const Request& request, const Response& response) {
  http::ResponseHead head;
  fill_head(request, response, head);
  exchange.start(head);
}

Task<Result<void>> pass_on(Exchange& exchange, client::ResumingBody& body) {
  while (!body.done()) {
    const Result<Bytes> piece = co_await body.read();
    if (!piece) co_return fail(piece.error());
    if (piece->empty()) break;
    if (const auto written = co_await exchange.write(*piece); !written) co_return written;
  }
  co_return exchange.finish();
}

Result<http::Url> wanted_url(Exchange& exchange) {
  const Result<http::Query> query = http::Query::parse(exchange.request.query);
  if (!query) return fail(query.error());
  const Result<std::string_view> text = query->required("url");
  if (!text) {
    exchange.detail = "The parameter url is missing: /v1/fetch?url=https://example.com/";
    return fail(text.error());
  }
  return http::parse_url(*text);
}

void trace(Exchange& exchange, const Request& request, const http::Url& url) {
  exchange.upstream.target = url.authority();
  exchange.upstream.attempts = request.trace.attempts;
  exchange.upstream.reused = request.trace.reused;
  exchange.upstream.timings = request.trace.timings;
}

}  // namespace

Task<Result<void>> FetchEndpoint::handle(Exchange& exchange) {
  constexpr Methods kMethods{Method::kGet, Method::kPost};
  const Method method = exchange.request.method;
  if (exchange.route_path.size() > 1) co_return fail(Errc::kNotFound);
  if (method == Method::kOptions || !kMethods.has(method))
    co_return co_await answer_method(exchange, kMethods);
  DeadlineScope limit(Errc::kTotalTimeout, fetcher_.options().total);
  co_return co_await in_scope(limit.scope(), fetch(exchange));
}

Task<Result<void>> FetchEndpoint::fetch(Exchange& exchange) {
  exchange.upstream.upstream = "fetch";
  Result<http::Url> url = wanted_url(exchange);
  if (!url) co_return fail(url.error());
  Request request;
  request.method = exchange.request.method;
  request.method_text = exchange.request.method_text;
  ExchangeBody body(exchange);
  if (!exchange.request.body.is_none()) request.body = &body;
  if (const auto chosen = choose_fields(exchange, request.fields); !chosen) co_return chosen;

  Result<Response> response = co_await fetcher_.fetch(*url, request);
  trace(exchange, request, *url);
  if (!response) co_return fail(response.error());
  exchange.upstream.status = response->status();
  start_answer(exchange, request, *response);
  client::ResumingBody rest(fetcher_.sender(), request, std::move(*response),
                            fetcher_.options().resume);
  const Result<void> passed = co_await pass_on(exchange, rest);
  trace(exchange, request, *url);
  co_await rest.close();
  co_return passed;
}

// --- inputs ---

Task<Result<void>> FetchedInput::open(Exchange& exchange, std::string_view url,
                                      std::uint64_t bytes_max) {
  Result<http::Url> parsed = http::parse_url(url);
  if (!parsed) co_return fail(parsed.error());
  url_ = std::move(*parsed);
  request_.decode = true;
  request_.body_bytes_max = bytes_max;
  request_.fields.add(FieldId::kAccept, "*/*");
  request_.fields.add(FieldId::kUserAgent, kFetchUserAgent);
  co_return co_await in_scope(limit_.scope(), fetch(exchange));
}

Task<Result<void>> FetchedInput::fetch(Exchange& exchange) {
  exchange.upstream.upstream = "fetch";
  Result<Response> response = co_await fetcher_.fetch(url_, request_);
  trace(exchange, request_, url_);
  if (!response) co_return fail(response.error());
  exchange.upstream.status = response->status();
  if (response->body_length().is_known()) length_ = response->body_length();
  content_type_ = response->fields().value_or(FieldId::kContentType, {});
  const int status = response->status();
  body_.emplace(fetcher_.sender(), request_, std::move(*response), fetcher_.options().resume);
  if (status != 200) {
    exchange.detail = "The URL answered with status " + std::to_string(status) + ".";
    co_return fail(Errc::kUpstreamBadMessage);
  }
  if (length_.is_known() && length_.bytes > request_.body_bytes_max)
    co_return fail(Errc::kUpstreamTooLarge);
  co_return Result<void>{};
}

Task<Result<Bytes>> FetchedInput::read() {
  co_return co_await in_scope(limit_.scope(), body_->read());
}

Task<void> FetchedInput::close() {
  if (body_) co_await body_->close();
}

}  // namespace millrace::endpoints
