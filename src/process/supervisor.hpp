// All supervised processes: started together, stopped together, changed by a reload.
//
// As PID 1 or as a subreaper it also takes away the zombies of processes whose parents have ended.
//
// Ownership: the host outlives it; run() must have ended before it is destroyed. Thread rule: the
// control thread, which is the main thread (spawn.hpp).
#pragma once

#include "process/service.hpp"

#include <expected>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::process {

class Supervisor {
 public:
  using Definitions = std::map<std::string, config::Process, std::less<>>;

  Supervisor(const Definitions& definitions, Host& host);

  /// Could all of them be started? Before run(). Error: a sentence.
  [[nodiscard]] std::expected<void, std::string> prepare();
  /// Supervises until stop() or kill(), and until every child has ended.
  [[nodiscard]] Task<void> run();

  /// Rolls one; false: there is none of that name.
  bool restart(std::string_view name);
  void restart_all(std::string_view why);
  /// Another configuration is coming: what is new in it gets ready, and what has changed must be
  /// something that can be started. Error: a sentence.
  [[nodiscard]] std::expected<void, std::string> stage(const Definitions& definitions);
  /// It is not wanted.
  void unstage() noexcept { added_.clear(); }
  /// The one that was staged: starts what is new, rolls what has changed; what stayed the same is
  /// not touched, and what is gone goes on until end_removed().
  void apply(const Definitions& definitions);
  /// Nobody needs what is gone from the configuration any more: it drains and ends.
  void end_removed();
  /// SIGTERM to all, and SIGKILL when their time is up.
  void stop();
  /// SIGKILL to all.
  void kill();

  [[nodiscard]] bool empty() const noexcept { return services_.empty(); }
  [[nodiscard]] std::vector<SupervisedStatus> status() const;

 private:
  [[nodiscard]] Service* find(std::string_view name) noexcept;
  [[nodiscard]] Task<void> run_one(Service& service);
  [[nodiscard]] Task<void> reap_others();
  [[nodiscard]] std::expected<void, std::string> stage_new(const std::string& name,
                                                           const config::Process& definition);
  void begin(std::unique_ptr<Service> service);

  Host& host_;
  std::vector<std::unique_ptr<Service>> services_;
  std::vector<std::unique_ptr<Service>> added_;    // staged
  std::vector<std::unique_ptr<Service>> removed_;  // gone from the configuration, still serving
  std::vector<std::unique_ptr<Service>> retired_;  // gone from the configuration, not yet ended
  TaskGroup tasks_;
  Event stopped_;
  bool running_ = false;
};

}  // namespace millrace::process
