#include "app/server_process.hpp"

#include "app/cpu_count.hpp"
#include "app/dns_inspector.hpp"
#include "app/service_manager.hpp"
#include "app/signals.hpp"
#include "app/upstream_inspector.hpp"
#include "app/upstream_options.hpp"
#include "app/version.hpp"

#include <cstring>
#include <iostream>

#include <nlohmann/json.hpp>
#include <signal.h>

namespace millrace::app {
namespace {

unsigned thread_count(const config::Config& config) {
  return config.server.threads != 0 ? config.server.threads : usable_cpus();
}

constexpr std::size_t kAdminConnectionsMax = 256;
constexpr std::uint64_t kAdminBodyBytesMax = 64 * 1024;
// Long enough for the answer to the POST that asked for the drain.
constexpr auto kAdminDrain = std::chrono::milliseconds(200);

}  // namespace

ServerProcess::ServerProcess(config::Loaded loaded, Options options)
    : options_(std::move(options)),
      config_(std::move(loaded.config)),
      started_with_(fixed_part(*config_)),
      generations_{config_},
      threads_(thread_count(*config_)),
      listeners_(threads_),
      tls_(threads_,
           [this](unsigned thread, std::size_t index, net::TlsServer server) {
             (*io_)[thread].post([this, thread, index, server = std::move(server)]() mutable {
               servers_[thread]->set_tls(index, std::move(server));
             });
           }),
      control_(threads_),
      reloader_([this] { return reload_once(); }),
      processes_(*config_, {.board = targets_,
                            .control = control_,
                            .io = io_,
                            .servers = servers_,
                            .threads = threads_,
                            .never_listened = [this](const std::string& text) {
                              if (options_.for_processes) give_up(text);
                            }}) {
  parts_.push_back(&processes_);
  configuration_.source = options_.source;
  configuration_.loaded = started_;
  for (const config::Diagnostic& warning : loaded.warnings)
    first_warnings_.push_back(warning.text());
}

ServerProcess::~ServerProcess() = default;

std::expected<void, std::string> ServerProcess::bind_admin() {
  if (!config_->admin.listen) return {};
  const net::SocketAddress wanted = to_socket_address(*config_->admin.listen);
  auto bound = net::Listener::bind(wanted, 1);
  if (!bound && options_.any_admin_port && !wanted.is_unix())
    bound = net::Listener::bind(wanted.with_port(0), 1);
  if (!bound) return std::unexpected(bound.error());
  admin_address_ = bound->address();
  admin_listener_.push_back(std::move(*bound));
  return {};
}

std::expected<void, std::string> ServerProcess::bind() {
  listeners_.adopt(passed_sockets(first_warnings_));
  auto plan = listeners_.plan(*config_);
  if (!plan) return std::unexpected(plan.error());
  first_plan_ = std::move(*plan);
  for (const std::string& address : listeners_.close_unused())
    first_warnings_.push_back(address + " of LISTEN_FDS is not in the configuration: closed");
  if (auto bound = bind_admin(); !bound) return bound;
  return processes_.prepare();
}

bool ServerProcess::open_log() {
  const log::Options options = to_log_options(config_->log);
  auto opened = log::Logger::open(options);
  if (!opened) {
    std::cerr << "millrace: cannot open the access log " << options.file << ": "
              << std::strerror(opened.error().os_error) << '\n';
    return false;
  }
  log_ = std::move(*opened);
  log_->install();
  log_part_ = std::make_unique<LogPart>(*log_);
  parts_.push_back(log_part_.get());
  return true;
}

ServerProcess::Outcome ServerProcess::start_threads() {
  auto tls = tls_.prepare(config_->server.tls);
  if (!tls) return std::unexpected(tls.error());
  upstream_limits_ = make_upstream_limits(*config_, nullptr);
  publish_targets(*config_, targets_);
  follow_targets(*upstream_limits_, nullptr, targets_);
  io_ = std::make_unique<IoThreads>(threads_);
  servers_.resize(threads_);
  io_->start();
  std::vector<Outcome> outcomes(threads_);
  io_->on_each([&](IoThread& io) {
    const std::size_t i = io.index();
    servers_[i] = std::make_unique<ThreadServer>(ThreadServer::Shared{.offload = *offload_,
                                                                      .log = *log_,
                                                                      .targets = targets_,
                                                                      .thread = io.index(),
                                                                      .threads = threads_});
    outcomes[i] = servers_[i]->prepare(config_, upstream_limits_);
  });
  for (const Outcome& outcome : outcomes)
    if (!outcome) return outcome;
  const auto with = surroundings(*config_, first_plan_, **tls);
  io_->on_each([&](IoThread& io) {
    const std::size_t i = io.index();
    io.tasks().spawn(servers_[i]->commit(std::move((*with)[i])));
  });
  listeners_.commit(std::move(first_plan_));
  tls_.commit(std::move(*tls));
  return {};
}

void ServerProcess::announce() {
  nlohmann::json listen = nlohmann::json::array();
  nlohmann::json egress = nlohmann::json::array();
  for (const Listeners::Bound& l : listeners_.all())
    (l.role.egress ? egress : listen).push_back(l.address.to_string());
  log_->announce("ready", {log::Field::json("listen", listen.dump()),
                           log::Field::json("egress", egress.dump()),
                           {"admin", status().admin},
                           {"version", kVersion},
                           {"threads", threads_}});
}

int ServerProcess::run() {
  block_signals();
  if (!open_log()) return 1;
  for (const std::string& warning : first_warnings_)
    log::event(LogLevel::kWarn, "config_warning", {{"warning", warning}});
  offload_ = std::make_unique<Offload>(Offload::Options{
      .threads = config_->offload.threads != 0 ? config_->offload.threads : threads_,
      .queue_max = config_->offload.queue,
      .cost_max = config_->offload.memory_bytes});
  const Outcome started = start_threads();
  if (started) {
    control_.post([this] {
      start_admin();
      control_.tasks().spawn(control());
      ready_ = true;
      announce();
      notify("READY=1\nSTATUS=serving");
    });
    control_.run();
  } else {
    std::cerr << "millrace: " << started.error() << '\n';
  }

  if (io_ != nullptr) io_->on_each([this](IoThread& io) { servers_[io.index()].reset(); });
  io_.reset();
  admin_connections_.reset();
  admin_pipeline_.reset();
  offload_.reset();
  log_part_.reset();
  log_.reset();
  return started ? exit_code_ : 1;
}

void ServerProcess::give_up(const std::string& text) {
  log_->announce("gave_up", {{"error", text}});
  exit_code_ = 1;
  begin_drain();
}

Task<void> ServerProcess::control() {
  TaskGroup group;
  group.spawn(watch_signals([this](int signal) { on_signal(signal); }));
  group.spawn(tls_.watch());
  group.spawn(reloader_.run());
  TaskGroup children;
  children.spawn(processes_.run());
  (void)co_await stopped_.wait();
  // Nobody has a request any more.
  processes_.stop();
  co_await children.join();
  if (admin_connections_ != nullptr) {
    admin_pipeline_->set_draining();
    co_await admin_connections_->stop_accepting();
    co_await admin_connections_->finish(kAdminDrain);
  }
  group.cancel();
  co_await group.join();
  control_.stop();
}

void ServerProcess::start_admin() {
  if (admin_listener_.empty()) return;
  server::Router router;
  router.add({}, admin_handler_);
  ConnectionLimits limits;
  limits.body_bytes_max = kAdminBodyBytesMax;
  admin_pipeline_ = std::make_unique<server::ServerPipeline>(
      limits, std::move(router), std::vector<std::unique_ptr<Middleware>>());
  admin_connections_ = std::make_unique<server::Connections>(
      *admin_pipeline_,
      server::Connections::Options{.connections_max = kAdminConnectionsMax, .counted = false});
  admin_connections_->listen({.fd = admin_listener_.front().take(0), .address = admin_address_});
}

ProcessStatus ServerProcess::status() const {
  ProcessStatus status;
  status.version = kVersion;
  status.started = started_;
  status.threads = threads_;
  for (const Listeners::Bound& l : listeners_.all())
    status.listeners.push_back({.address = l.address.to_string(),
                                .tls = l.role.tls.has_value(),
                                .egress = l.role.egress.has_value()});
  if (!admin_listener_.empty()) status.admin = admin_address_.to_string();
  const Offload::Stats offload = offload_->stats();
  status.offload = {.threads = offload_->threads(),
                    .queued = offload.queued,
                    .running = offload.running,
                    .completed = offload.completed,
                    .refused = offload.refused};
  status.log_dropped = log_->dropped();
  status.log_level = log_->level();
  status.configuration = configuration_;
  status.configuration.in_use = generations_in_use();
  return status;
}

std::vector<QueueStatus> ServerProcess::queues() const {
  std::vector<QueueStatus> out;
  for (const auto& [name, limits] : *upstream_limits_) {
    const proxy::Admission::Status s = limits->status();
    out.push_back({.upstream = name,
                   .limit = s.limit,
                   .in_flight = s.in_flight,
                   .waiting = s.waiting,
                   .oldest = s.oldest,
                   .overloaded = s.overloaded,
                   .queued = s.queued,
                   .refused = s.refused,
                   .timed_out = s.timed_out});
  }
  return out;
}

net::Resolver* ServerProcess::resolver_of(std::size_t thread) noexcept {
  return servers_[thread] == nullptr ? nullptr : &servers_[thread]->resolver();
}

Task<DnsStatus> ServerProcess::dns() {
  return gather_dns(*io_, control_, [this](std::size_t thread) { return resolver_of(thread); });
}

Task<unsigned> ServerProcess::flush_dns() {
  return app::flush_dns(*io_, control_, [this](std::size_t thread) { return resolver_of(thread); });
}

std::vector<UpstreamStatus> ServerProcess::upstreams() const {
  return upstream_status(targets_);
}

bool ServerProcess::set_target_drained(std::string_view upstream, std::string_view target,
                                       bool drained) {
  const auto state = targets_.find(upstream);
  if (state == nullptr || !state->set_drained(target, drained, Clock::now())) return false;
  for (std::size_t i = 0; i < threads_; ++i)
    (*io_)[i].post([this, i, name = std::string(upstream)] {
      if (servers_[i] != nullptr) servers_[i]->targets_changed(name);
    });
  return true;
}

void ServerProcess::on_signal(int signal) {
  if (signal == SIGUSR1) return reopen_log();
  if (signal == SIGHUP) {
    if (options_.for_processes) return processes_.restart_all("SIGHUP");
    return reloader_.request();
  }
  // A drain may have begun otherwise: the first signal is not the second one.
  if (!std::exchange(signalled_, true)) return begin_drain();
  stop_now();
}

void ServerProcess::reopen_log() {
  const Result<void> reopened = log_->reopen();
  if (reopened) return log::event(LogLevel::kInfo, "log_reopened");
  log::event(LogLevel::kError, "log_reopen_failed",
             {{"file", config_->log.access.file.string()}, {"error", reopened.error().describe()}});
}

void ServerProcess::begin_drain() {
  if (std::exchange(draining_, true)) return;
  log::event(LogLevel::kInfo, "draining");
  notify("STOPPING=1\nSTATUS=draining");
  undrained_threads_ = threads_;
  for (std::size_t i = 0; i < io_->size(); ++i) {
    IoThread& io = (*io_)[i];
    io.post([this, &io, i, limit = config_->server.drain_timeout] {
      io.tasks().spawn(drain_thread(*servers_[i], limit));
    });
  }
}

Task<void> ServerProcess::drain_thread(ThreadServer& server, std::chrono::milliseconds limit) {
  server.set_draining();
  co_await server.connections().stop_accepting();
  co_await server.connections().finish(limit);
  co_await server.end_asides();
  control_.post([this] { thread_drained(); });
}

void ServerProcess::thread_drained() {
  if (--undrained_threads_ == 0) stopped_.set();
}

void ServerProcess::stop_now() {
  processes_.kill();
  for (std::size_t i = 0; i < io_->size(); ++i) {
    (*io_)[i].post([this, i] { servers_[i]->connections().cancel(); });
  }
}

}  // namespace millrace::app
