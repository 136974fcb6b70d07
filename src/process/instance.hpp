// One started child of a service, and what is remembered of it while it lives.
#pragma once

#include "millrace/target_use.hpp"
#include "process/lifecycle.hpp"
#include "process/output.hpp"
#include "process/probe.hpp"
#include "process/spawn.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace millrace::process {

struct RunningInstance {
  InstanceId id = 0;
  unsigned index = 0;
  std::uint64_t version = 0;
  std::string seat;    ///< "ml/0"
  std::string target;  ///< "ml/0#3"
  Child child;
  /// Where it may listen, the likeliest first; once it is ready, the one where it does.
  std::vector<Endpoint> endpoints;
  std::string socket_path;
  std::shared_ptr<TargetUse> use;
  TimePoint started;
  LastLines lines;
  std::string last_probe;  ///< what the last one that failed has said
  std::uint64_t rss_bytes = 0;
  // From here on it is recycled: each instance has limits of its own, so that not all go at once.
  std::uint64_t requests_max = UINT64_MAX;
  std::uint64_t rss_bytes_max = UINT64_MAX;
  /// It was told to stop: what it has started gets the rest of the time, too.
  bool told_to_stop = false;
  TimePoint stop_by = TimePoint::max();
  bool dead = false;
  bool reaped = false;  ///< its number may be another's
  bool hint_given = false;
  // Whether it hangs.
  std::uint64_t motion = 0;
  TimePoint motion_at;
  std::uint64_t timed_out = 0;
  bool being_probed = false;
  // Whether it still listens.
  std::uint64_t heard = UINT64_MAX;  ///< TargetUse::Sums::motion when last looked at
  std::uint64_t refused = 0;
  TimePoint next_knock;
  unsigned refusals = 0;  ///< in a row
  bool being_knocked_at = false;
};

}  // namespace millrace::process
