// OpenSSL on a non-blocking socket: records in and out, one try at a time.
//
// It reads and writes the socket itself (a BIO of ours): one recv takes whatever is there, up to a
// record or, for clients, four (read-ahead), a recv that came back short tells that there is no
// more, and a peer that is gone raises no SIGPIPE. OpenSSL's buffers are released as soon as they
// are empty, so an idle connection costs the SSL object alone.
//
// Bytes given to write() are taken once they are encrypted, even when the socket has no room for
// them: OpenSSL would want the very same bytes again, and whoever multiplexes cannot promise that.
// They leave with the next write() or flush().
//
// Ownership: owns the SSL; the socket is the caller's. Thread rule: one io thread.
#pragma once

#include "net/io_result.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include <sys/uio.h>

typedef struct ssl_st SSL;  // NOLINT: OpenSSL's own forward declaration

namespace millrace::net {

class TlsEngine {
 public:
  /// The plaintext of one record (RFC 8446 section 5.1).
  static constexpr std::size_t kRecordBytesMax = 16 * 1024;

  /// Takes `ssl`, which is set up for its role, and attaches it to the socket.
  TlsEngine(SSL* ssl, int fd);
  TlsEngine(const TlsEngine&) = delete;
  TlsEngine& operator=(const TlsEngine&) = delete;
  ~TlsEngine();

  /// One step of the handshake; kDone (bytes 0) when it is over.
  [[nodiscard]] IoResult handshake_step() noexcept;
  [[nodiscard]] IoResult read(std::span<char> into) noexcept;
  /// As much of the pieces as fits one record. Small ones share it; a large one is not copied.
  [[nodiscard]] IoResult write(std::span<const iovec> pieces) noexcept;
  /// What was taken and has not left. kDone (bytes 0): nothing of it is left.
  [[nodiscard]] IoResult flush() noexcept;
  [[nodiscard]] bool has_unsent() const noexcept { return unsent_bytes_ != 0; }
  /// A read would give something without the socket: more plaintext, the end, or an error.
  [[nodiscard]] bool has_pending() noexcept;
  /// Sends close_notify, best effort.
  void say_end() noexcept;

  [[nodiscard]] SSL* ssl() const noexcept { return ssl_.get(); }
  /// Why the handshake failed, in OpenSSL's words; empty when it has none.
  [[nodiscard]] std::string_view failure() const noexcept { return failure_; }
  /// "h2", "http/1.1" or empty.
  [[nodiscard]] std::string_view alpn() const noexcept;

 private:
  friend struct TlsSocket;
  struct FreeSsl {
    void operator()(SSL* ssl) const noexcept;
  };

  [[nodiscard]] IoResult result(int returned, Direction natural) noexcept;
  [[nodiscard]] IoResult write_record(std::string_view bytes) noexcept;
  void keep_unsent(std::string_view bytes);

  const int fd_;
  bool short_read_ = false;    // the last recv took all there was
  bool reads_allowed_ = true;  // false: look only at what was received already
  std::uint16_t unsent_begin_ = 0;
  std::uint16_t unsent_bytes_ = 0;
  std::unique_ptr<char[]> unsent_;
  const char* failure_ = "";           // OpenSSL's own text
  std::unique_ptr<SSL, FreeSsl> ssl_;  // last: its BIO refers to this
};

}  // namespace millrace::net
