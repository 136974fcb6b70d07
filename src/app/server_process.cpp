#include "app/server_process.hpp"

#include "app/cpu_count.hpp"
#include "app/dns_inspector.hpp"
#include "app/signals.hpp"
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

ServerProcess::ServerProcess(std::shared_ptr<const config::Config> config, Options options)
    : config_(std::move(config)),
      options_(options),
      threads_(thread_count(*config_)),
      tls_(*config_, threads_,
           [this](unsigned thread, const config::TlsListener& tls, net::TlsServer server) {
             (*io_)[thread].post([this, thread, &tls, server = std::move(server)]() mutable {
               stacks_[thread]->set_tls(tls, std::move(server));
             });
           }),
      control_(threads_) {}

ServerProcess::~ServerProcess() = default;

std::expected<void, std::string> ServerProcess::bind_one(const config::Address& address,
                                                         ListenerRole role) {
  auto bound = net::Listener::bind(to_socket_address(address), threads_);
  if (!bound) return std::unexpected(bound.error());
  listeners_.push_back({std::move(*bound), role});
  return {};
}

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
  for (const config::Address& address : config_->server.listen)
    if (auto bound = bind_one(address, {}); !bound) return bound;
  for (const config::TlsListener& tls : config_->server.tls)
    for (const config::Address& address : tls.listen)
      if (auto bound = bind_one(address, {.tls = &tls}); !bound) return bound;
  for (const config::Egress& egress : config_->egress)
    if (auto bound = bind_one(egress.listen, {.egress = &egress}); !bound) return bound;
  return bind_admin();
}

void ServerProcess::start_thread(IoThread& io) {
  const std::size_t i = io.index();
  stacks_[i] = std::make_unique<ThreadStack>(ThreadStack::Shared{.config = *config_,
                                                                 .offload = *offload_,
                                                                 .log = *log_,
                                                                 .guard = guard_,
                                                                 .targets = targets_,
                                                                 .limits = upstream_limits_,
                                                                 .thread = io.index(),
                                                                 .threads = threads_});
  for (const config::TlsListener& tls : config_->server.tls)
    stacks_[i]->set_tls(tls, tls_.take(tls, io.index()));
  for (BoundListener& l : listeners_)
    stacks_[i]->listen(l.listener.take(i), l.listener.address(), l.role);
}

bool ServerProcess::open_log() {
  using Kind = config::AccessLog::Kind;
  using Access = log::Options::Access;
  const config::Log& config = config_->log;
  log::Options options;
  options.access = config.access.kind == Kind::kOff    ? Access::kOff
                   : config.access.kind == Kind::kFile ? Access::kFile
                                                       : Access::kStderr;
  options.file = config.access.file;
  options.format = config.format == config::LogFormat::kJson       ? log::Format::kJson
                   : config.format == config::LogFormat::kCombined ? log::Format::kCombined
                                                                   : log::Format::kAuto;
  options.level = config.level;
  auto opened = log::Logger::open(options);
  if (!opened) {
    std::cerr << "millrace: cannot open the access log " << options.file << ": "
              << std::strerror(opened.error().os_error) << '\n';
    return false;
  }
  log_ = std::move(*opened);
  log_->install();
  return true;
}

void ServerProcess::announce() {
  nlohmann::json listen = nlohmann::json::array();
  nlohmann::json egress = nlohmann::json::array();
  for (const BoundListener& l : listeners_)
    (l.role.egress != nullptr ? egress : listen).push_back(l.listener.address().to_string());
  log_->announce("ready", {log::Field::json("listen", listen.dump()),
                           log::Field::json("egress", egress.dump()),
                           {"admin", status().admin},
                           {"version", kVersion},
                           {"threads", threads_}});
}

