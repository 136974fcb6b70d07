// What the process tells about itself, for the admin address: the folders behind it stay unseen.
//
// Implemented by the application. Thread rule: called on the thread that serves the admin address;
// must not block. What is a Task asks the io threads, and does without those that are too busy.
#pragma once

#include "millrace/dns_status.hpp"
#include "runtime/task.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// One bound listener of the public side.
struct ListenerStatus {
  std::string address;  ///< "127.0.0.1:8080", "[::1]:8080", "unix:/path"
  bool tls = false;
  bool egress = false;  ///< a forward proxy's
};

struct OffloadStatus {
  unsigned threads = 0;
  std::uint64_t queued = 0;
  std::uint64_t running = 0;
  std::uint64_t completed = 0;
  std::uint64_t refused = 0;
};

struct ProcessStatus {
  std::string_view version;
  std::chrono::steady_clock::time_point started;
  unsigned threads = 0;
  std::vector<ListenerStatus> listeners;
  std::string admin;
  OffloadStatus offload;
  std::uint64_t log_dropped = 0;
};

/// How much one upstream is asked at once, and who waits.
struct QueueStatus {
  std::string upstream;
  std::uint64_t limit = 0;
  std::uint64_t in_flight = 0;
  std::uint64_t waiting = 0;
  std::chrono::steady_clock::duration oldest{};  ///< wait of who has waited longest
  bool overloaded = false;                       ///< the newest are served first
  std::uint64_t queued = 0;                      ///< had to wait, ever
  std::uint64_t refused = 0;                     ///< because the queue was full
  std::uint64_t timed_out = 0;                   ///< in the queue
};

class StatusSource {
 public:
  virtual ~StatusSource() = default;
  [[nodiscard]] virtual ProcessStatus status() const = 0;
  /// Listening, configured, and not going down.
  [[nodiscard]] virtual bool ready() const = 0;
  [[nodiscard]] virtual bool draining() const = 0;
  /// Begins the drain, as SIGTERM does; returns at once. Harmless when it has begun.
  virtual void drain() = 0;
  /// Of every upstream, by name.
  [[nodiscard]] virtual std::vector<QueueStatus> queues() const { return {}; }
  [[nodiscard]] virtual Task<DnsStatus> dns() = 0;
  /// Every io thread forgets the names it knows. How many have.
  [[nodiscard]] virtual Task<unsigned> flush_dns() = 0;
};

}  // namespace millrace
