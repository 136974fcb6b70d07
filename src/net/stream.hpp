// A connected byte stream: TCP, unix socket or TLS over either, behind one concrete type.
//
// Every operation is "try": it does one system call (or one TLS record) and says kWouldBlock when
// there is nothing to do now; then `co_await stream.wait(want)`. Buffers belong to the caller, so
// an idle stream holds none. Without TLS the cost over the bare system call is a branch.
//
// Ownership: owns its descriptor and TLS state. Thread rule: the io thread on which it was made.
#pragma once

#include "base/error.hpp"
#include "net/handshake_gate.hpp"
#include "net/io_result.hpp"
#include "net/tls_engine.hpp"
#include "runtime/descriptor.hpp"

#include <memory>
#include <span>
#include <string_view>

#include <sys/uio.h>

typedef struct ssl_st SSL;  // NOLINT: OpenSSL's own forward declaration

namespace millrace::net {

class Stream {
 public:
  Stream() = default;
  /// Takes a connected, non-blocking socket.
  explicit Stream(int fd) : descriptor_(fd) {}
  explicit Stream(Descriptor d) noexcept : descriptor_(std::move(d)) {}
  Stream(Stream&&) noexcept = default;
  Stream& operator=(Stream&&) noexcept = default;
  ~Stream();

  [[nodiscard]] bool is_open() const noexcept { return descriptor_.is_open(); }
  [[nodiscard]] Descriptor& descriptor() noexcept { return descriptor_; }
  [[nodiscard]] int fd() const noexcept { return descriptor_.fd(); }
  [[nodiscard]] bool is_tls() const noexcept { return tls_ != nullptr; }
  /// For what the handshake came to (tls_session.hpp); nullptr without TLS.
  [[nodiscard]] const SSL* tls() const noexcept { return tls_ != nullptr ? tls_->ssl() : nullptr; }
  /// "h2", "http/1.1" or empty.
  [[nodiscard]] std::string_view alpn() const noexcept {
    return tls_ != nullptr ? tls_->alpn() : std::string_view();
  }

  [[nodiscard]] IoResult read_some(std::span<char> into) noexcept;
  [[nodiscard]] IoResult write_some(std::string_view bytes) noexcept;
  /// Several pieces in one system call; TLS makes one record of as much as fits into it.
  [[nodiscard]] IoResult write_some(std::span<const iovec> pieces) noexcept;
  /// Bytes that write_some has taken and that have not left, since the socket was full: TLS only.
  /// Whoever has nothing more to write waits for kWrite and calls flush_some() until it is done.
  [[nodiscard]] bool has_unsent() const noexcept { return tls_ != nullptr && tls_->has_unsent(); }
  [[nodiscard]] IoResult flush_some() noexcept;
  /// Bytes, or the end, are waiting inside TLS: the descriptor will not become readable for them.
  [[nodiscard]] bool has_pending() const noexcept { return tls_ != nullptr && tls_->has_pending(); }

  [[nodiscard]] Descriptor::Wait wait(Direction d) noexcept {
    return d == Direction::kRead ? descriptor_.readable() : descriptor_.writable();
  }
  void set_deadline(Direction d, Duration from_now, Errc errc) noexcept {
    descriptor_.set_deadline(d, from_now, errc);
  }
  void clear_deadline(Direction d) noexcept { descriptor_.clear_deadline(d); }

  /// The peer has closed or reset, as far as the kernel knows. One system call; reads nothing.
  [[nodiscard]] bool peer_gone() const noexcept;
  /// The same behind bytes that nobody has read: asks TCP for its state. False for unix sockets.
  [[nodiscard]] bool peer_closed() const noexcept;

  /// Bytes that were written and that the peer's kernel has not taken yet.
  [[nodiscard]] std::size_t untaken_bytes() const noexcept;

  /// Runs the TLS handshake (as `ssl` was set up: SSL_accept or SSL_connect) under the deadlines in
  /// force. Takes ownership of `ssl` and attaches it to the descriptor. With a gate it takes its
  /// turn there for every step, and for the first one only once the peer has said something.
  /// Errors: kTlsFailed (tls_failure() says why), the deadlines', the scope's.
  [[nodiscard]] Task<Result<void>> handshake(SSL* ssl, HandshakeGate* gate = nullptr);

  /// Why the handshake failed, in OpenSSL's words: for the log. Empty when it has none.
  [[nodiscard]] std::string_view tls_failure() const noexcept {
    return tls_ != nullptr ? tls_->failure() : std::string_view();
  }

  /// No more will be written (TLS: close_notify first, best effort).
  void shutdown_write() noexcept;
  void close() noexcept;
  /// close() will reset the connection: the peer must not take it for an end.
  void reset_on_close() noexcept;

 private:
  [[nodiscard]] IoResult syscall_result(ssize_t returned, std::size_t wanted, Direction d) noexcept;
  void let_alert_through() noexcept;
  /// Tells the descriptor what TLS has learnt of the socket.
  IoResult noted(const IoResult& r) noexcept;

  Descriptor descriptor_;
  std::unique_ptr<TlsEngine> tls_;
};

}  // namespace millrace::net