int ServerProcess::run() {
  block_signals();
  if (!open_log()) return 1;
  if (const auto loaded = tls_.load(); !loaded) {
    std::cerr << "millrace: " << loaded.error() << '\n';
    return 1;
  }
  for (const config::Diagnostic& warning : options_.warnings)
    log::event(LogLevel::kWarn, "config_warning", {{"warning", warning.text()}});
  guard_ = make_guard();
  offload_ = std::make_unique<Offload>(Offload::Options{
      .threads = config_->offload.threads != 0 ? config_->offload.threads : threads_,
      .queue_max = config_->offload.queue,
      .cost_max = config_->offload.memory_bytes});
  publish_targets(*config_, targets_);
  upstream_limits_ = make_upstream_limits(*config_, targets_);
  io_ = std::make_unique<IoThreads>(threads_);
  stacks_.resize(threads_);
  io_->start();
  io_->on_each([this](IoThread& io) { start_thread(io); });
  control_.post([this] {
    start_admin();
    control_.tasks().spawn(control());
    ready_ = true;
    announce();
  });
  control_.run();

  io_->on_each([this](IoThread& io) { stacks_[io.index()].reset(); });
  io_.reset();
  admin_connections_.reset();
  admin_pipeline_.reset();
  offload_.reset();
  log_.reset();
  return 0;
}

Task<void> ServerProcess::control() {
  TaskGroup group;
  group.spawn(watch_signals([this](int signal) { on_signal(signal); }));
  group.spawn(tls_.watch());
  (void)co_await stopped_.wait();
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

net::AddressGuard ServerProcess::make_guard() const {
  net::AddressGuard::Options options;
  options.allow_networks = to_networks(config_->fetch.allow_networks);
  for (const BoundListener& l : listeners_) options.own_listeners.push_back(l.listener.address());
  if (!admin_listener_.empty()) options.own_listeners.push_back(admin_address_);
  options.local_addresses = net::interface_addresses();
  return net::AddressGuard(std::move(options));
}

ProcessStatus ServerProcess::status() const {
  ProcessStatus status;
  status.version = kVersion;
  status.started = started_;
  status.threads = threads_;
  for (const BoundListener& l : listeners_)
    status.listeners.push_back({.address = l.listener.address().to_string(),
                                .tls = l.role.tls != nullptr,
                                .egress = l.role.egress != nullptr});
  if (!admin_listener_.empty()) status.admin = admin_address_.to_string();
  const Offload::Stats offload = offload_->stats();
  status.offload = {.threads = offload_->threads(),
                    .queued = offload.queued,
                    .running = offload.running,
                    .completed = offload.completed,
                    .refused = offload.refused};
  status.log_dropped = log_->dropped();
  return status;
}

std::vector<QueueStatus> ServerProcess::queues() const {
  std::vector<QueueStatus> out;
  for (const auto& [name, limits] : upstream_limits_) {
    const proxy::Admission::Status s = limits->admission.status();
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
  return stacks_[thread] == nullptr ? nullptr : &stacks_[thread]->resolver();
}

Task<DnsStatus> ServerProcess::dns() {
  return gather_dns(*io_, control_, [this](std::size_t thread) { return resolver_of(thread); });
}

Task<unsigned> ServerProcess::flush_dns() {
  return app::flush_dns(*io_, control_, [this](std::size_t thread) { return resolver_of(thread); });
}

void ServerProcess::on_signal(int signal) {
  if (signal == SIGUSR1) return reopen_log();
  if (signal == SIGHUP) return reload();
  if (!draining_) return begin_drain();
  stop_now();
}

void ServerProcess::reload() {
  tls_.reload();
  log::event(LogLevel::kWarn, "reload_not_supported",
             {{"hint", tls_.empty() ? "restart to change the configuration"
                                    : "only certificates are read anew; restart to change the "
                                      "configuration"}});
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
  undrained_threads_ = threads_;
  for (std::size_t i = 0; i < io_->size(); ++i) {
    IoThread& io = (*io_)[i];
    io.post([this, &io, i] { io.tasks().spawn(drain_thread(*stacks_[i])); });
  }
}

Task<void> ServerProcess::drain_thread(ThreadStack& stack) {
  stack.set_draining();
  co_await stack.connections().stop_accepting();
  co_await stack.connections().finish(config_->server.drain_timeout);
  control_.post([this] { thread_drained(); });
}

void ServerProcess::thread_drained() {
  if (--undrained_threads_ == 0) stopped_.set();
}

void ServerProcess::stop_now() {
  for (std::size_t i = 0; i < io_->size(); ++i) {
    (*io_)[i].post([this, i] { stacks_[i]->connections().cancel(); });
  }
}

}  // namespace millrace::app
