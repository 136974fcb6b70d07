#include "proxy/reverse_proxy.hpp"

#include "base/metrics.hpp"
#include "http/ascii.hpp"
#include "http/forward.hpp"
#include "proxy/outlive_client.hpp"
#include "proxy/pass_on.hpp"
#include "runtime/io_thread.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <string>
#include <utility>

namespace millrace::proxy {
namespace {

using client::Request;
using client::Response;
using http::FieldId;
using std::chrono::milliseconds;

std::string_view join(std::string_view path, std::string_view query, http::TextArena& arena) {
  const std::size_t size = path.size() + 1 + query.size();
  char* text = arena.reserve(size);
  std::memcpy(text, path.data(), path.size());
  text[path.size()] = '?';
  if (!query.empty()) std::memcpy(text + path.size() + 1, query.data(), query.size());
  return {text, size};
}

/// What is left for the client of a proxy that we trust; none for anybody else, or where it is not
/// a plain number.
Duration deadline_of_client(const Exchange& exchange) noexcept {
  if (!exchange.peer.trusted_proxy) return Duration::max();
  const http::Field* field = exchange.request.fields.find(FieldId::kXRequestDeadline);
  if (field == nullptr) return Duration::max();
  std::uint32_t left = 0;
  const char* const end = field->value.data() + field->value.size();
  const auto read = std::from_chars(field->value.data(), end, left);
  return read.ec == std::errc() && read.ptr == end ? Duration(milliseconds(left)) : Duration::max();
}

bool is_client_gone(const Result<void>& outcome) noexcept {
  return !outcome &&
         (outcome.error().is(Errc::kClientGone) || outcome.error().is(Errc::kWriteStalled));
}

/// What nobody reads any more.
Task<void> read_to_end(Response& response) {
  while (!response.done()) {
    const Result<Bytes> piece = co_await response.read();
    if (!piece || piece->empty()) co_return;
  }
}

}  // namespace

struct ReverseProxy::Pass {
  Pass(Exchange& e, ReverseProxy& proxy, const Limit& limit)
      : exchange(e),
        deadline(limit.at),
        too_late(limit.errc),
        place(proxy.limits_, request),
        interim(e),
        body(e),
        held(e, proxy.options_.buffer),
        sender(proxy.upstream_, proxy.limits_,
               {.exchange = e,
                .per_try = proxy.options_.per_try,
                .deadline = limit.at,
                .place = place}) {}

