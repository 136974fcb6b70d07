// The supervised processes as the rest of the server has them: their instances become the targets
// of the upstreams that name them.
//
// Ownership: everything of Parts outlives it. Thread rule: the control thread, which must be the
// main thread.
#pragma once

#include "app/reload_part.hpp"
#include "app/thread_server.hpp"
#include "config/config.hpp"
#include "millrace/supervision_status.hpp"
#include "process/host.hpp"
#include "process/supervisor.hpp"
#include "proxy/target_board.hpp"
#include "runtime/io_thread.hpp"
#include "runtime/io_threads.hpp"

#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::app {

class Processes final : process::Host, public ReloadPart {
 public:
  struct Parts {
    proxy::TargetBoard& board;
    IoThread& control;
    std::unique_ptr<IoThreads>& io;
    std::vector<std::unique_ptr<ThreadServer>>& servers;
    unsigned threads;
    /// Told when an instance has never listened and nothing in its command says where to; may be
    /// empty.
    std::function<void(const std::string& text)> never_listened = {};
  };

  Processes(const config::Config& config, Parts parts);

  /// Could they be started? Error: a sentence.
  [[nodiscard]] std::expected<void, std::string> prepare() { return supervisor_.prepare(); }
  /// Until stop(), and until every child has ended. The io threads run.
  [[nodiscard]] Task<void> run() { return supervisor_.run(); }
  // ReloadPart
  [[nodiscard]] std::expected<void, std::string> prepare(const config::Config& next) override;
  void abandon() noexcept override { supervisor_.unstage(); }
  /// Once the new configuration's upstreams are on the board, before the io threads use them.
  void commit(const config::Config& before,
              const std::shared_ptr<const config::Config>& next) override;
  void committed() override { supervisor_.end_removed(); }
  void restart_all(std::string_view why) { supervisor_.restart_all(why); }
  /// False: there is none of that name.
  bool restart(std::string_view name) { return supervisor_.restart(name); }
  void stop() { supervisor_.stop(); }
  void kill() { supervisor_.kill(); }
  [[nodiscard]] std::vector<SupervisedStatus> status() const { return supervisor_.status(); }

 private:
  using Upstreams = std::multimap<std::string, std::string, std::less<>>;

  // process::Host
  void publish(const std::string& process, process::TargetSet set) override;
  [[nodiscard]] std::uint64_t in_flight(const std::string& process,
                                        const std::string& target) const override;
  void post_alert(const std::string& url, std::string json) override;
  [[nodiscard]] Task<std::vector<std::string>> requests_at(std::string process,
                                                           std::string target) override;
  void never_listened(const std::string& process, const std::string& hint) override;
  [[nodiscard]] unsigned io_threads() const override { return parts_.threads; }

  [[nodiscard]] static Upstreams upstreams_of(const config::Config& config);
  void publish_to(const std::string& upstream, const process::TargetSet& set);

  const Parts parts_;
  Upstreams upstreams_;  // by the process that they name
  std::map<std::string, process::TargetSet, std::less<>> published_;
  process::Supervisor supervisor_;
};

}  // namespace millrace::app
