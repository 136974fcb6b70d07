// What is known of the processes that Millrace supervises, for the admin address.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

struct InstanceStatus {
  unsigned index = 0;
  std::uint64_t generation = 0;  ///< counts the starts of the process
  int pid = 0;
  std::string_view state;  ///< "starting", "serving", "draining", "stopping", "aborting", "killed"
  std::string_view cause;  ///< why it is to go: "rollout", "requests", "age", "rss"...; or empty
  std::string address;     ///< "unix:/run/x.sock", "127.0.0.1:8000"
  std::chrono::milliseconds age{0};
  std::uint64_t requests = 0;  ///< answered
  std::uint64_t in_flight = 0;
  std::uint64_t rss_bytes = 0;  ///< of it and what it has started
};

/// One instance that is no more.
struct ExitStatus {
  unsigned index = 0;
  std::uint64_t generation = 0;
  int pid = 0;         ///< 0: it could not be started
  std::string reason;  ///< "killed by SIGKILL", "exited with status 1", "cannot execute it: ..."
  std::string_view cause;  ///< why we ended it; empty: it ended by itself
  std::chrono::milliseconds ago{0};
  std::chrono::milliseconds age{0};     ///< how old it became
  std::vector<std::string> last_lines;  ///< of its output
};

struct SupervisedStatus {
  /// Of each process the newest.
  static constexpr std::size_t kExitsMax = 20;

  std::string name;
  std::vector<std::string> command;
  unsigned workers = 0;
  std::string_view state;  ///< "serving", "starting", "circuit_open", "stopping"
  bool rolling_out = false;
  unsigned failures = 0;                    ///< starts in a row that came to nothing
  std::chrono::milliseconds next_start{0};  ///< 0: no start is waited for
  std::uint64_t starts = 0;
  std::uint64_t exits_total = 0;
  std::uint64_t rollouts = 0;
  std::string last_error;  ///< empty: there was none
  std::vector<InstanceStatus> instances;
  std::vector<ExitStatus> exits;  ///< newest first
};

}  // namespace millrace
