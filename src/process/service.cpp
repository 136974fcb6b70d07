#include "process/service.hpp"

#include "base/log.hpp"
#include "process/launch.hpp"
#include "process/tree.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

namespace millrace::process {
namespace {

using namespace std::chrono_literals;
using Kind = Action::Kind;

constexpr Duration kLookEvery = 1s;
// While somebody is drained, and while a group is waited for.
constexpr Duration kCloseLook = 20ms;
// Never sooner again, whatever is due.
constexpr Duration kPauseMin = 1ms;
constexpr Duration kProbeMax = 5s;
constexpr Duration kProbePauseMin = 20ms, kProbePauseMax = 250ms;
// For what a child has written to be read, once it has ended.
constexpr Duration kLastWords = 500ms;
constexpr double kRecycleJitter = 0.1;
// Of the process's name in the path of its sockets, which has 107 bytes.
constexpr std::size_t kNameInPathMax = 24;

Task<Result<void>> wait_for(Event& event) {
  co_return co_await event.wait();
}

std::uint64_t jittered(std::uint64_t n, double random) {
  return static_cast<std::uint64_t>(static_cast<double>(n) *
                                    (1 - kRecycleJitter + 2 * kRecycleJitter * random));
}

/// The status of an answer; 0 where listening is enough.
Task<Result<int>> ask(Endpoint endpoint, config::Ready ready) {
  DeadlineScope limit(Errc::kDeadline, kProbeMax);
  if (ready.kind != config::Ready::Kind::kSocket)
    co_return co_await in_scope(limit.scope(),
                                probe_http(std::move(endpoint), std::move(ready.path)));
  const auto listens = co_await in_scope(limit.scope(), probe_socket(std::move(endpoint)));
  if (!listens) co_return fail(listens.error());
  co_return 0;
}

bool is_good(int status, const config::Ready& ready) {
  using When = config::Ready::Kind;
  if (ready.kind == When::kSocket) return true;
  return ready.kind == When::kPath ? status >= 200 && status < 400 : status < 500;
}

std::string folder_of_sockets() {
  for (const char* name : {"RUNTIME_DIRECTORY", "TMPDIR"}) {
    const char* folder = std::getenv(name);
    constexpr std::size_t kFolderMax = 40;
    if (folder != nullptr && *folder == '/' && std::strlen(folder) <= kFolderMax &&
        std::strchr(folder, ':') == nullptr)
      return folder;
  }
  return "/tmp";
}

}  // namespace

Service::Service(std::string name, config::Process definition, Host& host)
    : name_(std::move(name)),
      host_(host),
      random_(std::random_device{}()),
      definitions_{{1, std::move(definition)}},
      lifecycle_(policy_of(definitions_.at(1)), [this] { return random(); }) {}

Service::~Service() {
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

Lifecycle::Policy Service::policy_of(const config::Process& d) {
  Lifecycle::Policy policy{.workers = d.workers,
                           .ready_timeout = d.ready_timeout,
                           .drain_timeout = d.drain_timeout,
                           .stop_timeout = d.stop_timeout};
  if (d.recycle.age) policy.age = *d.recycle.age;
  return policy;
}

const config::Process& Service::definition(std::uint64_t version) const {
  const auto at = definitions_.find(version);
  return at != definitions_.end() ? at->second : definitions_.at(lifecycle_.version());
}

std::expected<SpawnSpec, std::string> Service::try_plan(const config::Process& definition) const {
  auto plan = plan_launch(definition, {.name = name_, .socket = "/", .port = 1});
  if (!plan) return std::unexpected("process." + name_ + ": " + plan.error());
  return plan;
}

std::expected<void, std::string> Service::allows(const config::Process& next) const {
  if (next == definitions_.rbegin()->second) return {};
  const auto plan = try_plan(next);
  if (!plan) return std::unexpected(plan.error());
  if (plan->identity && ::geteuid() != 0 && plan->identity->uid != ::geteuid())
    return std::unexpected("process." + name_ + ": only root may become user " + next.user);
  return {};
}

std::expected<void, std::string> Service::prepare() {
  const config::Process& d = definition(lifecycle_.version());
  const auto plan = try_plan(d);
  if (!plan) return std::unexpected(plan.error());
  if (folder_.empty()) {
    std::string path =
        folder_of_sockets() + "/millrace-" + name_.substr(0, kNameInPathMax) + "-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr)
      return std::unexpected("process." + name_ + ": cannot make a folder for its sockets, " +
                             path + ": " + std::strerror(errno));
    folder_ = std::move(path);
  }
  if (const auto given = give_folder(*plan); !given)
    return std::unexpected("process." + name_ + ": " + given.error());
  return {};
}

// It is 0700: its owner must be who makes the next socket. Sockets that are there stay as they are.
std::expected<void, std::string> Service::give_folder(const SpawnSpec& plan) const {
  const uid_t uid = plan.identity ? plan.identity->uid : ::geteuid();
  const gid_t gid = plan.identity ? plan.identity->gid : ::getegid();
  struct stat now{};
  if (::stat(folder_.c_str(), &now) == 0 && now.st_uid == uid) return {};
  if (::chown(folder_.c_str(), uid, gid) == 0) return {};
  return std::unexpected("cannot give " + folder_ + " to user " + std::to_string(uid) + ": " +
                         std::strerror(errno));
}

Task<void> Service::run() {
  const config::Process& d = definition(lifecycle_.version());
  if (!d.watch.empty()) watch_.emplace(d.watch);
  lifecycle_.start(Clock::now());
  while (!lifecycle_.stopping() || !running_.empty()) {
    poke_.reset();
    const TimePoint now = Clock::now();
    lifecycle_.advance(now);
    act();
    look_at_drained(now);
    if (now >= next_look_) look_after(now);
    act();
    DeadlineScope limit(Errc::kDeadline, pause());
    (void)co_await in_scope(limit.scope(), wait_for(poke_));
  }
  tasks_.cancel();
  co_await tasks_.join();
}

Duration Service::pause() const {
  const TimePoint now = Clock::now();
  TimePoint until = std::min(lifecycle_.next(), next_look_);
  const bool draining = std::ranges::any_of(
      lifecycle_.instances(), [](const auto& i) { return i.phase == Phase::kDraining; });
  if (draining) until = std::min(until, now + kCloseLook);
  return std::clamp<Duration>(until - now, kPauseMin, kLookEvery);
}

void Service::act() {
  // Carrying out makes news, which makes actions; a start that fails is one failure, so it ends.
  for (auto actions = lifecycle_.take(); !actions.empty(); actions = lifecycle_.take()) {
    publish_if_changed();  // before anybody is ended
    for (const Action& action : actions) carry_out(action);
  }
  publish_if_changed();
}

RunningInstance* Service::find(InstanceId id) noexcept {
  const auto at = std::ranges::find_if(running_, [id](const Running& r) { return r->id == id; });
  return at == running_.end() ? nullptr : at->get();
}

bool Service::owns(pid_t pid) const noexcept {
  return std::ranges::any_of(running_, [pid](const Running& r) { return r->child.pid == pid; });
}

void Service::carry_out(const Action& action) {
  report(action);
  RunningInstance* const instance = find(action.id);
  if (action.kind == Kind::kStart) return start_one(action);
  if (action.kind == Kind::kRolledOut) {
    ++rollouts_;
    std::erase_if(definitions_, [&](const auto& d) { return d.first < lifecycle_.version(); });
    return;
  }
  if (instance == nullptr) return;
  switch (action.kind) {
    case Kind::kTerminate:
      return terminate(*instance);
    case Kind::kAbort:
      return send_signal(instance->child.pidfd, SIGABRT);
    case Kind::kKill:
      if (!instance->reaped) ::kill(-instance->child.pid, SIGKILL);
      return;
    default:
      return;
  }
}

void Service::terminate(RunningInstance& instance) {
  instance.told_to_stop = true;
  instance.stop_by = Clock::now() + definition(instance.version).stop_timeout;
  send_signal(instance.child.pidfd, SIGTERM);
}

void Service::start_one(const Action& action) {
  auto made = std::make_unique<RunningInstance>();
  made->id = action.id;
  made->index = action.index;
  made->version = action.version;
  made->started = made->motion_at = Clock::now();
  made->seat = name_ + "/" + std::to_string(action.index);
  made->target = made->seat + "#" + std::to_string(action.id);
  made->use = std::make_shared<TargetUse>(host_.io_threads());
  ++starts_;
  if (const auto launched = launch(*made); !launched) {
    last_error_ = launched.error();
    log::event(LogLevel::kError, "process_start_failed",
               {{"process", name_}, {"index", action.index}, {"error", launched.error()}});
    remember_exit(action.index, action.id, 0, launched.error(), Cause::kNone, made->started, {});
    return lifecycle_.exited(action.id, Clock::now());
  }
  log::event(LogLevel::kInfo, "process_started",
             {{"process", name_},
              {"index", made->index},
              {"generation", made->id},
              {"pid", made->child.pid},
              {"cause", name_of(action.cause)}});
  RunningInstance& instance = *running_.emplace_back(std::move(made));
  tasks_.spawn(attend(instance));
}

std::expected<void, std::string> Service::launch(RunningInstance& instance) {
  const config::Process& d = definition(instance.version);
  instance.socket_path =
      folder_ + "/" + std::to_string(instance.index) + "." + std::to_string(instance.id);
  const Placeholders values{
      .name = name_, .index = instance.index, .socket = instance.socket_path, .port = free_port()};
  if (values.port == 0) return std::unexpected("there is no free port");
  const Told told = told_by(d);
  if (told != Told::kPort) instance.endpoints.push_back({.unix_path = values.socket});
  if (told != Told::kSocket) instance.endpoints.push_back({.port = values.port});
  set_limits(instance);
  const auto plan = plan_launch(d, values);
  if (!plan) return std::unexpected(plan.error());
  if (const auto given = give_folder(*plan); !given) return given;
  auto child = spawn(*plan);
  if (!child) return std::unexpected(child.error());
  instance.child = std::move(*child);
  return {};
}

void Service::set_limits(RunningInstance& instance) {
  const config::Recycle& recycle = definition(instance.version).recycle;
  if (recycle.requests != 0)
    instance.requests_max = std::max<std::uint64_t>(jittered(recycle.requests, random()), 1);
  if (recycle.rss_bytes) instance.rss_bytes_max = jittered(*recycle.rss_bytes, random());
}

void Service::output(RunningInstance& instance, std::string_view stream, std::string_view line) {
  instance.lines.add(line);
  log::event(LogLevel::kInfo, "process_output",
             {{"process", name_},
              {"index", instance.index},
              {"pid", instance.child.pid},
              {"stream", stream},
              log::Field::long_text("line", line)});
}

Task<void> Service::attend(RunningInstance& instance) {
  TaskGroup readers, aside;
  readers.spawn(read_lines(instance.child.out, [this, &instance](std::string_view line) {
    output(instance, "stdout", line);
  }));
  readers.spawn(read_lines(instance.child.err, [this, &instance](std::string_view line) {
    output(instance, "stderr", line);
  }));
  aside.spawn(await_ready(instance));
  const Ending ending = co_await await_ending(instance);
  aside.cancel();
  co_await aside.join();
  DeadlineScope limit(Errc::kDeadline, kLastWords);
  co_await in_scope(limit.scope(), join(readers));
  ended(instance, ending);
}

Task<Ending> Service::await_ending(RunningInstance& instance) {
  const Descriptor& pidfd = instance.child.pidfd;
  std::optional<Ending> ending = peek_ending(pidfd);
  while (!ending) {
    (void)co_await instance.child.pidfd.readable();
    ending = peek_ending(pidfd);
  }
  instance.dead = true;
  publish_if_changed();
  // It is a zombie: nobody else can have its number, or its group's. Whom it has started gets what
  // is left of its time: a shell in front of the service dies of SIGTERM at once.
  const pid_t group = instance.child.pid;
  if (instance.told_to_stop && group_lives(group)) {
    ::kill(-group, SIGTERM);
    while (Clock::now() < instance.stop_by && group_lives(group))
      if (!co_await sleep_for(kCloseLook)) break;
  }
  ::kill(-group, SIGKILL);
  instance.reaped = true;
  reap(pidfd);
  co_return *ending;
}

void Service::ended(RunningInstance& instance, const Ending& ending) {
  const TimePoint now = Clock::now();
  if (instance.use->sums().answered > 0) lifecycle_.answered(instance.id, now);
  const std::string reason = ending.text();
  report_exit(instance, reason);
  std::error_code ignored;
  std::filesystem::remove(instance.socket_path, ignored);
  const InstanceId id = instance.id;
  std::erase_if(running_, [id](const Running& r) { return r->id == id; });
  lifecycle_.exited(id, now);
  poke_.set();
}

Task<void> Service::await_ready(RunningInstance& instance) {
  Duration wait = kProbePauseMin;
  for (;;) {
    const Lifecycle::Instance* state = lifecycle_.find(instance.id);
    if (state == nullptr || state->phase != Phase::kStarting) co_return;
    if (co_await ask_whether_ready(instance)) break;
    if (!co_await sleep_for(wait)) co_return;
    wait = std::min(wait * 5 / 4, kProbePauseMax);
  }
  const bool answered = definition(instance.version).ready.kind != config::Ready::Kind::kSocket;
  instance.motion_at = Clock::now();
  was_ready_ = true;
  lifecycle_.ready(instance.id, answered, Clock::now());
  poke_.set();
}

Task<bool> Service::ask_whether_ready(RunningInstance& instance) {
  const config::Ready ready = definition(instance.version).ready;
  instance.last_probe = "listens nowhere";
  for (std::size_t i = 0; i < instance.endpoints.size(); ++i) {
    const Endpoint endpoint = instance.endpoints[i];
    const Result<int> status = co_await ask(endpoint, ready);
    if (!status && status.error().is(Errc::kConnectRefused)) continue;
    // The others were only where it might have been.
    instance.endpoints = {endpoint};
    instance.last_probe = status ? "answered with status " + std::to_string(*status)
                                 : "listens, but: " + status.error().describe();
    co_return status&& is_good(*status, ready);
  }
  co_return false;
}

void Service::publish_if_changed() {
  const TimePoint now = Clock::now();
  TargetSet set;
  std::vector<std::string> names;
  for (const Running& r : running_) {
    const Lifecycle::Instance* state = lifecycle_.find(r->id);
    if (state == nullptr || state->phase != Phase::kServing || r->dead) continue;
    names.push_back(r->target);
    set.targets.push_back(
        {.name = r->target, .seat = r->seat, .endpoint = r->endpoints.front(), .use = r->use});
  }
  const bool open = lifecycle_.circuit_open() && names.empty();
  const TimePoint retry = open ? lifecycle_.next_start() : TimePoint{};
  if (names == published_ && open == published_open_ && retry == published_retry_) return;
  if (open) set.retry_after = std::max(std::chrono::ceil<std::chrono::seconds>(retry - now), 1s);
  published_ = std::move(names);
  published_open_ = open;
  published_retry_ = retry;
  host_.publish(name_, std::move(set));
}

void Service::roll_out(config::Process definition, std::string_view why) {
  log::event(LogLevel::kInfo, "process_rollout", {{"process", name_}, {"why", why}});
  const std::uint64_t version = next_version_++;
  std::erase_if(definitions_, [&](const auto& d) {
    const auto uses = [&](const Running& r) { return r->version == d.first; };
    return d.first != lifecycle_.version() && std::ranges::none_of(running_, uses);
  });
  const Lifecycle::Policy policy = policy_of(definition);
  definitions_.insert_or_assign(version, std::move(definition));
  lifecycle_.roll_out(version, policy, Clock::now());
  poke_.set();
}

void Service::restart(std::string_view why) {
  roll_out(definitions_.rbegin()->second, why);
}

void Service::redefine(config::Process definition) {
  if (definition == definitions_.rbegin()->second) return;
  watch_.reset();
  if (!definition.watch.empty()) watch_.emplace(definition.watch);
  roll_out(std::move(definition), "definition");
}

void Service::stop(bool drain) {
  lifecycle_.stop(drain, Clock::now());
  poke_.set();
}

void Service::kill() {
  lifecycle_.kill();
  poke_.set();
}

}  // namespace millrace::process
