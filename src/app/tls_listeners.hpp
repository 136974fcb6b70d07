// The TLS listeners of the process: what their io threads share, and how their files are read anew.
//
// Every io thread has a TlsServer of its own for each listener. They are made here, on the control
// thread, from the files as they are then, and handed over whole: new handshakes use the new one,
// connections that are open keep the old. A file that is no good keeps the old ones in place.
//
// Thread rule: the control thread, but for take().
#pragma once

#include "config/config.hpp"
#include "net/tls_server.hpp"
#include "runtime/task.hpp"

#include <expected>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

namespace millrace::app {

class TlsListeners {
 public:
  /// Takes a new TlsServer to where thread number `thread` uses it.
  using Deliver =
      std::function<void(unsigned thread, const config::TlsListener&, net::TlsServer server)>;

  /// `config` must outlive it.
  TlsListeners(const config::Config& config, unsigned threads, Deliver deliver);
  ~TlsListeners();
  TlsListeners(const TlsListeners&) = delete;
  TlsListeners& operator=(const TlsListeners&) = delete;

  /// Opens the key logs and makes the first servers; once. The error is one line for a person.
  [[nodiscard]] std::expected<void, std::string> load();
  /// One of the first servers; each once, from any thread, after load().
  [[nodiscard]] net::TlsServer take(const config::TlsListener& listener, unsigned thread);

  /// Reads the files of all listeners and delivers. The log has the outcome.
  void reload();
  /// Reloads what has changed, each listener at its interval; tells daily of certificates that are
  /// about to end. Until its scope is cancelled.
  [[nodiscard]] Task<void> watch();

  [[nodiscard]] bool empty() const noexcept { return listeners_.empty(); }

 private:
  struct Listener;
  using Servers = std::vector<net::TlsServer>;  ///< one per thread

  [[nodiscard]] std::expected<Servers, std::string> make(const Listener& listener) const;
  void reload(Listener& listener);
  [[nodiscard]] Task<void> watch(Listener& listener);
  [[nodiscard]] Task<void> warn_daily();
  [[nodiscard]] Task<void> tend_tickets();

  const unsigned threads_;
  const Deliver deliver_;
  const std::shared_ptr<net::TicketKeys> tickets_;
  std::list<Listener> listeners_;
};

}  // namespace millrace::app
