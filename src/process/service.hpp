// One [process.NAME] at work: carries out what its Lifecycle decides and tells it what happens.
//
// Each child is watched by its pidfd. Its output goes into the log, line by line, as events
// "process_output". When it ends, what is left of its process group is ended, too, before its
// number can be anybody else's.
//
// Ownership: the host outlives it. run() must have ended before it is destroyed. Thread rule: the
// control thread, which is the main thread (spawn.hpp).
#pragma once

#include "config/process.hpp"
#include "millrace/supervision_status.hpp"
#include "process/file_watch.hpp"
#include "process/host.hpp"
#include "process/instance.hpp"
#include "process/lifecycle.hpp"

#include <deque>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace millrace::process {

class Service {
 public:
  Service(std::string name, config::Process definition, Host& host);
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  ~Service();

  /// Could it be started as things are? Makes the folder of its sockets. Error: a sentence.
  [[nodiscard]] std::expected<void, std::string> prepare();
  /// Could its next definition be started, if it is another one? Error: a sentence.
  [[nodiscard]] std::expected<void, std::string> allows(const config::Process& next) const;
  /// Supervises until it was stopped and every instance has ended.
  [[nodiscard]] Task<void> run();

  /// Replaces every instance, one after the other.
  void restart(std::string_view why);
  /// The same by another definition, if it is another.
  void redefine(config::Process definition);
  /// `drain`: instances finish their requests first.
  void stop(bool drain);
  void kill();

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] bool owns(pid_t pid) const noexcept;
  [[nodiscard]] SupervisedStatus status() const;

 private:
  using Running = std::unique_ptr<RunningInstance>;

  [[nodiscard]] const config::Process& definition(std::uint64_t version) const;
  [[nodiscard]] static Lifecycle::Policy policy_of(const config::Process& definition);
  [[nodiscard]] double random() { return std::uniform_real_distribution<double>()(random_); }

  // service.cpp
  [[nodiscard]] std::expected<SpawnSpec, std::string> try_plan(
      const config::Process& definition) const;
  void act();
  void carry_out(const Action& action);
  void start_one(const Action& action);
  [[nodiscard]] std::expected<void, std::string> launch(RunningInstance& instance);
  [[nodiscard]] std::expected<void, std::string> give_folder(const SpawnSpec& plan) const;
  void set_limits(RunningInstance& instance);
  void terminate(RunningInstance& instance);
  void publish_if_changed();
  [[nodiscard]] Task<void> attend(RunningInstance& instance);
  [[nodiscard]] Task<Ending> await_ending(RunningInstance& instance);
  [[nodiscard]] Task<void> await_ready(RunningInstance& instance);
  [[nodiscard]] Task<bool> ask_whether_ready(RunningInstance& instance);
  void ended(RunningInstance& instance, const Ending& ending);
  void output(RunningInstance& instance, std::string_view stream, std::string_view line);
  void roll_out(config::Process definition, std::string_view why);
  [[nodiscard]] Duration pause() const;
  [[nodiscard]] RunningInstance* find(InstanceId id) noexcept;

  // service_care.cpp
  void look_after(TimePoint now);
  void look_after(RunningInstance& instance, TimePoint now);
  void look_for_hang(RunningInstance& instance, TimePoint now);
  void look_for_deafness(RunningInstance& instance, TimePoint now);
  void look_at_drained(TimePoint now);
  void look_at_files();
  [[nodiscard]] Task<void> judge_hang(InstanceId id);
  [[nodiscard]] Task<void> knock(InstanceId id);
  void give_up_deaf(const RunningInstance& instance, const Error& refusal);
  void give_hint(RunningInstance& instance);

  // service_report.cpp
  void report(const Action& action);
  void report_exit(const RunningInstance& instance, std::string_view reason);
  void remember_exit(unsigned index, std::uint64_t generation, int pid, std::string reason,
                     Cause cause, TimePoint started, const LastLines& lines);
  void alert(std::string_view event, std::string_view text, unsigned index, int pid);
  [[nodiscard]] Task<void> run_alert(SpawnSpec spec);
  void report_alert(std::string_view error);

  struct PastExit {
    ExitStatus status;
    TimePoint at;
  };

  const std::string name_;
  Host& host_;
  std::mt19937_64 random_;
  std::map<std::uint64_t, config::Process> definitions_;  // by version: kept, and candidate
  std::uint64_t next_version_ = 2;
  Lifecycle lifecycle_;
  std::string folder_;  // of the sockets; empty: not made yet
  std::vector<Running> running_;
  TaskGroup tasks_;
  Event poke_;
  std::optional<FileWatch> watch_;
  TimePoint next_look_{};
  // What was published.
  std::vector<std::string> published_;
  bool published_open_ = false;
  TimePoint published_retry_{};
  // For the status.
  std::deque<PastExit> exits_;
  std::uint64_t starts_ = 0;
  std::uint64_t exits_total_ = 0;
  std::uint64_t rollouts_ = 0;
  std::string last_error_;
  unsigned alerts_running_ = 0;
  bool was_ready_ = false;  // any instance, ever
};

}  // namespace millrace::process
