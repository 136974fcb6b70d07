// Which addresses a URL that a client gave us may lead to (the guard against server-side request
// forgery).
//
// Everything that is not plainly public is refused: private, loopback, link-local, shared,
// multicast, documentation and transition ranges, cloud metadata, our own listeners. Ask twice:
// with the whole answer of the resolver before dialling (check), and with the peer of the connected
// socket (check_peer).
//
// Not for the operator's own upstreams. Thread rule: immutable once made; any thread.
#pragma once

#include "base/error.hpp"
#include "net/address.hpp"

#include <span>
#include <vector>

namespace millrace::net {

/// True when the address is outside of every special-purpose range (IANA registries, RFC 6890).
[[nodiscard]] bool is_public(const IpAddress& address) noexcept;

/// The addresses of this machine's interfaces, for AddressGuard::Options. A system call; empty when
/// it fails.
[[nodiscard]] std::vector<IpAddress> interface_addresses();

class AddressGuard {
 public:
  struct Options {
    /// Not public, and may be dialled all the same.
    std::vector<Network> allow_networks;
    /// Where we listen ourselves, admin included; refused whatever allow_networks says. With a
    /// wildcard address every local address is refused at that port. Unix ones are ignored: no URL
    /// leads there.
    std::vector<SocketAddress> own_listeners;
    /// What "local" means beside loopback and unspecified; normally interface_addresses().
    std::vector<IpAddress> local_addresses;
  };

  /// No exceptions, no listeners.
  AddressGuard() = default;
  explicit AddressGuard(Options options) : options_(std::move(options)) {}

  /// The whole answer for one name, to be dialled at `port`. kUrlRefused when it is empty, when any
  /// address is refused, and when public and non-public ones are mixed: that is how DNS rebinding
  /// looks.
  [[nodiscard]] Result<void> check(std::span<const IpAddress> addresses, std::uint16_t port) const;
  /// The peer of a connected socket. kUrlRefused.
  [[nodiscard]] Result<void> check_peer(const SocketAddress& peer) const;

 private:
  [[nodiscard]] bool allowed(const IpAddress& address) const noexcept;
  [[nodiscard]] bool is_own_listener(const IpAddress& address, std::uint16_t port) const noexcept;
  [[nodiscard]] bool is_local(const IpAddress& address) const noexcept;

  Options options_;
};

}  // namespace millrace::net
