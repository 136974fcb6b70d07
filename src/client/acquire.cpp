#include "base/metrics.hpp"
#include "client/client.hpp"
#include "client/connect_tunnel.hpp"
#include "client/proxy_settings.hpp"

namespace millrace::client {

namespace {

/// Of answers that clients chose and may leave unread, hundreds at a time.
constexpr std::int32_t kGuardedWindowBytes = 256 * 1024;

Task<Result<Semaphore::Permit>> take_permit(Semaphore& semaphore) {
  co_return co_await semaphore.acquire();
}

Task<Result<void>> wait_in(StreamQueue& queue, bool first) {
  co_return co_await queue.wait(first);
}

}  // namespace

/// Counts a dial whose connection others wait for.
class Client::SharedDial {
 public:
  explicit SharedDial(Origin& origin) noexcept : origin_(&origin) { ++origin.shared_dials_; }
  SharedDial(const SharedDial&) = delete;
  SharedDial& operator=(const SharedDial&) = delete;
  ~SharedDial() { end(); }
  void end() noexcept {
    if (Origin* origin = std::exchange(origin_, nullptr)) --origin->shared_dials_;
  }

 private:
  Origin* origin_;
};

Task<Result<std::vector<net::SocketAddress>>> Client::addresses_of(const Origin& origin,
                                                                   Trace& trace) {
  std::vector<net::SocketAddress> out;
  std::vector<net::IpAddress> list;
  if (origin.fixed_address()) {
    out.push_back(*origin.fixed_address());
    if (!out.front().is_unix()) list.push_back(out.front().ip());
  } else {
    Result<net::Addresses> resolved = co_await resolver_.resolve(origin.dial_host());
    trace.timings.end(Phase::kDns);
    if (!resolved) co_return fail(resolved.error());
    trace.dns_source = resolved->source;
    list = std::move(resolved->list);
    for (const net::IpAddress& ip : list) out.emplace_back(ip, origin.dial_port());
  }
  if (const net::AddressGuard* guard = guard_of(origin))
    if (const auto ok = guard->check(list, origin.dial_port()); !ok) co_return fail(ok.error());
  co_return out;
}

// TCP, a tunnel where a proxy is in between, TLS.
Task<Result<net::Stream>> Client::connect(Request& request) {
  const Origin& origin = *request.origin;
  const OriginSpec& spec = origin.spec();
  Trace& trace = request.trace;
  const auto addresses = co_await addresses_of(origin, trace);
  if (!addresses) co_return fail(addresses.error());

  const bool tunnel = spec.proxy && spec.tls;
  if (tunnel && spec.proxy->tls) {
    trace.tls_cause = "TLS through a proxy that itself is reached by TLS is not supported";
    co_return fail(Errc::kTlsFailed);
  }
  net::DialOptions options{
      .connect_timeout = request.timeouts.connect,
      .guard = guard_of(origin),
      .memory = &dial_memory_,
      .tls = tunnel ? nullptr : origin.tls(),
      .tls_name = origin.is_relayed() ? spec.proxy->host
                                      : (spec.tls_name.empty() ? spec.host : spec.tls_name),
      .tls_timeout = request.timeouts.tls,
  };
  net::DialReport report;
  Result<net::Stream> stream = co_await net::dial(*addresses, options, report);
  Result<void> ready = stream ? Result<void>() : Result<void>(fail(stream.error()));
  if (ready && tunnel) {
    const std::string authority = authority_form(spec.host, spec.port);
    TunnelTrace through;
    ready = co_await connect_tunnel(
        *stream, {.authority = authority, .authorization = spec.proxy->authorization}, through);
    report.connected = Clock::now();
    options.tls = origin.tls();
    if (ready) ready = co_await net::secure(*stream, options, report);
  }
  trace.timings.end(Phase::kConnect, report.connected);
  if (origin.tls() != nullptr) trace.timings.end(Phase::kTls);
  trace.target = report.peer.to_string();
  trace.tls_cause = std::move(report.tls_cause);
  if (!ready) co_return fail(ready.error());
  co_return stream;
}

Task<Result<Client::Opened>> Client::dial(Request& request, Semaphore::Permit place) {
  Origin& origin = *request.origin;
  const OriginSpec& spec = origin.spec();
  Result<net::Stream> stream = co_await connect(request);
  if (!stream) co_return fail(stream.error());
  ++stats_.opened;
  metrics::add(metrics::Metric::kUpstreamConnections);
  const bool http2 = spec.http == HttpChoice::kHttp2 || stream->alpn() == "h2";
  origin.facts_.speaks = http2 ? OriginFacts::Speaks::kHttp2 : OriginFacts::Speaks::kHttp1;
  Opened opened;
  if (!http2) {
    opened.own =
        std::make_unique<Connection>(pool_, request.origin, std::move(*stream), options_.connection,
                                     request.trace.target, std::move(place));
    co_return opened;
  }
  h2::ClientConnection::Options multiplexed = options_.multiplexed;
  multiplexed.https = spec.tls;
  if (spec.guarded) multiplexed.stream_window_bytes = kGuardedWindowBytes;
  auto made = std::make_unique<Multiplexed>(pool_, request.origin, std::move(*stream), multiplexed,
                                            request.trace.target, std::move(place));
  opened.shared = made.get();
  pool_.add_shared(std::move(made));
  co_return opened;
}

Task<Result<Client::Opened>> Client::open(Request& request) {
  const bool guarded = request.origin->spec().guarded;
  const Result<Semaphore::Permit> dialling =
      co_await permit(guarded ? guarded_dials_ : dials_, request);
  if (!dialling) co_return fail(dialling.error());
  Semaphore& places = guarded ? guarded_places_ : places_;
  if (places.free() == 0) (void)pool_.evict_one(guarded);
  Result<Semaphore::Permit> place = co_await permit(places, request);
  if (!place) co_return fail(place.error());
  co_return co_await dial(request, std::move(*place));
}

// --- waiting for one's turn ---

Task<Result<Semaphore::Permit>> Client::permit(Semaphore& semaphore, Request& request) {
  if (semaphore.free() != 0) co_return co_await semaphore.acquire();
  if (semaphore.waiting() >= options_.waiting_per_origin_max) co_return fail(Errc::kQueueFull);
  DeadlineScope limit(Errc::kQueueTimeout, request.timeouts.queue);
  Result<Semaphore::Permit> taken = co_await in_scope(limit.scope(), take_permit(semaphore));
  request.trace.timings.end(Phase::kQueue);
  co_return taken;
}

Task<Result<void>> Client::wait_for_stream(Request& request, Turn& turn) {
  StreamQueue& queue = request.origin->streams_;
  if (!turn.limit && queue.size() >= options_.waiting_per_origin_max)
    co_return fail(Errc::kQueueFull);
  const bool again = turn.limit.has_value();
  if (!again) turn.limit.emplace(Errc::kQueueTimeout, request.timeouts.queue);
  const Result<void> woken = co_await in_scope(turn.limit->scope(), wait_in(queue, again));
  request.trace.timings.end(Phase::kQueue);
  co_return woken;
}

// --- a connection to send on ---

ExchangePtr Client::open_stream(Multiplexed& connection, Request& request) {
  request.trace.target = connection.target();
  request.trace.reused = connection.http().opened() != 0;
  if (request.trace.reused) pool_.count_reuse();
  return connection.http().open();
}

// Whoever waits for the same gets what this dial comes to: a stream, or its failure.
Task<Result<ExchangePtr>> Client::dial_shared(Request& request) {
  const OriginPtr origin = request.origin;
  SharedDial dialling(*origin);
  Result<Opened> opened = co_await open(request);
  dialling.end();
  if (!opened) {
    const Error error = opened.error();
    // What befell this request alone, its deadline or its client's end, is no answer for others;
    // nor is one dial too many while there are connections.
    if (error.info().fault == Fault::kUpstream && origin->shared_.empty())
      origin->streams_.wake(SIZE_MAX, fail(error));
    else
      origin->streams_.wake(1);
    co_return fail(error);
  }
  origin->streams_.wake(SIZE_MAX);
  request.trace.reused = false;
  if (opened->shared != nullptr) co_return open_stream(*opened->shared, request);
  Result<Semaphore::Permit> permitted = co_await permit(origin->exchanges_, request);
  if (!permitted) co_return fail(permitted.error());
  opened->own->hold(std::move(*permitted));
  co_return ExchangePtr(opened->own.release());
}

ExchangePtr Client::take_idle(Request& request, Want want) {
  Origin& origin = *request.origin;
  if (want == Want::kFresh || origin.may_share()) return nullptr;
  Semaphore::Permit permitted = origin.exchanges_.try_acquire();
  if (!permitted) return nullptr;
  ConnectionPtr connection = pool_.take(origin, want == Want::kResendable);
  if (connection == nullptr) return nullptr;
  request.trace.reused = true;
  request.trace.target = connection->target();
  connection->hold(std::move(permitted));
  return ExchangePtr(connection.release());
}

Task<Result<ExchangePtr>> Client::acquire_own(Request& request, Want want) {
  Result<Semaphore::Permit> permitted = co_await permit(request.origin->exchanges_, request);
  if (!permitted) co_return fail(permitted.error());
  ConnectionPtr connection;
  if (want != Want::kFresh) connection = pool_.take(*request.origin, want == Want::kResendable);
  request.trace.reused = connection != nullptr;
  if (connection == nullptr) {
    Result<Opened> opened = co_await open(request);
    if (!opened) co_return fail(opened.error());
    if (opened->shared != nullptr) co_return open_stream(*opened->shared, request);
    connection = std::move(opened->own);
  }
  request.trace.target = connection->target();
  connection->hold(std::move(*permitted));
  co_return ExchangePtr(connection.release());
}

Task<Result<ExchangePtr>> Client::acquire(Request& request, Want want) {
  const OriginPtr origin = request.origin;
  Turn turn;
  // Who comes later waits behind those who wait.
  bool may_try = origin->streams_.size() == 0;
  while (origin->may_share()) {
    if (may_try) {
      if (Multiplexed* connection = pool_.find_shared(*origin))
        co_return open_stream(*connection, request);
      if (pool_.may_share_more(*origin)) {
        Result<ExchangePtr> dialled = co_await dial_shared(request);
        if (dialled || dialled.error().info().fault != Fault::kUpstream || origin->shared_.empty())
          co_return dialled;
      }
    }
    if (const auto woken = co_await wait_for_stream(request, turn); !woken)
      co_return fail(woken.error());
    may_try = true;
  }
  co_return co_await acquire_own(request, want);
}

}  // namespace millrace::client
