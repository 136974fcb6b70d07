// What has to be looked at now and then: memory, requests, hanging, closed sockets, files.
#include "base/log.hpp"
#include "process/launch.hpp"
#include "process/service.hpp"
#include "process/tree.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace millrace::process {
namespace {

using namespace std::chrono_literals;

constexpr Duration kLookEvery = 1s;
constexpr Duration kHangProbe = 10s;
constexpr Duration kHintAfter = 10s;
// Of an instance of which nothing is heard; at once where requests fail.
constexpr Duration kKnockEvery = 10s;
constexpr Duration kKnockMax = 1s;
// One look (kLookEvery) apart: who opens its socket anew has that long for it.
constexpr unsigned kRefusalsMax = 3;

/// Nobody is there. Other failures may be those of this machine: it may have no port left.
bool says_nobody_listens(const Error& error) {
  return error.is(Errc::kConnectRefused) &&
         (error.os_error == ECONNREFUSED || error.os_error == ENOENT);
}

}  // namespace

void Service::look_after(TimePoint now) {
  next_look_ = now + kLookEvery;
  for (std::size_t i = 0; i < running_.size(); ++i) look_after(*running_[i], now);
  look_at_files();
}

void Service::look_after(RunningInstance& instance, TimePoint now) {
  const Lifecycle::Instance* state = lifecycle_.find(instance.id);
  if (state == nullptr) return;
  instance.rss_bytes = resident_bytes(instance.child.pid);
  if (state->phase == Phase::kStarting && now - state->started >= kHintAfter) give_hint(instance);
  if (state->phase != Phase::kServing) return;
  const TargetUse::Sums use = instance.use->sums();
  if (use.answered > 0) lifecycle_.answered(instance.id, now);
  if (use.answered >= instance.requests_max) lifecycle_.recycle(instance.id, Cause::kRequests, now);
  if (instance.rss_bytes >= instance.rss_bytes_max)
    lifecycle_.recycle(instance.id, Cause::kRss, now);
  look_for_hang(instance, now);
  look_for_deafness(instance, now);
}

void Service::look_for_hang(RunningInstance& instance, TimePoint now) {
  const auto& limit = definition(instance.version).hang_timeout;
  const TargetUse::Sums use = instance.use->sums();
  if (use.waiting == 0 || use.motion != instance.motion) instance.motion_at = now;
  instance.motion = use.motion;
  const bool gave_up = use.timed_out > std::exchange(instance.timed_out, use.timed_out);
  if (!limit || instance.being_probed || instance.dead) return;
  const bool silent = now - instance.motion_at >= *limit;
  const bool only_one = gave_up && use.in_flight == 0;
  if (!silent && !only_one) return;
  instance.being_probed = true;
  tasks_.spawn(judge_hang(instance.id));
}

// The instance may end while it is asked: it is looked up again.
Task<void> Service::judge_hang(InstanceId id) {
  if (find(id) == nullptr) co_return;
  const RunningInstance& instance = *find(id);
  const std::string target = instance.target;
  const std::string path = definition(instance.version).ready.path;
  const Endpoint endpoint = instance.endpoints.front();
  const auto hang_timeout = definition(instance.version).hang_timeout;
  const Duration patience =
      hang_timeout ? std::min<Duration>(*hang_timeout, kHangProbe) : kHangProbe;
  Result<int> status = fail(Errc::kDeadline);
  {
    DeadlineScope limit(Errc::kDeadline, patience);
    status = co_await in_scope(limit.scope(), probe_http(endpoint, path.empty() ? "/" : path));
  }
  RunningInstance* still = find(id);
  if (still == nullptr) co_return;
  still->being_probed = false;
  still->motion_at = Clock::now();
  // Whatever it says, it is not stuck; and what ends by itself needs no help.
  const bool silent = !status && status.error().is(Errc::kDeadline);
  if (!silent) co_return;
  const std::vector<std::string> requests = co_await host_.requests_at(name_, target);
  still = find(id);
  if (still == nullptr) co_return;
  std::string shown;
  for (const std::string& request : requests)
    shown.append(shown.empty() ? "" : " ").append(request);
  log::event(LogLevel::kError, "process_hung",
             {{"process", name_},
              {"index", still->index},
              {"pid", still->child.pid},
              {"requests", shown}});
  last_error_ = "instance " + std::to_string(still->index) + " hung";
  alert("hung", "does not answer any more; requests at it: " + (shown.empty() ? "none" : shown),
        still->index, still->child.pid);
  lifecycle_.hung(id, Clock::now());
  poke_.set();
}

