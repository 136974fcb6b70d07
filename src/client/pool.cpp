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

}  // namespace

Connection::Connection(Pool& pool, OriginPtr origin, net::Stream stream, const Options& options,
                       std::string target, Semaphore::Permit open)
    : h1::ClientConnection(std::move(stream), options),
      pool_(pool),
      origin_(std::move(origin)),
      target_(std::move(target)),
      expires_(pool.expiry()),
      open_(std::move(open)) {}

void Connection::give_back() noexcept {
  pool_.give_back(std::unique_ptr<Connection>(this));
}

void Connection::descriptor_ready() noexcept {
  pool_.idle_event(*this);
}

// Each lives for a little less than the last one: no random numbers needed.
TimePoint Pool::expiry() noexcept {
  constexpr std::uint64_t kSteps = 16;
  const Duration jitter = options_.age_max / (10 * kSteps) * (expiries_++ % kSteps);
  return after(IoThread::current().coarse_now(), options_.age_max - jitter);
}

Duration Pool::age_limit(const Connection& connection, bool resendable) const noexcept {
  const Duration unknown = resendable ? options_.idle_age : options_.idle_age_unsafe;
  const Duration limit = connection.granted_ >= Duration::zero()
                             ? CloseTimes::safe_part(connection.granted_)
                             : connection.origin_->facts_.closes.limit(unknown);
  return std::min({limit, options_.granted_max, connection.origin_->idle_age_max_});
}

// For longer than it will be used, where the server has not said when it closes.
Duration Pool::watch_limit(const Connection& connection) const noexcept {
  const Duration use = age_limit(connection, true);
  if (connection.granted_ >= Duration::zero()) return use;
  const Duration watch = std::max(options_.watch, 2 * connection.origin_->facts_.closes.longest());
  return std::min({std::max(watch, use), options_.granted_max, connection.origin_->idle_age_max_});
}

void Pool::unlist(Connection& connection) noexcept {
  connection.IdleHook::unlink();
  connection.OldestHook::unlink();
  --connection.origin_->idle_count_;
  --stats_.idle;
}

void Pool::discard(Connection& connection) noexcept {
  unlist(connection);
  connection.stream().descriptor().unwatch(Direction::kRead, connection);
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
    if (!resendable && freshest.stream().peer_gone()) {
      ++stats_.closed_by_peer;
      discard(freshest);
      continue;
    }
    freshest.origin_->facts_.closes.open_after(now - freshest.parked_);
    unlist(freshest);
    freshest.stream().descriptor().unwatch(Direction::kRead, freshest);
    freshest.stream().clear_deadline(Direction::kRead);
    count_reuse();
    return std::unique_ptr<Connection>(&freshest);
  }
  return nullptr;
}

void Pool::give_back(std::unique_ptr<Connection> connection) {
  if (!connection->reusable() || !connection->drained()) return;
  const TimePoint now = IoThread::current().turn_time();
  if (now > connection->expires_ || connection->open_.is_wanted()) return;
  if (const Duration granted = granted_by(connection->fields()); granted >= Duration::zero())
    connection->granted_ = granted;
  if (watch_limit(*connection) <= Duration::zero()) return;

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
  park(*connection.release(), now);
}

void Pool::park(Connection& connection, TimePoint now) noexcept {
  connection.reset();
  connection.parked_ = now;
  connection.origin_->idle_.push_front(connection);
  ++connection.origin_->idle_count_;
  oldest_.push_back(connection);
  ++stats_.idle;
  connection.stream().set_deadline(Direction::kRead, watch_limit(connection), Errc::kIdleTimeout);
  connection.stream().descriptor().watch(Direction::kRead, connection);
  connection.in_use_.release();
}

void Pool::idle_event(Connection& connection) noexcept {
  net::Stream& stream = connection.stream();
  const Duration idle = Clock::now() - connection.parked_;
  CloseTimes& closes = connection.origin_->facts_.closes;
  if (stream.descriptor().timed_out(Direction::kRead)) {
    closes.open_after(idle);
    ++stats_.expired;
    return discard(connection);
  }
  if (connection.still_idle()) return stream.descriptor().watch(Direction::kRead, connection);
  closes.closed_after(idle);
  ++stats_.closed_by_peer;
  discard(connection);
}

bool Pool::evict_one(bool guarded) noexcept {
  const auto parked = std::ranges::find_if(oldest_, [guarded](const Connection& connection) {
    return connection.origin().spec().guarded == guarded;
  });
  if (parked != oldest_.end()) {
    ++stats_.evicted;
    discard(*parked);
    return true;
  }
  const auto idle = std::ranges::find_if(shared_, [guarded](Multiplexed& connection) {
    return connection.http().streams() == 0 && connection.origin().spec().guarded == guarded;
  });
  if (idle == shared_.end()) return false;
  ++stats_.evicted;
  idle->http().close_gracefully();
  return true;
}

void Pool::count_reuse() noexcept {
  ++stats_.reused;
  metrics::add(metrics::Metric::kUpstreamConnectionsReused);
}

// --- HTTP/2 ---

Multiplexed* Pool::find_shared(Origin& origin) noexcept {
  const TimePoint now = IoThread::current().coarse_now();
  for (auto at = origin.shared_.begin(); at != origin.shared_.end();) {
    Multiplexed& connection = *at++;
    if (now > connection.expires_) {
      connection.http().close_gracefully();
      continue;
    }
    if (connection.http().room() != 0) return &connection;
  }
  return nullptr;
}

void Pool::add_shared(std::unique_ptr<Multiplexed> connection) noexcept {
  Multiplexed& added = *connection.release();
  added.origin().shared_.push_front(added);
  ++added.origin().shared_count_;
  shared_.push_back(added);
  ++stats_.shared;
}

// It ends, or will with its last stream: its place in the origin's count is free.
void Pool::shared_full(Multiplexed& connection) noexcept {
  if (!connection.SharedHook::is_linked()) return;
  connection.SharedHook::unlink();
  --connection.origin().shared_count_;
}

// It may be on the stack.
void Pool::shared_ended(Multiplexed& connection) noexcept {
  connection.OldestHook::unlink();
  --stats_.shared;
  doomed_shared_.push_back(connection);
  IoThread::current().at_end_of_turn(*this);
}

// --- the end ---

void Pool::end_of_turn() noexcept {
  doomed_.clear_and_dispose(std::default_delete<Connection>());
  doomed_shared_.clear_and_dispose(std::default_delete<Multiplexed>());
}

void Pool::clear() noexcept {
  while (!oldest_.empty()) discard(oldest_.front());
  for (auto at = shared_.begin(); at != shared_.end();) (at++)->http().close_gracefully();
  end_of_turn();
}

void Pool::destroy() noexcept {
  while (!oldest_.empty()) {
    Connection& connection = oldest_.front();
    unlist(connection);
    connection.stream().descriptor().unwatch(Direction::kRead, connection);
    doomed_.push_back(connection);
  }
  while (!shared_.empty()) {
    Multiplexed& connection = shared_.front();
    connection.over_ = true;
    shared_full(connection);
    connection.OldestHook::unlink();
    --stats_.shared;
    doomed_shared_.push_back(connection);
  }
  end_of_turn();
}

Pool::~Pool() {
  destroy();
}

}  // namespace millrace::client
