// Idle upstream connections of one io thread.
//
// Keep-alive races: a server may close an idle connection at the moment in which it is used again.
// So every parked connection is watched, and dropped at the first event; and it is used again only
// while it is younger than what the server is known, or may be feared, to grant.
//
// Ownership: owns the parked connections. Thread rule: one io thread.
#pragma once

#include "client/origin.hpp"
#include "h1/client_connection.hpp"
#include "runtime/io_thread.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace millrace::client {

class Pool;

/// One connection and what the pool knows of it.
class Connection final : public IdleHook, public OldestHook, ReadyWatcher {
 public:
  Connection(Pool& pool, OriginPtr origin, net::Stream stream,
             const h1::ClientConnection::Options& options, std::string target);

  h1::ClientConnection http;

  [[nodiscard]] Origin& origin() const noexcept { return *origin_; }
  /// The address that was dialled.
  [[nodiscard]] const std::string& target() const noexcept { return target_; }
  [[nodiscard]] Pool& pool() const noexcept { return pool_; }

 private:
  friend Pool;
  void descriptor_ready() noexcept override;

  Pool& pool_;
  const OriginPtr origin_;
  const std::string target_;
  const TimePoint opened_;
  TimePoint parked_;
  /// `Keep-Alive: timeout=`, as the last answer said; negative: it has never said.
  Duration granted_{-1};
};

class Pool final : TurnHook {
 public:
  struct Options {
    /// Kept per origin and io thread. A Python worker has rarely more than a few dozen.
    std::size_t idle_per_origin_max = 64;
    /// Kept per io thread, for all origins together: descriptors are what it costs.
    std::size_t idle_max = 1024;
    /// How long a connection may have been idle for a request that can be sent again. uvicorn and
    /// hypercorn close after 5 s.
    Duration idle_age = std::chrono::seconds(4);
    /// The same for a request that must not be sent twice. gunicorn closes after 2 s.
    Duration idle_age_unsafe = std::chrono::seconds(1);
    /// Cap on what a server grants by Keep-Alive.
    Duration granted_max = std::chrono::seconds(60);
    /// Older connections are not parked, so that a changed DNS answer is followed.
    Duration age_max = std::chrono::minutes(10);
  };

  struct Stats {
    std::size_t idle = 0;              ///< now
    std::uint64_t reused = 0;          ///< taken out again
    std::uint64_t expired = 0;         ///< grew too old while idle
    std::uint64_t closed_by_peer = 0;  ///< while idle
    std::uint64_t evicted = 0;         ///< over a limit
  };

  explicit Pool(const Options& options) noexcept : options_(options) {}
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool();

  /// The most recently used idle connection that is young enough; nullptr: open one. `resendable`:
  /// the request may be sent again if the connection turns out to be dead.
  [[nodiscard]] std::unique_ptr<Connection> take(Origin& origin, bool resendable);
  /// Parks the connection when it can be used again, else closes it. Not while it is sending.
  void give_back(std::unique_ptr<Connection> connection);
  /// Closes every idle connection.
  void clear() noexcept;
  [[nodiscard]] const Stats& stats() const noexcept { return stats_; }

 private:
  friend Connection;
  void end_of_turn() noexcept override {
    doomed_.clear_and_dispose(std::default_delete<Connection>());
  }
  [[nodiscard]] Duration age_limit(const Connection& connection, bool resendable) const noexcept;
  void unlist(Connection& connection) noexcept;
  void discard(Connection& connection) noexcept;
  void idle_event(Connection& connection) noexcept;
  void park(Connection& connection, TimePoint now, Duration limit) noexcept;

  template <class Hook>
  using List = boost::intrusive::list<Connection, boost::intrusive::base_hook<Hook>,
                                      boost::intrusive::constant_time_size<false>>;
  const Options options_;
  List<OldestHook> oldest_;  // all that are parked; the one parked first comes first
  List<OldestHook> doomed_;  // dead, and possibly still on the stack: freed at the end of the turn
  Stats stats_;
};

}  // namespace millrace::client
