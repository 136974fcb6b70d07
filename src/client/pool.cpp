#include "client/pool.hpp"

#include "base/metrics.hpp"
#include "http/ascii.hpp"

#include <algorithm>

namespace millrace::client {
namespace {

// `Keep-Alive: timeout=5, max=100`; negative when it says nothing usable.
Duration granted_by(const http::Fields& fields) noexcept {
  Duration granted(-1);
  const http::Field* field = fields.find(http::FieldId::kKeepAlive);
  if (field == nullptr) return granted;
  http::for_each_element(field->value, [&](std::string_view element) {
    constexpr std::string_view kName = "timeout=";
    if (!http::istarts_with(element, kName)) return true;
    const auto seconds = http::parse_decimal(element.substr(kName.size()));
    if (seconds) granted = std::chrono::seconds(std::min<std::uint64_t>(*seconds, 3600));
    return false;
  });
  return granted;
}

// What is safe of what was granted: the answer's way to us, and the server's timer, take their
// share.
Duration safe_part(Duration granted) noexcept {
  const Duration margin = std::max<Duration>(std::chrono::milliseconds(500), granted / 10);
  return std::max(granted - margin, granted / 2);
}

}  // namespace

Connection::Connection(Pool& pool, OriginPtr origin, net::Stream stream,
                       const h1::ClientConnection::Options& options, std::string target)
    : http(std::move(stream), options),
      pool_(pool),
      origin_(std::move(origin)),
      target_(std::move(target)),
      opened_(IoThread::current().coarse_now()) {}

void Connection::descriptor_ready() noexcept {
  pool_.idle_event(*this);
}

Pool::~Pool() {
  clear();
}

Duration Pool::age_limit(const Connection& connection, bool resendable) const noexcept {
  const Duration unknown = resendable ? options_.idle_age : options_.idle_age_unsafe;
  const Duration safe = connection.granted_ < Duration::zero()
                            ? unknown
                            : std::min(safe_part(connection.granted_), options_.granted_max);
  return std::min(safe, connection.origin_->idle_age_max_);
}

void Pool::unlist(Connection& connection) noexcept {
  connection.IdleHook::unlink();
  connection.OldestHook::unlink();
  --connection.origin_->idle_count_;
  --stats_.idle;
}

void Pool::discard(Connection& connection) noexcept {
  unlist(connection);
  connection.http.stream().descriptor().unwatch(Direction::kRead, connection);
  doomed_.push_back(connection);
  IoThread::current().at_end_of_turn(*this);
}

std::unique_ptr<Connection> Pool::take(Origin& origin, bool resendable) {
  const TimePoint now = Clock::now();
  while (!origin.idle_.empty()) {
    Connection& freshest = origin.idle_.front();
    // The others have been idle for longer still.
    if (now - freshest.parked_ > age_limit(freshest, resendable)) return nullptr;
    // The last look costs a system call; only who cannot try again has to take it.
    if (!resendable && freshest.http.stream().peer_gone()) {
      ++stats_.closed_by_peer;
      discard(freshest);
      continue;
    }
    unlist(freshest);
    freshest.http.stream().descriptor().unwatch(Direction::kRead, freshest);
    freshest.http.stream().clear_deadline(Direction::kRead);
    ++stats_.reused;
    metrics::add(metrics::Metric::kUpstreamConnectionsReused);
    return std::unique_ptr<Connection>(&freshest);
  }
  return nullptr;
}

void Pool::give_back(std::unique_ptr<Connection> connection) {
  if (!connection->http.reusable() || !connection->http.drained()) return;
  const TimePoint now = Clock::now();
  if (now - connection->opened_ > options_.age_max) return;
  if (const Duration granted = granted_by(connection->http.fields()); granted >= Duration::zero())
    connection->granted_ = granted;
  const Duration limit = age_limit(*connection, true);
  if (limit <= Duration::zero()) return;

  Origin& origin = connection->origin();
  const std::size_t count_max = std::min(options_.idle_per_origin_max, origin.idle_count_max_);
  if (count_max == 0) return;
  if (origin.idle_count_ >= count_max) {
    ++stats_.evicted;
    discard(origin.idle_.back());
  } else if (stats_.idle >= options_.idle_max) {
    ++stats_.evicted;
    discard(oldest_.front());
  }
  park(*connection.release(), now, limit);
}

void Pool::park(Connection& connection, TimePoint now, Duration limit) noexcept {
  connection.http.reset();
  connection.parked_ = now;
  connection.origin_->idle_.push_front(connection);
  ++connection.origin_->idle_count_;
  oldest_.push_back(connection);
  ++stats_.idle;
  connection.http.stream().set_deadline(Direction::kRead, limit, Errc::kIdleTimeout);
  connection.http.stream().descriptor().watch(Direction::kRead, connection);
}

void Pool::idle_event(Connection& connection) noexcept {
  net::Stream& stream = connection.http.stream();
  if (stream.descriptor().timed_out(Direction::kRead)) {
    ++stats_.expired;
    return discard(connection);
  }
  if (connection.http.still_idle()) return stream.descriptor().watch(Direction::kRead, connection);
  ++stats_.closed_by_peer;
  discard(connection);
}

void Pool::clear() noexcept {
  while (!oldest_.empty()) {
    Connection& connection = oldest_.front();
    unlist(connection);
    connection.http.stream().descriptor().unwatch(Direction::kRead, connection);
    doomed_.push_back(connection);
  }
  end_of_turn();
}

}  // namespace millrace::client
