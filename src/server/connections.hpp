// Accepting: one coroutine per listening socket and io thread, one per connection.
//
// Out of descriptors or memory, accepting pauses and tries again; it never spins. At the connection
// limit it waits until one ends. Draining stops the kernel from taking new connections, accepts
// those that already wait, and closes the listening socket, so that nobody is reset. A listener can
// be retired alone: its connections drain while the others go on.
//
// Thread rule: the io thread on which start() was called.
#pragma once

#include "config/config.hpp"
#include "millrace/pipeline.hpp"
#include "net/address.hpp"
#include "net/handshake_gate.hpp"
#include "net/stream.hpp"
#include "net/tls_server.hpp"
#include "runtime/io_thread.hpp"
#include "server/proxy_header.hpp"

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace millrace::server {

/// One thread's share of a listener.
struct ListenerShare {
  int fd = -1;  ///< owned by whoever it is given to
  net::SocketAddress address;
  /// Others have the socket open: at the end it is left as it is, with what waits in its queue.
  bool shared = false;
  std::shared_ptr<net::TlsServer> tls;                  ///< null: cleartext
  std::chrono::milliseconds handshake_timeout{10'000};  ///< of TLS
  /// Serves this listener's connections; null: the one that Connections was made with.
  std::shared_ptr<Pipeline> pipeline;
  /// Options::proxy_protocol is for this listener too.
  bool proxy_protocol = true;
};

class Connections {
 public:
  /// Names a listener for as long as it is not retired.
  using ListenerId = std::uint64_t;

  struct Options {
    /// Connections at once on this thread.
    std::size_t connections_max = 16'384;
    std::vector<net::Network> trusted_proxies;
    /// May they, or must they, begin their connections with a PROXY header?
    config::ProxyProtocol proxy_protocol = config::ProxyProtocol::kOff;
    /// Counted in the metrics as connections of clients; the admin address is not.
    bool counted = true;
  };

  Connections(Pipeline& pipeline, Options options)
      : pipeline_(&pipeline), options_(std::move(options)) {}
  /// Every listener brings a pipeline of its own.
  explicit Connections(Options options) : options_(std::move(options)) {}
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;

  ListenerId listen(ListenerShare share);
  /// For what is accepted from now on. Descriptor and address stay as they are.
  void change(ListenerId id, ListenerShare share);
  void change(Options options);
  /// Stops accepting at one listener; returns once its socket is closed. Its connections may go on
  /// for so long, then they are cancelled with kShuttingDown.
  [[nodiscard]] Task<void> retire(ListenerId id, Duration patience);

  /// Stops accepting, without losing what waits in the queues; returns once the sockets are closed.
  [[nodiscard]] Task<void> stop_accepting();
  /// Until every connection has ended; at `deadline` the rest are cancelled with kShuttingDown.
  [[nodiscard]] Task<void> finish(Duration deadline);
  /// Ends every connection now.
  void cancel() noexcept;

  [[nodiscard]] std::size_t open() const noexcept { return open_; }

 private:
  /// Accepted in one turn before other coroutines get theirs.
  static constexpr int kAcceptsPerTurnMax = 64;
  /// How long accepting rests when the process is out of descriptors or memory.
  static constexpr auto kExhaustedPause = std::chrono::milliseconds(100);
  /// TCP handshakes that are under way when the drain begins have so long to arrive.
  static constexpr auto kHandshakeGrace = std::chrono::milliseconds(100);

  enum class Accepted : std::uint8_t { kSome, kNone, kExhausted };

  /// A listener and its connections, until the last of them has ended.
  struct Listening {
    ListenerId id = 0;
    ListenerShare share;
    Scope accepting;
    TaskGroup connections;
    std::optional<Duration> patience;  // with those that are left; once retired
    std::shared_ptr<Event> closed = std::make_shared<Event>();
  };

  [[nodiscard]] Task<void> serve(Listening& listening);
  [[nodiscard]] Task<void> accept_loop(Listening& listening);
  /// What is in the queue of a socket that takes no more.
  [[nodiscard]] Task<void> accept_queued(Descriptor& socket, Listening& listening);
  [[nodiscard]] Accepted accept_one(int fd, Listening& listening);
  /// What handlers are told of the two ends. Not movable: the views refer to the texts.
  struct Identity {
    Identity(const ConnectionEnds& ends, bool trusted_proxy);
    Identity(const Identity&) = delete;
    Identity& operator=(const Identity&) = delete;
    const std::string texts;
    PeerInfo info;
  };

  [[nodiscard]] Task<void> connection(int fd, std::unique_ptr<ConnectionEnds> ends,
                                      const ListenerShare& share);
  [[nodiscard]] ProxyHeaderRule proxy_header_rule(const ConnectionEnds& ends,
                                                  const ListenerShare& share) const noexcept;
  /// Over the protocol that ALPN says; `who` learns what the handshake came to.
  [[nodiscard, gnu::noinline]] Task<void> converse_tls(net::Stream stream, Identity& who,
                                                       const ListenerShare& share);
  [[nodiscard]] Task<Result<void>> handshake(net::Stream& stream, const ListenerShare& share);
  [[nodiscard]] bool trusted(const net::SocketAddress& peer) const noexcept;
  [[nodiscard]] Pipeline& pipeline_of(const ListenerShare& share) const noexcept {
    return share.pipeline != nullptr ? *share.pipeline : *pipeline_;
  }
  [[nodiscard]] Listening& find(ListenerId id) noexcept;

  Pipeline* const pipeline_ = nullptr;
  Options options_;
  std::list<Listening> listening_;
  ListenerId last_id_ = 0;
  std::size_t open_ = 0;
  net::HandshakeGate handshakes_;
  TaskGroup serving_;  // one child per listener
  Event below_limit_;
};

}  // namespace millrace::server
