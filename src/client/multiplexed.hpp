// One HTTP/2 connection and what the pool knows of it: many requests share it, it is never parked.
//
// Ownership: the pool's, until it is over. Thread rule: one io thread.
#pragma once

#include "client/origin.hpp"
#include "h2/client_connection.hpp"
#include "runtime/io_thread.hpp"

#include <string>

namespace millrace::client {

class Pool;

class Multiplexed final : public SharedHook, public OldestHook, h2::ClientConnection::Host {
 public:
  Multiplexed(Pool& pool, OriginPtr origin, net::Stream stream,
              const h2::ClientConnection::Options& options, std::string target,
              Semaphore::Permit open);

  [[nodiscard]] h2::ClientConnection& http() noexcept { return http_; }
  [[nodiscard]] Origin& origin() const noexcept { return *origin_; }
  /// The address that was dialled.
  [[nodiscard]] const std::string& target() const noexcept { return target_; }

 private:
  friend Pool;
  struct IdleLimit final : Deadline {
    explicit IdleLimit(Multiplexed& c) noexcept : connection(c) {}
    void expired() noexcept override;
    Multiplexed& connection;
  };

  void connection_changed(h2::ClientConnection& connection) noexcept override;

  Pool& pool_;
  const OriginPtr origin_;
  const std::string target_;
  const TimePoint expires_;
  IdleLimit idle_limit_{*this};
  Semaphore::Permit open_;
  bool over_ = false;
  h2::ClientConnection http_;  // last: tells its host
};

}  // namespace millrace::client
