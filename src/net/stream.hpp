// A connected byte stream: TCP, unix socket or TLS over either, behind one concrete type.
//
// Every operation is "try": it does one system call (or one SSL_read/SSL_write) and says
// kWouldBlock when there is nothing to do now; then `co_await stream.wait(want)`. Buffers belong to
// the caller, so an idle stream holds none. Without TLS the cost over the bare system call is a
// branch.
//
// Ownership: owns its descriptor and TLS state. Thread rule: the io thread on which it was made.
#pragma once

#include "base/error.hpp"
#include "runtime/descriptor.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include <sys/uio.h>

typedef struct ssl_st SSL;  // NOLINT: OpenSSL's own forward declaration

namespace millrace::net {

struct IoResult {
  enum class Kind : std::uint8_t { kDone, kWouldBlock, kEnd, kError };
  Kind kind = Kind::kDone;
  Direction want = Direction::kRead;  ///< for kWouldBlock: TLS may want the other direction
  int os_error = 0;                   ///< for kError
  std::size_t bytes = 0;              ///< for kDone: > 0

  [[nodiscard]] bool done() const noexcept { return kind == Kind::kDone; }
  [[nodiscard]] bool would_block() const noexcept { return kind == Kind::kWouldBlock; }
  [[nodiscard]] bool end() const noexcept { return kind == Kind::kEnd; }
  [[nodiscard]] bool error() const noexcept { return kind == Kind::kError; }
};

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
  /// "h2", "http/1.1" or empty.
  [[nodiscard]] std::string_view alpn() const noexcept;

  [[nodiscard]] IoResult read_some(std::span<char> into) noexcept;
  [[nodiscard]] IoResult write_some(std::string_view bytes) noexcept;
  /// Several pieces in one system call; TLS writes the first non-empty piece.
  [[nodiscard]] IoResult write_some(std::span<const iovec> pieces) noexcept;
  /// Decrypted bytes are waiting inside TLS: the descriptor will not become readable for them.
  [[nodiscard]] bool has_pending() const noexcept;

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

  /// Runs the TLS handshake (SSL_accept or SSL_connect, as `ssl` was set up) under the deadlines in
  /// force. Takes ownership of `ssl` and attaches it to the descriptor.
  [[nodiscard]] Task<Result<void>> handshake(SSL* ssl);

  /// No more will be written (TLS: close_notify first, best effort).
  void shutdown_write() noexcept;
  void close() noexcept;
  /// close() will reset the connection: the peer must not take it for an end.
  void reset_on_close() noexcept;

 private:
  struct FreeSsl {
    void operator()(SSL* ssl) const noexcept;
  };
  [[nodiscard]] IoResult syscall_result(ssize_t returned, std::size_t wanted, Direction d) noexcept;
  [[nodiscard]] IoResult tls_result(int returned, Direction natural) noexcept;

  Descriptor descriptor_;
  std::unique_ptr<SSL, FreeSsl> tls_;
};

}  // namespace millrace::net
