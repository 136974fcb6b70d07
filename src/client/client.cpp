#include "client/client.hpp"

#include "base/metrics.hpp"
#include "client/proxy_settings.hpp"
#include "http/ascii.hpp"
#include "http/method.hpp"

#include <algorithm>
#include <cassert>

namespace millrace::client {
namespace {

std::string name_of(const OriginSpec& spec) {
  if (!spec.unix_path.empty()) return "unix:" + spec.unix_path;
  const bool v6 = spec.host.find(':') != std::string::npos;
  return (v6 ? "[" + spec.host + "]" : spec.host) + ":" + std::to_string(spec.port);
}

std::optional<net::SocketAddress> fixed_address_of(const OriginSpec& spec) {
  if (!spec.unix_path.empty()) return net::SocketAddress::unix_path(spec.unix_path);
  const std::string& host = spec.proxy ? spec.proxy->host : spec.host;
  const std::uint16_t port = spec.proxy ? spec.proxy->port : spec.port;
  if (const auto ip = net::IpAddress::parse(host)) return net::SocketAddress(*ip, port);
  return std::nullopt;
}

bool has_body(const Request& request) noexcept {
  if (request.body == nullptr) return false;
  const http::BodyLength length = request.body->length();
  return !length.is_none() && !(length.is_known() && length.bytes == 0);
}

net::TlsClient::Options::Alpn alpn_of(HttpChoice http) noexcept {
  using enum net::TlsClient::Options::Alpn;
  switch (http) {
    case HttpChoice::kNegotiate:
      return kBoth;
    case HttpChoice::kHttp2:
      return kHttp2;
    case HttpChoice::kHttp1:
      break;
  }
  return kHttp1;
}

/// What a connection that had served before may have died of.
bool is_keep_alive_race(const Error& error) noexcept {
  return error.is(Errc::kUpstreamClosed) || error.is(Errc::kUpstreamReset);
}

bool is_connection_scheme(std::string_view value) noexcept {
  return http::istarts_with(value, "ntlm") || http::istarts_with(value, "negotiate");
}

/// NTLM and Negotiate authenticate the connection and not the request (RFC 4559 section 6): whoever
/// came next would be taken for its user.
bool authenticates_connection(const http::Fields& fields) noexcept {
  return is_connection_scheme(fields.value_or(http::FieldId::kAuthorization, {}));
}
bool offers_connection_authentication(const http::Fields& fields) noexcept {
  return std::ranges::any_of(fields, [](const http::Field& f) {
    return f.id == http::FieldId::kWwwAuthenticate && is_connection_scheme(f.value);
  });
}

void note_times(const ClientExchange& exchange, Timings& timings) noexcept {
  const TimePoint now = Clock::now();
  // Not all sent yet: the answer came early, and sending ends where it began.
  timings.end(Phase::kSend, exchange.sent_at() != TimePoint{} ? exchange.sent_at() : now);
  timings.end(Phase::kWait, now);
}

/// Times that one request is sent again because the peer says that it did nothing with it.
constexpr unsigned kRefusalsMax = 3;

}  // namespace

Origin::Origin(Client& client, OriginSpec spec, net::TlsClient* tls, std::size_t exchanges_max)
    : client_(client),
      spec_(std::move(spec)),
      name_(name_of(spec_)),
      fixed_address_(fixed_address_of(spec_)),
      tls_(tls),
      exchanges_(exchanges_max),
      exchanges_max_(exchanges_max) {}

Origin::~Origin() = default;

void intrusive_ptr_release(Origin* origin) noexcept {
  if (--origin->uses_ == 0) origin->client_.forget(*origin);
}

Client::Client(net::Resolver& resolver, Options options)
    : resolver_(resolver),
      options_(std::move(options)),
      dials_(options_.dials_max),
      places_(options_.connections_max),
      guarded_dials_(options_.dials_max / 2),
      guarded_places_(options_.connections_max / 2),
      pool_(options_.pool) {}

Client::~Client() {
  pool_.destroy();
  assert(origins_.empty() && "a Client outlives its responses and origins");
}

void Client::forget(Origin& origin) noexcept {
  if (facts_.size() >= options_.facts_max) facts_.erase(facts_.begin());
  facts_.insert_or_assign(origin.spec(), origin.facts_);
  origins_.erase(origin.spec());
}

std::expected<net::TlsClient*, std::string> Client::context(const net::TlsClient::Options& wanted) {
  const auto known = std::ranges::find(tls_, wanted, &decltype(tls_)::value_type::first);
  if (known != tls_.end()) return known->second.get();
  auto made = net::TlsClient::make(wanted);
  if (!made) return std::unexpected(made.error());
  if (tls_.size() >= options_.contexts_max) drop_unused_contexts();
  tls_.emplace_back(wanted, std::make_unique<net::TlsClient>(std::move(*made)));
  return tls_.back().second.get();
}

void Client::drop_unused_contexts() {
  std::erase_if(tls_, [this](const auto& context) {
    return std::ranges::none_of(
        origins_, [&](const auto& o) { return o.second->tls() == context.second.get(); });
  });
}

std::expected<OriginPtr, std::string> Client::origin(const OriginSpec& spec) {
  if (const auto known = origins_.find(spec); known != origins_.end())
    return OriginPtr(known->second.get());
  net::TlsClient* tls = nullptr;
  if (spec.tls || (spec.proxy && spec.proxy->tls)) {
    net::TlsClient::Options wanted = spec.tls_options;
    wanted.alpn = spec.tls ? alpn_of(spec.http) : net::TlsClient::Options::Alpn::kHttp1;
    const auto made = context(wanted);
    if (!made) return std::unexpected(made.error());
    tls = *made;
  }
  auto& slot = origins_[spec];
  slot.reset(new Origin(*this, spec, tls, options_.exchanges_per_origin_max));
  if (const auto known = facts_.find(spec); known != facts_.end()) slot->facts_ = known->second;
  return OriginPtr(slot.get());
}

const net::AddressGuard* Client::guard_of(const Origin& origin) const noexcept {
  if (!origin.spec().guarded) return nullptr;
  return options_.guard != nullptr ? options_.guard : &default_guard_;
}

Client::Stats Client::stats() const noexcept {
  Stats stats = stats_;
  stats.pool = pool_.stats();
  return stats;
}

// --- sending ---

Task<Result<void>> Client::read_head_in_time(ClientExchange& exchange, Duration first_byte) {
  DeadlineScope limit(Errc::kFirstByteTimeout, first_byte);
  co_return co_await in_scope(limit.scope(), exchange.read_head());
}

// The codec's own deadlines are coarse.
Task<Result<void>> Client::read_head(ClientExchange& exchange, const Request& request) {
  const Duration first_byte = request.timeouts.first_byte;
  return first_byte >= std::chrono::seconds(1) ? exchange.read_head()
                                               : read_head_in_time(exchange, first_byte);
}

// May it be sent again? Then it is made ready for that.
bool Client::prepare_resend(const ClientExchange& failed, Request& request, const Error& error,
                            bool unsent, unsigned resends) {
  const bool refused = failed.refused() && resends < kRefusalsMax;
  const bool race = request.trace.reused && is_keep_alive_race(error) && resends == 0 &&
                    !failed.answered() && !failed.peer_reset() &&
                    (unsent || http::is_idempotent(request.method));
  if (!refused && !race) return false;
  if (has_body(request) && failed.body_touched() && !request.body->rewind()) return false;
  if (!failed.wants_http1()) return true;
  OriginSpec spec = request.origin->spec();
  if (spec.http != HttpChoice::kNegotiate) return false;
  spec.http = HttpChoice::kHttp1;
  auto other = origin(spec);
  if (other) request.origin = std::move(*other);
  return other.has_value();
}

Task<Result<Response>> Client::fetch_once(Request& request) {
  if (request.origin->is_relayed() && !request.origin->spec().proxy->authorization.empty())
    request.fields.set(http::FieldId::kProxyAuthorization,
                       request.origin->spec().proxy->authorization);
  Trace& trace = request.trace;
  trace.unsent = trace.answered = false;
  const bool resendable =
      http::is_idempotent(request.method) && (!has_body(request) || request.body->rewind());
  Want want = resendable ? Want::kResendable : Want::kSafe;
  for (unsigned resends = 0;; ++resends) {
    ExchangePtr exchange = take_idle(request, want);
    if (exchange == nullptr) {
      Result<ExchangePtr> acquired = co_await acquire(request, want);
      if (!acquired) co_return fail(failed(acquired.error()));
      exchange = std::move(*acquired);
    }
    ++trace.attempts;
    const std::string absolute =
        request.origin->is_relayed() ? absolute_form(request.host, request.target) : std::string();
    if (authenticates_connection(request.fields)) exchange->keep_for_one();
    const Result<void> sent =
        exchange->send({.method = request.method,
                        .method_text = request.method_text,
                        .target = absolute.empty() ? request.target : absolute,
                        .host = request.host,
                        .upgrade = request.upgrade,
                        .fields = request.fields,
                        .body = request.body,
                        .interim = request.interim},
                       {request.timeouts.first_byte, request.timeouts.idle});
    const Result<void> answered = sent ? co_await read_head(*exchange, request) : sent;
    note_times(*exchange, trace.timings);
    if (answered) {
      if (offers_connection_authentication(exchange->fields())) exchange->keep_for_one();
      co_return Response(std::move(exchange), request);
    }
    if (exchange->sending()) co_await exchange->stop();
    trace.unsent = !sent;
    trace.answered = exchange->answered();
    if (!prepare_resend(*exchange, request, answered.error(), !sent.has_value(), resends))
      co_return fail(failed(answered.error()));
    ++stats_.resent;
    metrics::add(metrics::Metric::kUpstreamRetries);
    metrics::add(metrics::Metric::kUpstreamRequests);
    want = Want::kFresh;
  }
}

Task<Result<Response>> Client::fetch_decoded(Request& request) {
  request.fields.set(http::FieldId::kAcceptEncoding, coding::accept_encoding());
  Result<Response> response = co_await fetch_once(request);
  if (!response) co_return response;
  if (const auto begun = response->start_decoding(); !begun) {
    co_await response->close();
    co_return fail(failed(begun.error()));
  }
  co_return response;
}

// Not a coroutine of its own: every frame counts here.
Task<Result<Response>> Client::fetch(Request& request) {
  ++stats_.requests;
  metrics::add(metrics::Metric::kUpstreamRequests);
  request.trace.timings.begin(Clock::now());
  if (!request.upgrade.empty() && request.origin->spec().http == HttpChoice::kNegotiate) {
    OriginSpec spec = request.origin->spec();
    spec.http = HttpChoice::kHttp1;
    if (auto other = origin(spec)) request.origin = std::move(*other);
  }
  return request.decode ? fetch_decoded(request) : fetch_once(request);
}

Error Client::failed(const Error& error) {
  ++stats_.failures;
  metrics::add(metrics::Metric::kUpstreamErrors);
  return error;
}

}  // namespace millrace::client
