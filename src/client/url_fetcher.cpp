#include "client/url_fetcher.hpp"

#include "http/ascii.hpp"

#include <optional>

namespace millrace::client {
namespace {

using http::FieldId;

/// Where the answer sends us; nullopt: nowhere, it is the answer.
std::optional<std::string_view> redirect_of(const Response& response) noexcept {
  switch (response.status()) {
    case 301:
    case 302:
    case 303:
    case 307:
    case 308:
      break;
    default:
      return std::nullopt;
  }
  // Two Locations are a quarrel that is not ours to settle.
  if (response.fields().count(FieldId::kLocation) != 1) return std::nullopt;
  return response.fields().find(FieldId::kLocation)->value;
}

bool becomes_get(int status, http::Method method) noexcept {
  if (status == 303) return method != http::Method::kHead;
  return (status == 301 || status == 302) && method == http::Method::kPost;
}

void become_get(Request& request) {
  request.method = http::Method::kGet;
  request.method_text = http::method_name(request.method);
  request.body = nullptr;
  for (const FieldId id :
       {FieldId::kContentType, FieldId::kContentEncoding, FieldId::kContentDisposition})
    request.fields.remove(id);
}

void drop_credentials(http::Fields& fields) noexcept {
  for (const FieldId id : {FieldId::kAuthorization, FieldId::kCookie, FieldId::kProxyAuthorization})
    fields.remove(id);
}

}  // namespace

Result<void> UrlFetcher::aim(const http::Url& url, Request& request) {
  if (options_.allow_host && !options_.allow_host(url.host)) return fail(Errc::kUrlRefused);
  const ForwardProxy* proxy = nullptr;
  if (options_.proxies != nullptr && !options_.guarded) proxy = options_.proxies->for_url(url);
  auto origin = client_.origin({.tls = url.https,
                                .http = client::HttpChoice::kNegotiate,
                                .host = url.host,
                                .port = url.port,
                                .tls_options = url.https ? options_.tls : net::TlsClient::Options(),
                                .proxy = proxy != nullptr ? std::optional(*proxy) : std::nullopt,
                                .guarded = options_.guarded});
  if (!origin) return fail(Errc::kTlsFailed);
  request.origin = std::move(*origin);
  request.target = url.target;
  request.host = request.fields.arena().copy(url.authority());
  return {};
}

Task<Result<Response>> UrlFetcher::fetch_hop(Request& request, TimePoint deadline) {
  if (!options_.retry) co_return co_await client_.fetch(request);
  co_return co_await fetch_with_retries(sender_, request, *options_.retry, deadline);
}

Task<Result<Response>> UrlFetcher::fetch(http::Url& url, Request& request, TimePoint deadline) {
  request.timeouts = options_.timeouts;
  for (unsigned redirects = 0;; ++redirects) {
    if (const auto aimed = aim(url, request); !aimed) co_return fail(aimed.error());
    Result<Response> response = co_await fetch_hop(request, deadline);
    if (!response || options_.redirects_max == 0) co_return response;

    const std::optional<std::string_view> location = redirect_of(*response);
    if (!location) co_return response;
    const bool get = becomes_get(response->status(), request.method);
    if (!get && request.body != nullptr && !request.body->rewind()) co_return response;
    Result<http::Url> next = http::resolve_url(url, *location);
    co_await response->close();
    if (!next) co_return fail(next.error());
    if (redirects == options_.redirects_max) co_return fail(Errc::kTooManyRedirects);
    if (url.https && !next->https) co_return fail(Errc::kUrlRefused);
    if (!http::same_origin(url, *next)) drop_credentials(request.fields);
    if (get) become_get(request);
    url = std::move(*next);
  }
}

}  // namespace millrace::client
