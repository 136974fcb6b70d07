#include "proxy/connect_handler.hpp"

#include "base/metrics.hpp"
#include "net/dialer.hpp"
#include "proxy/egress_target.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace millrace::proxy {
namespace {

Result<void> judge(Exchange& exchange) {
  const http::RequestHead& request = exchange.request;
  if (request.version == http::Version::kHttp2) {
    exchange.detail = "CONNECT is served over HTTP/1.1 only.";
    return fail(Errc::kMethodUnknown);
  }
  if (request.body.is_none() || (request.body.is_known() && request.body.bytes == 0)) return {};
  exchange.detail = "A CONNECT has no body.";
  return fail(request.body.is_known() ? Errc::kBadContentLength : Errc::kBadTransferEncoding);
}

}  // namespace

Task<Result<net::Stream>> ConnectHandler::dial(Exchange& exchange) {
  const Result<http::Url> to = parse_connect_target(exchange.request.authority);
  if (!to) co_return fail(to.error());
  exchange.upstream.target = exchange.request.authority;
  const auto open = [&](const config::PortRange& range) { return range.contains(to->port); };
  if (std::ranges::none_of(options_.ports, open)) co_return fail(Errc::kUrlRefused);
  if (options_.allow_host && !options_.allow_host(to->host)) co_return fail(Errc::kUrlRefused);

  const Result<net::Addresses> resolved = co_await resolver_.resolve(to->host);
  if (!resolved) co_return fail(resolved.error());
  if (const auto ok = guard_.check(resolved->list, to->port); !ok) co_return fail(ok.error());
  std::vector<net::SocketAddress> addresses;
  for (const net::IpAddress& ip : resolved->list) addresses.emplace_back(ip, to->port);

  exchange.upstream.attempts = 1;
  const net::DialOptions options{.connect_timeout = options_.connect_timeout, .guard = &guard_};
  net::DialReport report;
  Result<net::Stream> stream = co_await net::dial(addresses, options, report);
  if (stream) metrics::add(metrics::Metric::kUpstreamConnections);
  co_return stream;
}

Task<Result<void>> ConnectHandler::handle(Exchange& exchange) {
  if (const auto passed = judge(exchange); !passed) co_return passed;
  Result<net::Stream> stream = co_await dial(exchange);
  if (!stream) co_return fail(stream.error());
  {
    http::ResponseHead head;
    exchange.start(head);
  }
  co_return co_await run_stream_tunnel(exchange, std::move(*stream), options_.tunnel);
}

}  // namespace millrace::proxy