  Exchange& exchange;
  const TimePoint deadline;
  const Errc too_late;
  TimePoint began{};  // when it was let in; the epoch: it was not
  Request request;
  UpstreamPlace place;
  PassInterim interim;
  ExchangeBody body;
  BufferedBody held;
  TargetSender sender;
};

ReverseProxy::ReverseProxy(Upstream& upstream, UpstreamLimits& limits, Options options)
    : upstream_(upstream),
      limits_(limits),
      options_(std::move(options)),
      retry_{.retries_max = options_.retries,
             .first_at_once = options_.others_to_try,
             .statuses = options_.statuses,
             .budget = &limits.budget},
      hedge_{.enabled = options_.hedge, .latency = &latency_, .budget = &limits.budget} {}

// Path and query as the gate normalised them. They mostly lie side by side in the client's own
// head.
std::string_view ReverseProxy::target_of(const http::RequestHead& head,
                                         http::TextArena& arena) const {
  if (options_.rewrite) {
    const std::string path = options_.rewrite->apply(options_.pattern, head.path);
    return head.has_query ? join(path, head.query, arena) : arena.copy(path);
  }
  if (!head.has_query) return head.path;
  if (head.path.data() + head.path.size() + 1 == head.query.data())
    return {head.path.data(), head.path.size() + 1 + head.query.size()};
  return join(head.path, head.query, arena);
}

std::string_view ReverseProxy::stripped_prefix(const http::RequestHead& head) const noexcept {
  if (!options_.rewrite || !head.path.starts_with(options_.rewrite->strip_prefix)) return {};
  return options_.rewrite->strip_prefix;
}

void ReverseProxy::mirror(Pass& pass) const {
  if (!options_.mirror->wants(pass.exchange)) return;
  // A body that is not taken in at all is not whole in memory either.
  options_.mirror->send(pass.exchange, pass.request.body == nullptr ? nullptr : &pass.held);
}

void ReverseProxy::fill_request(const Exchange& exchange, Request& request) const {
  const http::RequestHead& head = exchange.request;
  request.method = head.method;
  request.method_text = head.method_text;
  request.target = target_of(head, request.fields.arena());
  request.timeouts = options_.timeouts;
  request.upgrade = head.upgrade;
  const bool is_ip = exchange.peer.address != "unix";
  http::forward_request(head.fields,
                        {.peer = is_ip ? exchange.peer.address : std::string_view(),
                         .authority = head.authority,
                         .https = head.https,
                         .trusted = exchange.peer.trusted_proxy,
                         .client_subject = exchange.peer.client_subject,
                         .prefix = stripped_prefix(head)},
                        request.fields);
  http::add_via(head.version, kPseudonym, request.fields);
  if (!exchange.request_id.empty()) request.fields.set(FieldId::kXRequestId, exchange.request_id);
}

Task<Result<Response>> ReverseProxy::fetch_hedged(Pass& pass) {
  client::HedgedSender hedged(pass.sender, hedge_);
  co_return co_await client::fetch_with_retries(hedged, pass.request, retry_, pass.deadline);
}

// Not a coroutine of its own: every frame counts here.
Task<Result<Response>> ReverseProxy::fetch(Pass& pass) {
  if (options_.hedge) return fetch_hedged(pass);
  return client::fetch_with_retries(pass.sender, pass.request, retry_, pass.deadline);
}

bool ReverseProxy::tells_timing(const PeerInfo& peer) const noexcept {
  return options_.server_timing.value_or(peer.loopback || peer.trusted_proxy);
}

Task<Result<void>> ReverseProxy::answer(Pass& pass, Response& response) {
  pass.exchange.upstream.status = response.status();
  const std::string cookie = pass.sender.cookie();
  const Result<void> passed = co_await pass_answer(
      pass.exchange, pass.request, response,
      {.set_cookie = cookie,
       .timings = tells_timing(pass.exchange.peer) ? &pass.request.trace.timings : nullptr,
       .use = pass.sender.use()});
  pass.sender.finished(passed);
  const bool finish = options_.client_gone == ClientGone::kFinish && !response.is_tunnel();
  if (finish && is_client_gone(passed)) co_await read_to_end(response);
  co_await response.close();
  co_return passed;
}

Task<Result<void>> ReverseProxy::forward(Pass& pass) {
  Exchange& exchange = pass.exchange;
  fill_request(exchange, pass.request);
  pass.request.interim = &pass.interim;
  if (pass.held.is_wanted()) {
    if (limits_.admission.is_full()) co_return fail(Errc::kQueueFull);
    if (const auto taken = co_await pass.held.take_in(); !taken) co_return taken;
    pass.request.body = &pass.held;
  } else if (!exchange.request.body.is_none()) {
    pass.request.body = &pass.body;
  }
  if (!pass.place.try_take()) {
    // Of a process that has failed too often: there is no use in waiting.
    if (const auto expected = upstream_.state().expected(); expected > std::chrono::seconds(0)) {
      exchange.retry_after = *expected;
      co_return fail(Errc::kNoTarget);
    }
    if (const auto taken = co_await pass.place.take(); !taken) co_return taken;
  }
  pass.began = IoThread::current().turn_time();
  if (options_.mirror != nullptr) mirror(pass);

  Result<Response> response = co_await fetch(pass);
  exchange.upstream.target = std::move(pass.request.trace.target);
  exchange.upstream.attempts = pass.request.trace.attempts;
  exchange.upstream.reused = pass.request.trace.reused;
  if (!response) {
    exchange.retry_after = upstream_.state().expected().value_or(exchange.retry_after);
    co_return fail(response.error());
  }
  co_return co_await answer(pass, *response);
}

Task<Result<void>> ReverseProxy::forward_in_time(Pass& pass) {
  const Duration left = pass.deadline - Clock::now();
  if (left <= Duration::zero()) co_return fail(pass.too_late);
  DeadlineScope limit(pass.too_late, left);
  co_return co_await in_scope(limit.scope(), forward(pass));
}

Task<Result<void>> ReverseProxy::run(Pass& pass) {
  return pass.deadline == TimePoint::max() ? forward(pass) : forward_in_time(pass);
}

/// To its end although nobody may be there any more.
Task<Result<void>> ReverseProxy::finish(Pass& pass) {
  Scope scope;
  Result<void> outcome = co_await outlive_client(scope, run(pass));
  const Scope* exchange = co_await this_scope();
  if (exchange->cancelled()) outcome = fail(exchange->reason());
  co_return outcome;
}

ReverseProxy::Limit ReverseProxy::limit_of(const Exchange& exchange) const {
  const Duration clients = deadline_of_client(exchange);
  const Duration total = std::min(options_.total, clients);
  if (total == Duration::max()) return {};
  return {.at = after(Clock::now(), total),
          .errc = clients < options_.total ? Errc::kRequestDeadline : Errc::kTotalTimeout};
}

/// What the upstream did for nobody.
void ReverseProxy::count_waste(Pass& pass) const {
  using std::chrono::duration_cast, std::chrono::microseconds;
  const Duration wasted = pass.began == TimePoint{} ? Duration::zero() : Clock::now() - pass.began;
  pass.exchange.upstream.wasted = wasted;
  metrics::observe(metrics::Metric::kClientGone,
                   static_cast<std::uint64_t>(duration_cast<microseconds>(wasted).count()));
}

Task<Result<void>> ReverseProxy::handle(Exchange& exchange) {
  exchange.upstream.upstream = upstream_.options().name;
  if (exchange.request.method == http::Method::kConnect) co_return fail(Errc::kMethodUnknown);
  Pass pass(exchange, *this, limit_of(exchange));
  const bool outlives =
      options_.client_gone == ClientGone::kFinish && exchange.request.upgrade.empty();
  const Result<void> outcome = outlives ? co_await finish(pass) : co_await run(pass);
  exchange.upstream.timings = pass.request.trace.timings;
  if (is_client_gone(outcome)) count_waste(pass);
  co_return outcome;
}

}  // namespace millrace::proxy
