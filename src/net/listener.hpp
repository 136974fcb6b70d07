// Listening sockets: one descriptor per io thread for each address.
//
// A TCP address is first bound without SO_REUSEPORT, so that a second copy of the server fails
// instead of stealing every other connection; then each thread gets a socket of its own with it.
// Port 0 is resolved once and shared. A unix socket has one listener whose descriptor is
// duplicated; a stale file is removed, a living one is an error, and ours is unlinked at the end.
//
// Thread rule: bind on one thread, then hand each descriptor to its own.
#pragma once

#include "net/address.hpp"

#include <expected>
#include <string>
#include <vector>

namespace millrace::net {

class Listener {
 public:
  /// Connections that may wait to be accepted; the kernel caps it at net.core.somaxconn.
  static constexpr int kBacklog = 4096;

  /// `threads` >= 1 sockets on `address`. The error is one line for a person: what and why.
  [[nodiscard]] static std::expected<Listener, std::string> bind(const SocketAddress& address,
                                                                 unsigned threads);
  /// A socket that listens already and that others may have open too (LISTEN_FDS): its descriptor
  /// is duplicated, its file stays. Takes over `fd`. The error is one line for a person.
  [[nodiscard]] static std::expected<Listener, std::string> adopt(int fd,
                                                                  const SocketAddress& address,
                                                                  unsigned threads);
  Listener(Listener&& other) noexcept;
  Listener& operator=(Listener&& other) noexcept;
  /// Closes what was not taken; unlinks a unix socket.
  ~Listener();

  /// With the port that was given.
  [[nodiscard]] const SocketAddress& address() const noexcept { return address_; }
  /// Others have the socket open: what is done to it, and not to a descriptor, is done to theirs.
  [[nodiscard]] bool is_shared() const noexcept { return shared_; }
  /// The descriptor of thread `i`; the caller owns it from then on.
  [[nodiscard]] int take(std::size_t i) noexcept;

 private:
  explicit Listener(const SocketAddress& a) : address_(a) {}
  void close() noexcept;
  SocketAddress address_;
  std::vector<int> descriptors_;
  bool shared_ = false;
};

/// From now on the kernel drops what arrives for new TCP connections, without a reset, and refuses
/// unix ones; those in the queue can still be accepted, and TCP handshakes that have begun still
/// get there. Then the socket can be closed and no queued connection is lost.
void stop_new_connections(const SocketAddress& address, int listening_socket) noexcept;

}  // namespace millrace::net
