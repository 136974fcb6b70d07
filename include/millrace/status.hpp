// What the process tells about itself, for the admin address: the folders behind it stay unseen.
//
// Implemented by the application. Thread rule: called on the thread that serves the admin address;
// must not block. What is a Task asks the io threads, and does without those that are too busy.
#pragma once

#include "base/error.hpp"
#include "millrace/dns_status.hpp"
#include "millrace/supervision_status.hpp"
#include "millrace/upstream_status.hpp"
#include "runtime/task.hpp"

#include <chrono>
#include <cstddef>
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

/// Something that is wrong, or worth knowing, with a configuration.
struct ConfigMessage {
  std::string source;        ///< the file, `--set key=value`; empty: not a matter of one place
  std::uint32_t line = 0;    ///< from 1; 0: none
  std::uint32_t column = 0;  ///< from 1
  std::string message;
  std::string text;  ///< all of it in one line: "millrace.toml:3:11: error: ..."
};

/// What a reload came to. But for kDone nothing has changed.
struct ReloadOutcome {
  enum class Kind : std::uint8_t {
    kDone,
    kInvalid,  ///< the file has errors
    kFailed,   ///< the file is valid, and cannot be had: a busy address, a file that does not load
    kRefused,  ///< not now: the server is going down
  };
  Kind kind = Kind::kDone;
  std::uint64_t generation = 0;  ///< of the configuration that serves now
  std::vector<ConfigMessage> errors = {};
  std::vector<ConfigMessage> warnings = {};
};

/// Which configuration serves.
struct ConfigurationStatus {
  std::string source;            ///< the file, "built-in defaults" or "command line"
  std::uint64_t generation = 1;  ///< 1 since the start, one more with each reload that was done
  std::size_t in_use = 1;  ///< generations that exchanges still have, the current one included
  std::chrono::steady_clock::time_point loaded;
  std::uint64_t reloads = 0;  ///< that were done
  std::uint64_t reload_failures = 0;
  std::string last_failure;  ///< first error of the last reload; empty: it was done
};

struct ProcessStatus {
  std::string_view version;
  std::chrono::steady_clock::time_point started;
  unsigned threads = 0;
  std::vector<ListenerStatus> listeners;
  std::string admin;
  OffloadStatus offload;
  std::uint64_t log_dropped = 0;
  LogLevel log_level = LogLevel::kInfo;
  ConfigurationStatus configuration;
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
  /// Reads the configuration anew, as SIGHUP does.
  [[nodiscard]] virtual Task<ReloadOutcome> reload() = 0;
  /// The configuration that serves, as TOML with every key; secrets are not shown.
  [[nodiscard]] virtual std::string configuration() const = 0;
  /// Until it is set again, or a reload sets the configuration's.
  virtual void set_log_level(LogLevel level) = 0;
  [[nodiscard]] virtual Task<DnsStatus> dns() = 0;
  /// Every io thread forgets the names it knows. How many have.
  [[nodiscard]] virtual Task<unsigned> flush_dns() = 0;
  [[nodiscard]] virtual std::vector<UpstreamStatus> upstreams() const = 0;
  /// No new requests for that target, or again. False: there is none of these names.
  [[nodiscard]] virtual bool set_target_drained(std::string_view upstream, std::string_view target,
                                                bool drained) = 0;
  /// What is supervised, by name.
  [[nodiscard]] virtual std::vector<SupervisedStatus> processes() const = 0;
  /// Begins to replace its instances, one after the other. False: there is none of that name.
  virtual bool restart_process(std::string_view name) = 0;
};

}  // namespace millrace
