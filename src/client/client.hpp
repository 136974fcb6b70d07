// The upstream engine: the one door through which Millrace makes requests. One per io thread.
//
//   Request request;  request.origin = ...;
//   Result<Response> response = co_await client.fetch(request);
//   while (...) co_await response->read();
//   co_await response->close();
//
// fetch() takes an idle connection or opens one, sends, and returns with the head of the answer.
// When a connection that had served before turns out to be dead, the request is sent once more on a
// new one, if that is safe: no byte of an answer came, and either nothing was written or the method
// is idempotent and the body still held (RFC 9110 section 9.2.2).
//
// Ownership: outlives its responses and origins. Thread rule: made anywhere, used on one io thread.
#pragma once

#include "client/origin.hpp"
#include "client/pool.hpp"
#include "client/request.hpp"
#include "client/response.hpp"
#include "net/address_guard.hpp"
#include "net/dialer.hpp"
#include "net/resolver.hpp"

#include <expected>
#include <map>
#include <memory>
#include <string>

namespace millrace::client {

class Client {
 public:
  struct Options {
    Pool::Options pool;
    h1::ClientConnection::Options connection;
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

  Client(net::Resolver& resolver, const Options& options);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  /// The origin for `spec`, made at need. The error is a text for start-up: a CA file that does not
  /// load.
  [[nodiscard]] std::expected<OriginPtr, std::string> origin(const OriginSpec& spec);

  /// Errors: those of the resolver (kDns...), of the dialer (kConnect..., kTls..., kUrlRefused), of
  /// the connection (kUpstream..., kFirstByteTimeout), the request body's, the scope's.
  [[nodiscard]] Task<Result<Response>> fetch(Request& request);

  /// Closes what is idle, for the drain.
  void close_idle() noexcept { pool_.clear(); }
  [[nodiscard]] Stats stats() const noexcept;

 private:
  friend void intrusive_ptr_release(Origin* origin) noexcept;
  using ConnectionPtr = std::unique_ptr<Connection>;
  enum class Resend : std::uint8_t { kNo, kYes };

  Task<Result<Response>> fetch_once(Request& request);
  Task<Result<ConnectionPtr>> open(Request& request);
  Task<Result<std::vector<net::SocketAddress>>> addresses_of(const Origin& origin);
  Task<Result<void>> exchange(Connection& connection, Request& request);
  [[nodiscard]] const net::AddressGuard* guard_of(const Origin& origin) const noexcept;
  void forget(Origin& origin) noexcept;

  net::Resolver& resolver_;
  const Options options_;
  const net::AddressGuard default_guard_;
  std::map<OriginSpec, std::unique_ptr<Origin>> origins_;
  std::vector<std::pair<net::TlsClient::Options, std::unique_ptr<net::TlsClient>>> tls_;
  Stats stats_;
  Pool pool_;  // last: its connections refer to the origins
};

}  // namespace millrace::client
