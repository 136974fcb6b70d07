// Upstream connections of one io thread that can take a request: idle ones (HTTP/1.1), and ones
// with room for streams (HTTP/2).
//
// Keep-alive races: a server may close an idle connection at the moment in which it is used again.
// So every parked connection is watched, and dropped at the first event; and it is used again only
// while it is younger than what the server is known, or may be feared, to grant (CloseTimes).
//
// Ownership: owns the connections that nobody uses, and all of HTTP/2. Thread rule: one io thread.
#pragma once

#include "client/multiplexed.hpp"
#include "client/origin.hpp"
#include "h1/client_connection.hpp"
#include "runtime/io_thread.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace millrace::client {

class Pool;

/// One HTTP/1.1 connection and what the pool knows of it. Given back it is parked or closed.
class Connection final : public h1::ClientConnection,
                         public IdleHook,
                         public OldestHook,
                         ReadyWatcher {
 public:
  Connection(Pool& pool, OriginPtr origin, net::Stream stream, const Options& options,
             std::string target, Semaphore::Permit open);

  void give_back() noexcept override;
  [[nodiscard]] Origin& origin() const noexcept { return *origin_; }
  /// The address that was dialled.
  [[nodiscard]] const std::string& target() const noexcept { return target_; }
  /// For as long as it is in use.
  void hold(Semaphore::Permit permit) noexcept { in_use_ = std::move(permit); }

 private:
  friend Pool;
  void descriptor_ready() noexcept override;

  Pool& pool_;
  const OriginPtr origin_;
  const std::string target_;
  const TimePoint expires_;
  TimePoint parked_;
  /// `Keep-Alive: timeout=`, as the last answer said; negative: it has never said.
  Duration granted_{-1};
  Semaphore::Permit open_;
  Semaphore::Permit in_use_;
};

class Pool final : TurnHook {
 public:
  struct Options {
    /// Kept per origin and io thread: as many as may be in use at once, or bursts would dial anew.
    std::size_t idle_per_origin_max = 256;
    /// Kept per io thread, for all origins together: descriptors are what it costs.
    std::size_t idle_max = 1024;
    /// How long a connection may have been idle for a request that can be sent again, while it is
    /// not known when the server closes. uvicorn and hypercorn close after 5 s.
    Duration idle_age = std::chrono::seconds(4);
    /// The same for a request that must not be sent twice. gunicorn closes after 2 s.
    Duration idle_age_unsafe = std::chrono::seconds(1);
    /// Idle connections are watched for so long to learn when the server closes; twice as long when
    /// it did not.
    Duration watch = std::chrono::seconds(15);
    /// Cap on all of these.
    Duration granted_max = std::chrono::seconds(60);
    /// Older connections are not parked, so that a changed DNS answer is followed. Each lives for
    /// nine to ten tenths of it, lest all are dialled anew at once.
    Duration age_max = std::chrono::minutes(10);
    /// HTTP/2 connections per origin: more than one only when the others are full.
    std::size_t shared_per_origin_max = 8;
  };

  struct Stats {
    std::size_t idle = 0;              ///< now
    std::size_t shared = 0;            ///< now: of HTTP/2
    std::uint64_t reused = 0;          ///< taken out again, or one more stream
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

  /// An HTTP/2 connection with room; nullptr: none.
  [[nodiscard]] Multiplexed* find_shared(Origin& origin) noexcept;
  /// One more stream on a connection that had served before.
  void count_reuse() noexcept;
  /// May one more be dialled? Never two at a time.
  [[nodiscard]] bool may_share_more(const Origin& origin) const noexcept {
    return origin.shared_dials_ == 0 && origin.shared_count_ < options_.shared_per_origin_max;
  }
  void add_shared(std::unique_ptr<Multiplexed> connection) noexcept;

  /// Closes a connection that has been idle for long, to a guarded origin or to another. False:
  /// there is none.
  bool evict_one(bool guarded) noexcept;
  /// Closes every idle connection, and those of HTTP/2 once their streams have ended. On the io
  /// thread.
  void clear() noexcept;
  /// Closes what there is, without a word: nobody uses any of it. Anywhere.
  void destroy() noexcept;
  /// When a connection made now should no longer be used.
  [[nodiscard]] TimePoint expiry() noexcept;
  [[nodiscard]] const Options& options() const noexcept { return options_; }
  [[nodiscard]] const Stats& stats() const noexcept { return stats_; }

 private:
  friend Connection;
  friend Multiplexed;
  void end_of_turn() noexcept override;
  void shared_full(Multiplexed& connection) noexcept;
  void shared_ended(Multiplexed& connection) noexcept;
  [[nodiscard]] Duration age_limit(const Connection& connection, bool resendable) const noexcept;
  [[nodiscard]] Duration watch_limit(const Connection& connection) const noexcept;
  void unlist(Connection& connection) noexcept;
  void discard(Connection& connection) noexcept;
  void idle_event(Connection& connection) noexcept;
  void park(Connection& connection, TimePoint now) noexcept;

  template <class T, class Hook>
  using List = boost::intrusive::list<T, boost::intrusive::base_hook<Hook>,
                                      boost::intrusive::constant_time_size<false>>;
  const Options options_;
  List<Connection, OldestHook> oldest_;  // all that are parked; the one parked first comes first
  // Dead, and possibly still on the stack: freed at the end of the turn.
  List<Connection, OldestHook> doomed_;
  List<Multiplexed, OldestHook> shared_;
  List<Multiplexed, OldestHook> doomed_shared_;
  Stats stats_;
  std::uint64_t expiries_ = 0;
};

}  // namespace millrace::client
