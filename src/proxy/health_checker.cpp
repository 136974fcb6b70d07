#include "proxy/health_checker.hpp"

#include "net/dialer.hpp"
#include "runtime/io_thread.hpp"
#include "runtime/task_group.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace millrace::proxy {

Duration HealthChecker::up_to(Duration most) noexcept {
  return Duration(
      static_cast<Duration::rep>(random_.below(static_cast<std::uint64_t>(most.count()) + 1)));
}

Task<Result<std::string>> HealthChecker::ask_http(const UpstreamState::Entry& entry) {
  auto origin = client_.origin(entry.spec.origin);
  if (!origin) co_return std::move(origin.error());
  const std::string own =
      entry.spec.authority.empty() ? authority_of(entry.spec.origin) : entry.spec.authority;
  client::Request request;
  request.origin = std::move(*origin);
  request.target = options_.path;
  request.host = options_.host.empty() ? std::string_view(own) : options_.host;
  request.fields.add(http::FieldId::kUserAgent, "millrace-health");
  request.body_bytes_max = kBodyBytesMax;
  Result<client::Response> response = co_await client_.fetch(request);
  if (!response) co_return fail(response.error());
  const int status = response->status();
  Result<void> read;
  while (read && !response->done()) {
    const Result<Bytes> piece = co_await response->read();
    if (!piece) read = fail(piece.error());
    if (!piece || piece->empty()) break;
  }
  co_await response->close();
  if (status < options_.status_min || status > options_.status_max)
    co_return "status " + std::to_string(status);
  if (!read) co_return fail(read.error());
  co_return std::string();
}

Task<Result<std::string>> HealthChecker::connect(const UpstreamState::Entry& entry) {
  const client::OriginSpec& spec = entry.spec.origin;
  std::vector<net::SocketAddress> addresses;
  if (!spec.unix_path.empty()) {
    if (const auto path = net::SocketAddress::unix_path(spec.unix_path)) addresses.push_back(*path);
  } else {
    const Result<net::Addresses> resolved = co_await resolver_.resolve(spec.host);
    if (!resolved) co_return fail(resolved.error());
    for (const net::IpAddress& ip : resolved->list) addresses.emplace_back(ip, spec.port);
  }
  net::DialReport report;
  const Result<net::Stream> stream =
      co_await net::dial(addresses, {.connect_timeout = options_.timeout}, report);
  if (!stream) co_return fail(stream.error());
  co_return std::string();
}

Task<Result<std::string>> HealthChecker::ask(const UpstreamState::Entry& entry) {
  if (options_.path.empty()) co_return co_await connect(entry);
  co_return co_await ask_http(entry);
}

Task<void> HealthChecker::check(UpstreamState::Entry entry, Duration delay) {
  if (!co_await sleep_for(delay)) co_return;
  const Result<Semaphore::Permit> place = co_await places_.acquire();
  if (!place) co_return;
  DeadlineScope limit(Errc::kDeadline, options_.timeout);
  const Result<std::string> answer = co_await in_scope(limit.scope(), ask(entry));
  std::string fault = answer ? *answer : std::string(answer.error().info().text);
  if (limit.passed())
    fault = "no answer in time";
  else if (!answer && answer.error().is(Errc::kCancelled))
    co_return;  // we are stopped
  const bool well = counters_[entry.state->id()].check(fault.empty(), options_.thresholds);
  upstream_.set_unhealthy(*entry.state, !well, Clock::now(), "health check: " + fault);
}

Task<void> HealthChecker::run() {
  for (;;) {
    const auto targets = upstream_.targets();
    std::erase_if(counters_, [&](const auto& counter) {
      return std::ranges::none_of(
          *targets, [&](const UpstreamState::Entry& e) { return e.state->id() == counter.first; });
    });
    TaskGroup round;
    const TimePoint began = Clock::now();
    for (const UpstreamState::Entry& entry : *targets) {
      // Of a new one it should be known soon.
      const bool known = counters_.contains(entry.state->id());
      round.spawn(check(entry, known ? up_to(options_.interval / 4) : Duration{}));
    }
    co_await round.join();
    const Duration pause = options_.interval * 9 / 10 + up_to(options_.interval / 5);
    if (!co_await sleep_until(after(began, pause))) co_return;
  }
}

}  // namespace millrace::proxy
