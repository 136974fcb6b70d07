// The client's side of one HTTP/1.1 connection (RFC 9112): one exchange after another.
//
// Each is a ClientExchange; between two of them comes reset(), when the connection is reusable().
//
// The answer is read while the body is still being sent, so that an early answer (413, an echo) is
// never missed. The head and whatever of the body is ready in the same turn leave in one system
// call. Reading goes straight to waiting: after a request there is nothing to read yet. While a
// connection waits for more of a body it holds no body buffer; between exchanges it holds no buffer
// at all.
//
// A body that is broken off, by whomever, resets the connection: behind what the peer has not read
// yet it would learn of an end only when it reads on. What it has said in answer was read before.
//
// Ownership: owns the stream. Views live until reset(). Destroying a connection that is still
// sending is a bug (asserted). Thread rule: one io thread.
#pragma once

#include "base/byte_buffer.hpp"
#include "h1/body_decoder.hpp"
#include "h1/head_parser.hpp"
#include "h1/head_writer.hpp"
#include "http/head.hpp"
#include "http/head_scan.hpp"
#include "millrace/client_exchange.hpp"
#include "net/output.hpp"
#include "net/stream.hpp"
#include "runtime/task_group.hpp"

#include <memory>
#include <string_view>

namespace millrace::h1 {

class ClientConnection : public ClientExchange {
 public:
  struct Options {
    /// Of a response head, each interim one too.
    http::HeadLimits head;
    /// Interim (1xx) heads before the final one: more are a flood (kUpstreamBadMessage).
    unsigned interim_max = 16;
    /// The peer takes no byte for this long while we send: kUpstreamIdleTimeout.
    Duration write_stall = std::chrono::seconds(60);
  };

  ClientConnection(net::Stream stream, const Options& options);
  ClientConnection(const ClientConnection&) = delete;
  ClientConnection& operator=(const ClientConnection&) = delete;
  virtual ~ClientConnection();

  // ClientExchange. Where `upgrade` asks for another protocol and the answer is not 101, it is
  // an answer like any.
  [[nodiscard]] Result<void> send(const OutgoingRequest& request,
                                  const ExchangeTimeouts& timeouts) override;
  [[nodiscard]] Task<Result<void>> read_head() override;
  [[nodiscard]] Task<Result<Bytes>> read_body() override;
  [[nodiscard]] bool body_done() const noexcept override { return decoder_.done(); }
  [[nodiscard]] const http::Fields* trailers() override {
    if (decoder_.done()) keep_trailers();
    return trailers_.get();
  }
  void send_tunnel(BodySource& source) override;
  [[nodiscard]] bool sending() const noexcept override { return sender_.size() != 0; }
  /// Closes the connection and waits until the body's source is let go.
  [[nodiscard]] Task<void> stop() override;
  /// For who keeps connections to override.
  void give_back() noexcept override { close(); }

  /// Everything was sent, everything was read, nothing came after it, and both sides want to go on.
  [[nodiscard]] bool reusable() const noexcept;
  /// Nothing is left to be read. Ask before parking: bytes that came with the answer and went
  /// unseen would be taken for the next one. A system call only when the last read does not tell.
  [[nodiscard]] bool drained() noexcept {
    return (!read_at_once_ && !stream_.has_pending()) || still_idle();
  }

  /// Forgets the exchange and gives the buffers back. Only when reusable().
  void reset() noexcept;
  /// Closes the connection. With sending(): stop() must follow.
  void close() noexcept;
  /// Told that an idle connection became readable: is it still good? Plain HTTP allows no byte
  /// here, TLS may bring session tickets.
  [[nodiscard]] bool still_idle() noexcept;

  [[nodiscard]] net::Stream& stream() noexcept { return stream_; }

 private:
  Task<void> send_body(BodySource& source, http::BodyLength length);
  Task<void> send_raw(BodySource& source);
  [[nodiscard]] bool is_upgrade_answer() const noexcept;
  void keep_trailers();
  Task<Result<void>> write_piece(Bytes piece, bool chunked);
  void fail_sending(Error error) noexcept;
  void break_off_body() noexcept;
  void sent() noexcept;

  Task<Result<void>> fill(ByteBuffer& into, std::size_t block_bytes);
  [[nodiscard]] Error read_failure(Error error) const noexcept;
  /// The next head in in_, if it is complete; true: it was the final one.
  Result<bool> take_head();
  Result<std::string_view> next_data();
  void choose_block() noexcept;
  [[nodiscard]] bool may_send_stray_body() const noexcept;

  net::Stream stream_;
  net::Output out_;
  TaskGroup sender_;
  ByteBuffer in_;          // the head, and what came with it
  ByteBuffer body_in_;     // what was read after that
  std::string_view rest_;  // not yet decoded, in one of the two
  std::unique_ptr<http::Fields> trailers_;
  http::HeadScanner scanner_;
  BodyDecoder decoder_;
  InterimSink* interim_ = nullptr;
  std::string_view upgrade_;  // what was asked for; lives as long as the request
  ExchangeTimeouts timeouts_;
  const http::HeadLimits limits_;
  const unsigned interim_max_;
  unsigned interims_ = 0;
  std::size_t body_block_bytes_ = ByteBuffer::kMediumBytes;
  Error send_error_ = Errc::kCount_;  // kCount_: none
  http::Method method_ = http::Method::kGet;
  bool stray_body_ = false;  // one may follow although the answer has none
  bool sent_all_ = false;
  bool ended_ = false;         // the peer will send no more
  bool read_at_once_ = false;  // the last read left bytes behind
};

}  // namespace millrace::h1
