// The upstream engine: the one door through which Millrace makes requests. One per io thread.
//
//   Request request;  request.origin = ...;
//   Result<Response> response = co_await client.fetch(request);
//   while (...) co_await response->read();
//   co_await response->close();
//
// fetch() takes a connection with room or opens one, sends, and returns with the head of the
// answer. When a connection that had served before turns out to be dead, the request is sent once
// more on a new one, if that is safe: no byte of an answer came, and either nothing was written, or
// the peer says that it did nothing with it (HTTP/2), or the method is idempotent and the body
// still held (RFC 9110 section 9.2.2).
//
// Requests to an origin that may speak HTTP/2 wait for the one that dials first and share its
// connection; over HTTP/1.1 each has one of its own. What is over a limit waits its turn
// (Timeouts::queue).
//
// Ownership: outlives its responses and origins. Thread rule: made anywhere, used on one io thread.
#pragma once

#include "client/origin.hpp"
#include "client/pool.hpp"
#include "client/request.hpp"
#include "client/response.hpp"
#include "net/address_guard.hpp"
#include "net/dial_memory.hpp"
#include "net/dialer.hpp"
#include "net/resolver.hpp"

#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace millrace::client {

class Client {
 public:
  struct Options {
    Pool::Options pool;
    h1::ClientConnection::Options connection;
    h2::ClientConnection::Options multiplexed;
    /// HTTP/1.1 exchanges at once per origin and io thread; more wait.
    std::size_t exchanges_per_origin_max = 256;
    /// Requests of one origin that wait; more are kQueueFull.
    std::size_t waiting_per_origin_max = 1024;
    /// Connections that are being opened, name lookup and TLS included, per io thread; and half as
    /// many beside them to guarded origins.
    std::size_t dials_max = 128;
    /// Open connections per io thread; idle ones make room. Half as many beside them to guarded
    /// origins.
    std::size_t connections_max = 4096;
    /// Origins of which facts are kept without a connection.
    std::size_t facts_max = 1024;
    /// TLS contexts; over that, those that no origin has are dropped.
    std::size_t contexts_max = 32;
    /// For guarded origins. Not owned; must outlive the client. nullptr: a guard without
    /// exceptions.
    const net::AddressGuard* guard = nullptr;
  };

  struct Stats {
    std::uint64_t requests = 0;
    std::uint64_t failures = 0;
    std::uint64_t opened = 0;  ///< connections
    std::uint64_t resent = 0;  ///< after a keep-alive race
    Pool::Stats pool;
  };

  Client(net::Resolver& resolver, Options options);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  /// The origin for `spec`, made at need. The error is a text for start-up: a CA file that does not
  /// load.
  [[nodiscard]] std::expected<OriginPtr, std::string> origin(const OriginSpec& spec);

  /// Errors: those of the resolver (kDns...), of the dialer (kConnect..., kTls..., kUrlRefused), of
  /// the connection (kUpstream..., kFirstByteTimeout), the request body's, the scope's.
  [[nodiscard]] Task<Result<Response>> fetch(Request& request);

  /// Of answers' heads, on connections that are opened from now on.
  void limit_heads(const http::HeadLimits& limits) noexcept {
    options_.connection.head = limits;
    options_.multiplexed.head = limits;
  }
  /// Closes what is idle, for the drain.
  void close_idle() noexcept { pool_.clear(); }
  [[nodiscard]] Stats stats() const noexcept;

 private:
  friend void intrusive_ptr_release(Origin* origin) noexcept;
  using ConnectionPtr = std::unique_ptr<Connection>;
  /// What dialling came to: one of the two.
  struct Opened {
    ConnectionPtr own;
    Multiplexed* shared = nullptr;
  };
  /// Which connection will do.
  enum class Want : std::uint8_t {
    kFresh,      ///< none that was idle: one of them has just failed
    kSafe,       ///< only one that is surely alive
    kResendable  ///< any
  };

  class SharedDial;
  /// One request's place in the queue for a stream.
  struct Turn {
    std::optional<DeadlineScope> limit;  ///< once it has waited
  };

  Task<Result<Response>> fetch_once(Request& request);
  Task<Result<Response>> fetch_decoded(Request& request);
  /// Counts it.
  [[nodiscard]] Error failed(const Error& error);
  /// A connection of the request's own, when there is one at hand; else acquire() gets one.
  [[nodiscard]] ExchangePtr take_idle(Request& request, Want want);
  Task<Result<ExchangePtr>> acquire(Request& request, Want want);
  Task<Result<ExchangePtr>> acquire_own(Request& request, Want want);
  Task<Result<ExchangePtr>> dial_shared(Request& request);
  Task<Result<void>> wait_for_stream(Request& request, Turn& turn);
  Task<Result<Semaphore::Permit>> permit(Semaphore& semaphore, Request& request);
  [[nodiscard]] ExchangePtr open_stream(Multiplexed& connection, Request& request);
  Task<Result<Opened>> open(Request& request);
  Task<Result<Opened>> dial(Request& request, Semaphore::Permit place);
  Task<Result<std::vector<net::SocketAddress>>> addresses_of(const Origin& origin, Trace& trace);
  Task<Result<net::Stream>> connect(Request& request);
  Task<Result<void>> read_head(ClientExchange& exchange, const Request& request);
  Task<Result<void>> read_head_in_time(ClientExchange& exchange, Duration first_byte);
  [[nodiscard]] bool prepare_resend(const ClientExchange& failed, Request& request,
                                    const Error& error, bool unsent, unsigned resends);
  [[nodiscard]] const net::AddressGuard* guard_of(const Origin& origin) const noexcept;
  void forget(Origin& origin) noexcept;
  [[nodiscard]] std::expected<net::TlsClient*, std::string> context(
      const net::TlsClient::Options& wanted);
  void drop_unused_contexts();

  net::Resolver& resolver_;
  Options options_;
  const net::AddressGuard default_guard_;
  net::DialMemory dial_memory_;
  Semaphore dials_;
  Semaphore places_;  // of open connections
  // What clients chose must not use up what the operator's own upstreams need: it has half of its
  // own.
  Semaphore guarded_dials_;
  Semaphore guarded_places_;
  std::map<OriginSpec, std::unique_ptr<Origin>> origins_;
  std::map<OriginSpec, OriginFacts> facts_;  // of origins that are forgotten
  std::vector<std::pair<net::TlsClient::Options, std::unique_ptr<net::TlsClient>>> tls_;
  Stats stats_;
  Pool pool_;  // last: its connections refer to the origins
};

}  // namespace millrace::client
