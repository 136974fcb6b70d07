// The running server: io threads, the control thread, configurations that follow one another, and
// how it all ends.
//
// The calling thread becomes the control thread: signals and the admin address live there, so both
// answer while the io threads are busy.
#pragma once

#include "admin/admin_handler.hpp"
#include "app/listeners.hpp"
#include "app/log_part.hpp"
#include "app/on_threads.hpp"
#include "app/processes.hpp"
#include "app/reload_part.hpp"
#include "app/reloader.hpp"
#include "app/restart_needed.hpp"
#include "app/thread_server.hpp"
#include "app/tls_listeners.hpp"
#include "config/config.hpp"
#include "config/load.hpp"
#include "millrace/status.hpp"
#include "net/listener.hpp"
#include "proxy/target_board.hpp"
#include "runtime/io_threads.hpp"
#include "runtime/offload.hpp"

#include <chrono>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::app {

class ServerProcess final : StatusSource {
 public:
  struct Options {
    /// Reads the configuration, again for each reload.
    std::function<config::Loaded()> load;
    /// Where it comes from, for people.
    std::string source;
    /// When the admin port is taken, take any other (`proxy`).
    bool any_admin_port = false;
    /// The processes are what it is all for (`run`): SIGHUP rolls them, and when a command never
    /// listens where it should, that is the end.
    bool for_processes = false;
  };

  /// `loaded`: what Options::load gave first; it has a configuration.
  ServerProcess(config::Loaded loaded, Options options);
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;
  ~ServerProcess() override;

  /// Opens every listener. The error is one line for a person.
  [[nodiscard]] std::expected<void, std::string> bind();
  /// Serves until drained; the process's exit code.
  [[nodiscard]] int run();

 private:
  using Outcome = std::expected<void, std::string>;
  using Surroundings = std::vector<ThreadServer::Surroundings>;  // one per thread

  /// More living configurations than this, each held by an exchange that does not end, and reloads
  /// are refused.
  static constexpr std::size_t kGenerationsMax = 256;
  /// How long the io threads have to build a configuration, and to close listeners that are gone.
  static constexpr auto kBuildPatience = std::chrono::seconds(10);

  // --- start and end ---
  [[nodiscard]] Outcome bind_admin();
  [[nodiscard]] bool open_log();
  [[nodiscard]] Outcome start_threads();
  void announce();
  [[nodiscard]] Task<void> control();
  void give_up(const std::string& text);
  void start_admin();
  void on_signal(int signal);
  void reopen_log();
  void begin_drain();
  void stop_now();
  [[nodiscard]] Task<void> drain_thread(ThreadServer& server, std::chrono::milliseconds limit);
  void thread_drained();

  // --- configurations (server_reload.cpp) ---
  [[nodiscard]] Task<ReloadOutcome> reload_once();
  /// Everything that can fail, and then what cannot.
  [[nodiscard]] Task<Outcome> change_to(std::shared_ptr<const config::Config> next);
  [[nodiscard]] Outcome prepare_parts(const config::Config& next);
  [[nodiscard]] Task<Outcome> prepare_thread(std::size_t thread,
                                             std::shared_ptr<const config::Config> next,
                                             std::shared_ptr<const UpstreamLimitsMap> limits);
  [[nodiscard]] Task<Outcome> commit_thread(std::size_t thread, std::shared_ptr<Surroundings> with);
  void abandon();
  void now_serving(std::shared_ptr<const config::Config> config,
                   std::shared_ptr<const UpstreamLimitsMap> limits);
  [[nodiscard]] std::size_t generations_in_use() const;
  [[nodiscard]] net::AddressGuard make_guard(const config::Config& config,
                                             const Listeners::Plan& plan) const;
  [[nodiscard]] std::shared_ptr<Surroundings> surroundings(const config::Config& config,
                                                           Listeners::Plan& plan,
                                                           TlsListeners::Set& tls) const;
  [[nodiscard]] ReloadOutcome tell(ReloadOutcome outcome);

  // StatusSource
  [[nodiscard]] ProcessStatus status() const override;
  [[nodiscard]] bool ready() const override { return ready_ && !draining_; }
  [[nodiscard]] bool draining() const override { return draining_; }
  void drain() override { begin_drain(); }
  [[nodiscard]] std::vector<QueueStatus> queues() const override;
  [[nodiscard]] Task<ReloadOutcome> reload() override { return reloader_.reload(); }
  [[nodiscard]] std::string configuration() const override;
  void set_log_level(LogLevel level) override;
  [[nodiscard]] Task<DnsStatus> dns() override;
  [[nodiscard]] Task<unsigned> flush_dns() override;
  [[nodiscard]] std::vector<UpstreamStatus> upstreams() const override;
  [[nodiscard]] bool set_target_drained(std::string_view upstream, std::string_view target,
                                        bool drained) override;
  [[nodiscard]] std::vector<SupervisedStatus> processes() const override {
    return processes_.status();
  }
  bool restart_process(std::string_view name) override { return processes_.restart(name); }
  /// On that io thread; nullptr when it is going.
  [[nodiscard]] net::Resolver* resolver_of(std::size_t thread) noexcept;

  const Options options_;
  std::shared_ptr<const config::Config> config_;  // what serves now
  const config::Config started_with_;             // the keys that stay as they were
  std::vector<std::string> first_warnings_;       // told once the log is open
  std::vector<std::weak_ptr<const config::Config>> generations_;
  const unsigned threads_;
  Listeners listeners_;
  Listeners::Plan first_plan_;
  std::vector<net::Listener> admin_listener_;  // one or none
  net::SocketAddress admin_address_;
  std::unique_ptr<log::Logger> log_;
  std::unique_ptr<LogPart> log_part_;
  std::vector<ReloadPart*> parts_;  // in the order in which they prepare
  proxy::TargetBoard targets_;
  std::unique_ptr<Offload> offload_;
  std::shared_ptr<const UpstreamLimitsMap> upstream_limits_;
  std::unique_ptr<IoThreads> io_;
  std::vector<std::unique_ptr<ThreadServer>> servers_;
  TlsListeners tls_;
  IoThread control_;
  Reloader reloader_;
  Event stopped_;
  Processes processes_;
  int exit_code_ = 0;
  bool signalled_ = false;  // to end
  admin::AdminHandler admin_handler_{*this};
  std::unique_ptr<server::ServerPipeline> admin_pipeline_;
  std::unique_ptr<server::Connections> admin_connections_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  ConfigurationStatus configuration_;
  bool ready_ = false;
  bool draining_ = false;
  unsigned undrained_threads_ = 0;
};

}  // namespace millrace::app
