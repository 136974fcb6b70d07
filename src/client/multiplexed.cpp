#include "client/multiplexed.hpp"

#include "client/pool.hpp"

#include <utility>

namespace millrace::client {

Multiplexed::Multiplexed(Pool& pool, OriginPtr origin, net::Stream stream,
                         const h2::ClientConnection::Options& options, std::string target,
                         Semaphore::Permit open)
    : pool_(pool),
      origin_(std::move(origin)),
      target_(std::move(target)),
      expires_(pool.expiry()),
      open_(std::move(open)),
      http_(std::move(stream), options, *this) {}

void Multiplexed::connection_changed(h2::ClientConnection& connection) noexcept {
  if (over_) return;
  const bool takes = connection.takes_streams();
  if (!takes) pool_.shared_full(*this);
  origin_->streams_.wake(takes ? connection.room() : SIZE_MAX);
  if (connection.is_over()) {
    over_ = true;
    return pool_.shared_ended(*this);
  }
  if (connection.streams() != 0) return idle_limit_.disarm();
  if (open_.is_wanted()) return connection.close_gracefully();
  if (!idle_limit_.armed())
    IoThread::current().arm(idle_limit_,
                            std::min(pool_.options().granted_max, origin_->idle_age_max_));
}

void Multiplexed::IdleLimit::expired() noexcept {
  if (connection.http_.streams() == 0) connection.http_.close_gracefully();
}

}  // namespace millrace::client
