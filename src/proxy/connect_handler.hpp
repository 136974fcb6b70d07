// CONNECT (RFC 9110 section 9.3.6): a tunnel to a host and port that the client chose.
//
// The name is resolved by our DNS cache, the whole answer goes through the address guard, a checked
// address is dialled and the peer of the socket checked once more. Nothing of what the client sends
// leaves before the 200, and what it has sent by then follows it. A CONNECT with a body is refused:
// nobody could tell it from the tunnel's first bytes.
//
// Thread rule: one io thread.
#pragma once

#include "config/address.hpp"
#include "millrace/exchange.hpp"
#include "net/address_guard.hpp"
#include "net/resolver.hpp"
#include "proxy/stream_tunnel.hpp"

#include <chrono>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::proxy {

class ConnectHandler final : public Handler {
 public:
  struct Options {
    /// May this host be reached? (lower case, no brackets). Empty: any.
    std::function<bool(std::string_view host)> allow_host;
    std::vector<config::PortRange> ports;
    /// For all addresses together.
    Duration connect_timeout = std::chrono::seconds(5);
    TunnelLimits tunnel;
  };

  /// `resolver` and `guard` must outlive it.
  ConnectHandler(net::Resolver& resolver, const net::AddressGuard& guard, Options options)
      : resolver_(resolver), guard_(guard), options_(std::move(options)) {}

  [[nodiscard]] Task<Result<void>> handle(Exchange& exchange) override;

 private:
  Task<Result<net::Stream>> dial(Exchange& exchange);

  net::Resolver& resolver_;
  const net::AddressGuard& guard_;
  const Options options_;
};

}  // namespace millrace::proxy
