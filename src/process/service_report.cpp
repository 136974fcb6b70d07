// What others learn of a service: the log, alerts, the status.
#include "base/log.hpp"
#include "base/log_text.hpp"
#include "process/launch.hpp"
#include "process/service.hpp"

#include <algorithm>
#include <utility>

#include <signal.h>

namespace millrace::process {
namespace {

using namespace std::chrono_literals;
using Kind = Action::Kind;

constexpr unsigned kAlertsMax = 4;
constexpr Duration kAlertMax = 30s;
// From SIGKILL to its end: longer only in the kernel's hands.
constexpr Duration kLastWait = 2s;

/// nullopt: the scope was cancelled first.
Task<std::optional<Ending>> await_child(Descriptor& pidfd) {
  std::optional<Ending> ending = peek_ending(pidfd);
  while (!ending) {
    if (!co_await pidfd.readable()) co_return std::nullopt;
    ending = peek_ending(pidfd);
  }
  co_return ending;
}

std::chrono::milliseconds to_ms(Duration d) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(d);
}

std::string json_text(std::string_view text) {
  std::string room(text.size() * log::LineWriter::kEscapedBytesMax, '\0');
  log::LineWriter out(room.data());
  out.put_text(text, log::Escape::kJson);
  room.resize(out.written());
  return '"' + room + '"';
}

}  // namespace

void Service::report(const Action& action) {
  const RunningInstance* const instance = find(action.id);
  const int pid = instance == nullptr ? 0 : instance->child.pid;
  switch (action.kind) {
    case Kind::kServe:
      return log::event(
          LogLevel::kInfo, "process_ready",
          {{"process", name_},
           {"index", action.index},
           {"pid", pid},
           {"after_ms",
            instance == nullptr ? 0 : to_ms(Clock::now() - instance->started).count()}});
    case Kind::kNotReady: {
      const std::string state = instance == nullptr ? "" : instance->last_probe;
      last_error_ = "not ready in time: " + state;
      log::event(LogLevel::kError, "process_not_ready",
                 {{"process", name_}, {"index", action.index}, {"pid", pid}, {"state", state}});
      alert("not_ready", last_error_, action.index, pid);
      // Where earlier ones listened, this one has another fault.
      if (instance != nullptr && instance->endpoints.size() > 1 && !was_ready_)
        host_.never_listened(
            name_,
            "it listens neither on PORT nor on MILLRACE_SOCKET; tell it where in its command, by "
            "{socket} or {port}: for uvicorn --uds {socket}, for gunicorn --bind unix:{socket}");
      return;
    }
    case Kind::kCircuitOpened:
      log::event(LogLevel::kError, "process_circuit_open",
                 {{"process", name_},
                  {"failures", lifecycle_.failures()},
                  {"error", last_error_},
                  {"hint", "one start every 30 s from now on; its requests get 503"}});
      return alert("circuit_open", last_error_, action.index, pid);
    case Kind::kCircuitClosed:
      log::event(LogLevel::kInfo, "process_circuit_closed", {{"process", name_}});
      return alert("recovered", "it serves again", action.index, pid);
    case Kind::kRolledOut:
      return log::event(LogLevel::kInfo, "process_rolled_out", {{"process", name_}});
    case Kind::kRolloutFailed:
      log::event(LogLevel::kError, "process_rollout_failed",
                 {{"process", name_},
                  {"index", action.index},
                  {"error", last_error_},
                  {"hint", "the instances from before stay"}});
      return alert("rollout_failed", last_error_, action.index, pid);
    default:
      return;
  }
}

void Service::report_exit(const RunningInstance& instance, std::string_view reason) {
  const Lifecycle::Instance* state = lifecycle_.find(instance.id);
  const Phase phase = state == nullptr ? Phase::kKilled : state->phase;
  const bool by_itself = phase == Phase::kStarting || phase == Phase::kServing;
  const Cause cause = by_itself || state == nullptr ? Cause::kNone : state->cause;
  log::event(by_itself ? LogLevel::kError : LogLevel::kInfo, "process_exited",
             {{"process", name_},
              {"index", instance.index},
              {"pid", instance.child.pid},
              {"reason", reason},
              {"state", name_of(phase)},
              {"cause", name_of(cause)},
              {"requests", instance.use->sums().answered}});
  if (by_itself) {
    last_error_ = std::string(reason);
    if (!instance.lines.lines().empty()) last_error_ += ": " + instance.lines.lines().back();
    alert("exited", last_error_, instance.index, instance.child.pid);
  }
  remember_exit(instance.index, instance.id, instance.child.pid, std::string(reason), cause,
                instance.started, instance.lines);
}

