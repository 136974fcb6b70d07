#include "client/client.hpp"

#include "base/metrics.hpp"
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
  if (const auto ip = net::IpAddress::parse(spec.host)) return net::SocketAddress(*ip, spec.port);
  return std::nullopt;
}

bool has_body(const Request& request) noexcept {
  if (request.body == nullptr) return false;
  const http::BodyLength length = request.body->length();
  return !length.is_none() && !(length.is_known() && length.bytes == 0);
}

/// What a reused connection may have died of while it was idle.
bool is_keep_alive_race(const Error& error) noexcept {
  return error.is(Errc::kUpstreamClosed) || error.is(Errc::kUpstreamReset);
}

/// May be sent again when no byte of an answer came?
bool may_resend(const h1::ClientConnection& failed, const Request& request, bool unsent) noexcept {
  if (failed.answered()) return false;
  if (!unsent && !http::is_idempotent(request.method)) return false;
  return !has_body(request) || !failed.body_touched() || request.body->rewind();
}

}  // namespace

Origin::Origin(Client& client, OriginSpec spec, net::TlsClient* tls)
    : client_(client),
      spec_(std::move(spec)),
      name_(name_of(spec_)),
      fixed_address_(fixed_address_of(spec_)),
      tls_(tls) {}

Origin::~Origin() = default;

void intrusive_ptr_release(Origin* origin) noexcept {
  if (--origin->uses_ == 0) origin->client_.forget(*origin);
}

Client::Client(net::Resolver& resolver, const Options& options)
    : resolver_(resolver), options_(options), pool_(options.pool) {}

Client::~Client() {
  pool_.clear();
  assert(origins_.empty() && "a Client outlives its responses and origins");
}

void Client::forget(Origin& origin) noexcept {
  origins_.erase(origin.spec());
}

std::expected<OriginPtr, std::string> Client::origin(const OriginSpec& spec) {
  if (const auto known = origins_.find(spec); known != origins_.end())
    return OriginPtr(known->second.get());
  net::TlsClient* tls = nullptr;
  if (spec.tls) {
    const auto made = std::ranges::find(tls_, spec.tls_options, &decltype(tls_)::value_type::first);
    if (made != tls_.end()) {
      tls = made->second.get();
    } else {
      auto context = net::TlsClient::make(spec.tls_options);
      if (!context) return std::unexpected(context.error());
      tls_.emplace_back(spec.tls_options, std::make_unique<net::TlsClient>(std::move(*context)));
      tls = tls_.back().second.get();
    }
  }
  auto& slot = origins_[spec];
  slot.reset(new Origin(*this, spec, tls));
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

// --- opening ---

Task<Result<std::vector<net::SocketAddress>>> Client::addresses_of(const Origin& origin) {
  std::vector<net::SocketAddress> out;
  std::vector<net::IpAddress> list;
  if (origin.fixed_address()) {
    out.push_back(*origin.fixed_address());
    if (!out.front().is_unix()) list.push_back(out.front().ip());
  } else {
    Result<net::Addresses> resolved = co_await resolver_.resolve(origin.spec().host);
    if (!resolved) co_return fail(resolved.error());
    list = std::move(resolved->list);
    for (const net::IpAddress& ip : list) out.emplace_back(ip, origin.spec().port);
  }
  if (const net::AddressGuard* guard = guard_of(origin))
    if (const auto ok = guard->check(list, origin.spec().port); !ok) co_return fail(ok.error());
  co_return out;
}

Task<Result<Client::ConnectionPtr>> Client::open(Request& request) {
  Origin& origin = *request.origin;
  Trace& trace = request.trace;
  const auto addresses = co_await addresses_of(origin);
  if (!origin.fixed_address()) trace.timings.end(Phase::kDns);
  if (!addresses) co_return fail(addresses.error());

  const OriginSpec& spec = origin.spec();
  const net::DialOptions options{
      .connect_timeout = request.timeouts.connect,
      .guard = guard_of(origin),
      .tls = origin.tls(),
      .tls_name = spec.tls_name.empty() ? spec.host : spec.tls_name,
      .tls_timeout = request.timeouts.tls,
  };
  net::DialReport report;
  Result<net::Stream> stream = co_await net::dial(*addresses, options, report);
  trace.timings.end(Phase::kConnect, report.connected);
  if (origin.tls() != nullptr) trace.timings.end(Phase::kTls);
  trace.target = report.peer.to_string();
  trace.tls_cause = std::move(report.tls_cause);
  if (!stream) co_return fail(stream.error());
  ++stats_.opened;
  metrics::add(metrics::Metric::kUpstreamConnections);
  co_return std::make_unique<Connection>(pool_, request.origin, std::move(*stream),
                                         options_.connection, trace.target);
}

// --- sending ---

Task<Result<void>> Client::exchange(Connection& connection, Request& request) {
  h1::ClientConnection& http = connection.http;
  Timings& timings = request.trace.timings;
  const Timeouts& limits = request.timeouts;
  Result<void> head;
  if (limits.first_byte >= std::chrono::seconds(1)) {
    head = co_await http.read_head();
  } else {
    DeadlineScope limit(Errc::kFirstByteTimeout, limits.first_byte);
    head = co_await in_scope(limit.scope(), http.read_head());
  }
  // Not all sent yet: the answer came early, and sending ends where it began.
  timings.end(Phase::kSend, http.sent_at() != TimePoint{} ? http.sent_at() : Clock::now());
  timings.end(Phase::kWait);
  co_return head;
}

Task<Result<Response>> Client::fetch_once(Request& request) {
  Trace& trace = request.trace;
  const bool resendable =
      http::is_idempotent(request.method) && (!has_body(request) || request.body->rewind());
  ConnectionPtr connection = pool_.take(*request.origin, resendable);
  for (;;) {
    trace.reused = connection != nullptr;
    if (connection == nullptr) {
      Result<ConnectionPtr> opened = co_await open(request);
      if (!opened) co_return fail(opened.error());
      connection = std::move(*opened);
    } else {
      trace.target = connection->target();
    }
    ++trace.attempts;
    h1::ClientConnection& http = connection->http;
    const Result<void> sent =
        http.send({.method = request.method,
                   .line = {request.method_text, request.target, request.host, request.upgrade},
                   .fields = request.fields,
                   .body = request.body,
                   .interim = request.interim},
                  {request.timeouts.first_byte, request.timeouts.idle});
    const Result<void> answered = sent ? co_await exchange(*connection, request) : sent;
    if (answered) co_return Response(std::move(connection), request);
    if (http.sending()) co_await http.stop();
    if (!trace.reused || !is_keep_alive_race(answered.error()) ||
        !may_resend(http, request, !sent.has_value()))
      co_return fail(answered.error());
    ++stats_.resent;
    metrics::add(metrics::Metric::kUpstreamRetries);
    metrics::add(metrics::Metric::kUpstreamRequests);
    connection.reset();
  }
}

Task<Result<Response>> Client::fetch(Request& request) {
  ++stats_.requests;
  metrics::add(metrics::Metric::kUpstreamRequests);
  request.trace.timings.begin(Clock::now());
  if (request.decode) request.fields.set(http::FieldId::kAcceptEncoding, coding::accept_encoding());
  Result<Response> response = co_await fetch_once(request);
  if (response && request.decode) {
    if (const auto begun = response->start_decoding(); !begun) {
      co_await response->close();
      response = fail(begun.error());
    }
  }
  if (!response) {
    ++stats_.failures;
    metrics::add(metrics::Metric::kUpstreamErrors);
  }
  co_return response;
}

}  // namespace millrace::client
