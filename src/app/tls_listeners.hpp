// The TLS listeners of the process: what their io threads share, and how their files are read anew.
//
// Every io thread has a TlsServer of its own for each listener. They are made here, on the control
// thread, from the files as they are then, and handed over whole: new handshakes use the new one,
// connections that are open keep the old. A file that is no good keeps the old ones in place.
// Ticket keys live as long as the process.
//
// Thread rule: the control thread.
#pragma once

#include "config/config.hpp"
#include "net/tls_server.hpp"
#include "runtime/task.hpp"

#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace millrace::app {

class TlsListeners {
 public:
  /// Takes a new TlsServer to where thread number `thread` uses it; `index` counts the
  /// configuration's [[server.tls]].
  using Deliver = std::function<void(unsigned thread, std::size_t index, net::TlsServer server)>;
  /// Those of one configuration.
  class Set;

  TlsListeners(unsigned threads, Deliver deliver);
  ~TlsListeners();
  TlsListeners(const TlsListeners&) = delete;
  TlsListeners& operator=(const TlsListeners&) = delete;

  /// Reads the files and opens the key logs of a configuration; what is in use stays as it is. The
  /// error is one line for a person.
  [[nodiscard]] std::expected<std::shared_ptr<Set>, std::string> prepare(
      const std::vector<config::TlsListener>& listeners) const;
  /// What thread number `thread` needs of a prepared set, one for each listener; once.
  [[nodiscard]] static std::vector<net::TlsServer> take(Set& set, unsigned thread);
  /// From now on the files of these are watched.
  void commit(std::shared_ptr<Set> set);

  /// Reads anew what has changed, each listener at its interval; tells daily of certificates that
  /// are about to end. Until its scope is cancelled.
  [[nodiscard]] Task<void> watch();

 private:
  struct Listener;
  using Servers = std::vector<net::TlsServer>;  ///< one per thread

  [[nodiscard]] std::expected<Servers, std::string> make(const Listener& listener) const;
  [[nodiscard]] std::shared_ptr<net::KeyLog> open_key_log(const std::string& file) const;
  void reload(Listener& listener);
  [[nodiscard]] Task<void> watch_set(std::shared_ptr<Set> set);
  [[nodiscard]] Task<void> watch_files(const Set& set, Listener& listener);
  [[nodiscard]] Task<void> warn_daily(const Set& set);
  [[nodiscard]] Task<void> tend_tickets();

  const unsigned threads_;
  const Deliver deliver_;
  const std::shared_ptr<net::TicketKeys> tickets_;
  std::shared_ptr<Set> set_;
  Scope* watching_ = nullptr;  // the set of the moment
};

}  // namespace millrace::app