// A connection that is closed at once, and no request: it costs next to nothing and says enough.
void Service::look_for_deafness(RunningInstance& instance, TimePoint now) {
  if (instance.being_knocked_at || instance.dead) return;
  const TargetUse::Sums use = instance.use->sums();
  if (use.motion != std::exchange(instance.heard, use.motion))
    instance.next_knock = now + kKnockEvery;
  // One that is busy need not take another connection, of which it may have room for few.
  const bool quiet = use.waiting == 0 && now >= instance.next_knock;
  const bool refusing = use.refused != std::exchange(instance.refused, use.refused);
  if (!refusing && instance.refusals == 0 && !quiet) return;
  instance.being_knocked_at = true;
  tasks_.spawn(knock(instance.id));
}

// As above: it may end meanwhile.
Task<void> Service::knock(InstanceId id) {
  RunningInstance* instance = find(id);
  if (instance == nullptr) co_return;
  const Endpoint endpoint = instance->endpoints.front();
  Result<void> listens;
  {
    DeadlineScope limit(Errc::kDeadline, kKnockMax);
    listens = co_await in_scope(limit.scope(), probe_socket(endpoint));
  }
  instance = find(id);
  if (instance == nullptr || instance->dead) co_return;
  instance->being_knocked_at = false;
  instance->next_knock = Clock::now() + kKnockEvery;
  const bool refused = !listens && says_nobody_listens(listens.error());
  instance->refusals = refused ? instance->refusals + 1 : 0;
  if (instance->refusals >= kRefusalsMax) give_up_deaf(*instance, listens.error());
}

void Service::give_up_deaf(const RunningInstance& instance, const Error& refusal) {
  const Lifecycle::Instance* state = lifecycle_.find(instance.id);
  if (state == nullptr || state->phase != Phase::kServing) return;
  log::event(LogLevel::kError, "process_deaf",
             {{"process", name_},
              {"index", instance.index},
              {"pid", instance.child.pid},
              {"address", instance.endpoints.front().text()},
              {"error", refusal.describe()}});
  last_error_ = "instance " + std::to_string(instance.index) + " listens no longer";
  alert("deaf", "listens no longer, and lives", instance.index, instance.child.pid);
  lifecycle_.deaf(instance.id, Clock::now());
  poke_.set();
}

void Service::look_at_drained(TimePoint now) {
  for (const Running& r : running_) {
    const Lifecycle::Instance* state = lifecycle_.find(r->id);
    if (state == nullptr || state->phase != Phase::kDraining) continue;
    // Both: the host knows at once of those that begin, and the count knows of those whose upstream
    // is gone from the configuration.
    if (host_.in_flight(name_, r->target) == 0 && r->use->sums().in_flight == 0)
      lifecycle_.drained(r->id, now);
  }
}

void Service::look_at_files() {
  if (watch_ && !lifecycle_.stopping() && watch_->changed()) restart("watch");
}

void Service::give_hint(RunningInstance& instance) {
  if (std::exchange(instance.hint_given, true)) return;
  const bool nowhere = instance.endpoints.size() > 1;
  log::event(LogLevel::kWarn, "process_not_ready_yet",
             {{"process", name_},
              {"index", instance.index},
              {"pid", instance.child.pid},
              {"state", instance.last_probe},
              {"hint", nowhere ? "nothing in the command says where to listen: add {socket} or "
                                 "{port}, as in --uds {socket} or --port {port}"
                               : "still waiting"}});
}

}  // namespace millrace::process
