// What a supervised process needs of whoever runs the supervisor: the application implements it.
//
// Thread rule: called on the control thread.
#pragma once

#include "millrace/target_use.hpp"
#include "process/probe.hpp"
#include "runtime/task.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace millrace::process {

/// An instance that gets requests.
struct Served {
  std::string name;  ///< "ml/0#3": process, slot, generation
  std::string seat;  ///< "ml/0": what it has in common with who was there before it
  Endpoint endpoint;
  std::shared_ptr<TargetUse> use;
};

struct TargetSet {
  std::vector<Served> targets;
  /// Nobody is there and nobody is expected soon: requests need not wait. 0: they may.
  std::chrono::seconds retry_after{0};
};

class Host {
 public:
  virtual ~Host() = default;
  /// From now on these serve `process`: when it returns, no request begins at any other.
  virtual void publish(const std::string& process, TargetSet set) = 0;
  /// Requests that have not ended, at a target that may be withdrawn already.
  [[nodiscard]] virtual std::uint64_t in_flight(const std::string& process,
                                                const std::string& target) const = 0;
  /// Posts `json` to `url`; trouble with that is logged and no more.
  virtual void post_alert(const std::string& url, std::string json) = 0;
  /// Ids of the requests that are at a target, and of the last that was given up there.
  [[nodiscard]] virtual Task<std::vector<std::string>> requests_at(std::string process,
                                                                   std::string target) = 0;
  /// An instance was not ready in time, and nothing tells it where to listen but PORT.
  virtual void never_listened(const std::string& process, const std::string& hint) = 0;
  [[nodiscard]] virtual unsigned io_threads() const = 0;
};

}  // namespace millrace::process
