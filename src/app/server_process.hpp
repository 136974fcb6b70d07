// The running server: io threads with their stacks, the control thread, and how it all ends.
//
// The calling thread becomes the control thread: signals and the admin address live there, so both
// answer while the io threads are busy.
#pragma once

#include "admin/admin_handler.hpp"
#include "app/thread_stack.hpp"
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
#include <memory>
#include <string>
#include <vector>

namespace millrace::app {

class ServerProcess final : StatusSource {
 public:
  struct Options {
    /// When the admin port is taken, take any other (`proxy`).
    bool any_admin_port = false;
    /// Of the configuration: told once the log is open.
    std::vector<config::Diagnostic> warnings = {};
  };

  ServerProcess(std::shared_ptr<const config::Config> config, Options options);
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;
  ~ServerProcess() override;

  /// Opens every listener. The error is one line for a person.
  [[nodiscard]] std::expected<void, std::string> bind();
  /// Serves until drained; the process's exit code.
  [[nodiscard]] int run();

 private:
  struct BoundListener {
    net::Listener listener;
    ListenerRole role;
  };

  [[nodiscard]] std::expected<void, std::string> bind_one(const config::Address& address,
                                                          ListenerRole role);
  [[nodiscard]] std::expected<void, std::string> bind_admin();
  void start_thread(IoThread& io);
  [[nodiscard]] bool open_log();
  void announce();

  // StatusSource
  [[nodiscard]] ProcessStatus status() const override;
  [[nodiscard]] bool ready() const override { return ready_ && !draining_; }
  [[nodiscard]] bool draining() const override { return draining_; }
  void drain() override { begin_drain(); }
  [[nodiscard]] std::vector<QueueStatus> queues() const override;
  [[nodiscard]] Task<DnsStatus> dns() override;
  [[nodiscard]] Task<unsigned> flush_dns() override;

  [[nodiscard]] Task<void> control();
  void start_admin();
  [[nodiscard]] net::AddressGuard make_guard() const;
  void on_signal(int signal);
  void reload();
  void reopen_log();
  void begin_drain();
  void stop_now();
  [[nodiscard]] Task<void> drain_thread(ThreadStack& stack);
  void thread_drained();
  /// On that io thread; nullptr when it is going.
  [[nodiscard]] net::Resolver* resolver_of(std::size_t thread) noexcept;

  const std::shared_ptr<const config::Config> config_;
  const Options options_;
  const unsigned threads_;
  std::vector<BoundListener> listeners_;
  std::vector<net::Listener> admin_listener_;  // one or none
  net::SocketAddress admin_address_;
  std::unique_ptr<log::Logger> log_;
  net::AddressGuard guard_;
  proxy::TargetBoard targets_;
  std::unique_ptr<Offload> offload_;
  UpstreamLimitsMap upstream_limits_;
  std::unique_ptr<IoThreads> io_;
  std::vector<std::unique_ptr<ThreadStack>> stacks_;
  TlsListeners tls_;
  IoThread control_;
  Event stopped_;
  admin::AdminHandler admin_handler_{*this};
  std::unique_ptr<server::ServerPipeline> admin_pipeline_;
  std::unique_ptr<server::Connections> admin_connections_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  bool ready_ = false;
  bool draining_ = false;
  unsigned undrained_threads_ = 0;
};

}  // namespace millrace::app