void Service::remember_exit(unsigned index, std::uint64_t generation, int pid, std::string reason,
                            Cause cause, TimePoint started, const LastLines& lines) {
  const TimePoint now = Clock::now();
  ++exits_total_;
  if (exits_.size() == SupervisedStatus::kExitsMax) exits_.pop_back();
  exits_.push_front({{.index = index,
                      .generation = generation,
                      .pid = pid,
                      .reason = std::move(reason),
                      .cause = name_of(cause),
                      .age = to_ms(now - started),
                      .last_lines = {lines.lines().begin(), lines.lines().end()}},
                     now});
}

void Service::alert(std::string_view event, std::string_view text, unsigned index, int pid) {
  const config::Alert& whom = definition(lifecycle_.version()).alert;
  if (whom.command.words.empty() && whom.url.empty()) return;
  const std::string json = "{\"process\":" + json_text(name_) + ",\"event\":" + json_text(event) +
                           ",\"index\":" + std::to_string(index) +
                           ",\"pid\":" + std::to_string(pid) + ",\"text\":" + json_text(text) + "}";
  if (!whom.url.empty()) host_.post_alert(whom.url, json);
  if (whom.command.words.empty()) return;
  auto spec = plan_command(whom.command, {"MILLRACE_ALERT=" + json});
  if (!spec || alerts_running_ >= kAlertsMax)
    return report_alert(spec ? "too many are running" : spec.error());
  ++alerts_running_;  // here: it begins later
  tasks_.spawn(run_alert(std::move(*spec)));
}

Task<void> Service::run_alert(SpawnSpec spec) {
  auto child = spawn(spec);
  if (child) {
    TaskGroup readers;
    const auto put = [this](std::string_view line) {
      log::event(LogLevel::kInfo, "alert_output", {{"process", name_}, {"line", line}});
    };
    readers.spawn(read_lines(child->out, put));
    readers.spawn(read_lines(child->err, put));
    DeadlineScope limit(Errc::kDeadline, kAlertMax);
    auto ending = co_await in_scope(limit.scope(), await_child(child->pidfd));
    ::kill(-child->pid, SIGKILL);  // it is unreaped: the group is still its own
    DeadlineScope last(Errc::kDeadline, kLastWait);
    if (!ending) (void)co_await shielded(last.scope(), await_child(child->pidfd));
    reap(child->pidfd);
    readers.cancel();
    co_await readers.join();
    const bool good = ending && ending->code == 0 && ending->signal == 0;
    report_alert(good ? "" : ending ? ending->text() : "took too long");
  } else {
    report_alert(child.error());
  }
  --alerts_running_;
}

void Service::report_alert(std::string_view error) {
  if (error.empty()) return;
  log::event(LogLevel::kError, "alert_failed", {{"process", name_}, {"error", error}});
}

SupervisedStatus Service::status() const {
  const TimePoint now = Clock::now();
  const config::Process& d = definition(lifecycle_.version());
  SupervisedStatus out{.name = name_, .command = d.command.words, .workers = d.workers};
  bool serves = false;
  for (const Running& r : running_) {
    const Lifecycle::Instance* state = lifecycle_.find(r->id);
    const TargetUse::Sums use = r->use->sums();
    serves = serves || (state != nullptr && state->phase == Phase::kServing);
    out.instances.push_back({.index = r->index,
                             .generation = r->id,
                             .pid = r->child.pid,
                             .state = name_of(state == nullptr ? Phase::kKilled : state->phase),
                             .cause = name_of(state == nullptr ? Cause::kNone : state->cause),
                             .address = r->endpoints.front().text(),
                             .age = to_ms(now - r->started),
                             .requests = use.answered,
                             .in_flight = use.in_flight,
                             .rss_bytes = r->rss_bytes});
  }
  std::ranges::sort(out.instances, {},
                    [](const InstanceStatus& i) { return std::pair(i.index, i.generation); });
  out.state = lifecycle_.stopping()       ? "stopping"
              : serves                    ? "serving"
              : lifecycle_.circuit_open() ? "circuit_open"
                                          : "starting";
  out.rolling_out = lifecycle_.rolling_out();
  out.failures = lifecycle_.failures();
  if (lifecycle_.failures() > 0)
    out.next_start = std::max(to_ms(lifecycle_.next_start() - now), 0ms);
  out.starts = starts_;
  out.exits_total = exits_total_;
  out.rollouts = rollouts_;
  out.last_error = last_error_;
  for (const PastExit& exit : exits_) {
    out.exits.push_back(exit.status);
    out.exits.back().ago = to_ms(now - exit.at);
  }
  return out;
}

}  // namespace millrace::process
