// What one io thread has for as long as the process lives: resolver, client with its pool,
// connections; and in front of them the configurations that are in use (ThreadStack).
//
// A reload has two phases: prepare() builds everything anew beside what serves, and may fail;
// commit() puts it in its place, in one turn. Connections live on, exchanges end with what they
// began with, and an old stack goes at the end of the turn in which its last exchange ended.
//
// Thread rule: its io thread, made and destroyed there too.
#pragma once

#include "app/thread_stack.hpp"
#include "client/client.hpp"
#include "net/address_guard.hpp"
#include "net/resolver.hpp"
#include "net/tls_server.hpp"
#include "proxy/upstream_keeper.hpp"
#include "runtime/io_thread.hpp"
#include "runtime/task_group.hpp"
#include "server/connections.hpp"
#include "server/pipeline.hpp"

#include <cstdint>
#include <expected>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::app {

class ThreadServer final : TurnHook {
 public:
  struct Shared {
    Offload& offload;
    log::Logger& log;
    proxy::TargetBoard& targets;
    unsigned thread;   ///< index of this one
    unsigned threads;  ///< of all
  };
  /// One listener as the new configuration has it.
  struct Listener {
    std::uint64_t number = 0;  ///< of the process, the same for as long as it is bound
    int fd = -1;               ///< owned by whoever commits; -1: it is open here already
    net::SocketAddress address;
    bool shared = false;  ///< others have the socket open
    ListenerRole role;
  };
  /// What comes with a configuration and is not in it.
  struct Surroundings {
    net::AddressGuard guard;
    std::vector<net::TlsServer> tls;  ///< one per [[server.tls]]
    std::vector<Listener> listeners;  ///< all of them: others are closed
  };

  explicit ThreadServer(const Shared& shared);
  ThreadServer(const ThreadServer&) = delete;
  ThreadServer& operator=(const ThreadServer&) = delete;
  ~ThreadServer();

  /// The error is one line for a person; then nothing has changed.
  [[nodiscard]] std::expected<void, std::string> prepare(
      std::shared_ptr<const config::Config> config,
      std::shared_ptr<const UpstreamLimitsMap> limits);
  /// What was prepared is not wanted.
  void abandon() noexcept;
  /// Serves with what was prepared, from this turn on. Returns when the sockets of listeners that
  /// are gone are closed; their connections have drain_timeout to end.
  [[nodiscard]] Task<void> commit(Surroundings with);

  /// A listener's certificates, for handshakes from now on.
  void set_tls(std::size_t index, net::TlsServer server);
  /// Of every listener's answers: `Connection: close` from now on.
  void set_draining() noexcept;
  /// The targets of `upstream` have been published anew: those who wait for one look again.
  void targets_changed(std::string_view upstream) noexcept;
  /// Ids of the requests at a target of `upstream`.
  [[nodiscard]] std::vector<std::string> requests_at(std::string_view upstream,
                                                     std::string_view target) const;
  /// To a URL of the operator's: an alert. Trouble is logged.
  void post_json(std::string url, std::string json);
  /// What runs beside the connections is ended (checks, followed names, alerts); nothing of that
  /// kind begins any more.
  [[nodiscard]] Task<void> end_asides();
  [[nodiscard]] net::Resolver& resolver() noexcept { return resolver_; }
  [[nodiscard]] server::Connections& connections() noexcept { return connections_; }
  /// Configurations that exchanges still have, the current one included.
  [[nodiscard]] std::size_t stacks() const noexcept { return stacks_.size(); }

 private:
  struct Open {
    std::uint64_t number;
    ListenerRole role;
    std::shared_ptr<server::ServerPipeline> pipeline;
    server::Connections::ListenerId id;
  };

  // TurnHook
  void end_of_turn() noexcept override;

  [[nodiscard]] ThreadStack& current() noexcept { return *stacks_.back(); }
  void swap_stacks();
  void follow(const Listener& listener);
  [[nodiscard]] Task<void> change_keepers();
  [[nodiscard]] Task<void> stop_keepers();
  [[nodiscard]] server::ListenerShare share_of(const ListenerRole& role,
                                               std::shared_ptr<server::ServerPipeline> pipeline);

  const Shared shared_;
  net::Resolver resolver_;
  net::AddressGuard guard_;
  client::Client client_;
  std::unique_ptr<ThreadStack> next_;
  std::list<std::unique_ptr<ThreadStack>> stacks_;  // the last one is the current
  std::vector<std::shared_ptr<net::TlsServer>> tls_;
  std::vector<Open> open_;
  server::Connections connections_;
  std::unique_ptr<proxy::UpstreamKeepers> keepers_;  // on the first thread
  TaskGroup asides_;
  TaskGroup copies_;  // of requests, for mirrors
  bool ending_ = false;
};

}  // namespace millrace::app
