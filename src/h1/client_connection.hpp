// The client's side of one HTTP/1.1 connection (RFC 9112): one exchange after another.
//
//   send(...)            serialises the head; a body is pulled from its source by a task of its own
//   co_await read_head() the final response's head; interim ones are passed over
//   co_await read_body() piece by piece, framing taken off
//   reset()              when reusable(), before it is parked
//
// The answer is read while the body is still being sent, so that an early answer (413, an echo) is
// never missed. The head and whatever of the body is ready in the same turn leave in one system
// call. Reading goes straight to waiting: after a request there is nothing to read yet. While a
// connection waits for more of a body it holds no body buffer; between exchanges it holds no buffer
// at all.
//
// Ownership: owns the stream. Views (fields, pieces) live until reset(), a piece until the next
// read_body(). The body's source must live until stop() was awaited or sending() is false;
// destroying a connection that is still sending is a bug (asserted). Thread rule: one io thread.
#pragma once

#include "base/byte_buffer.hpp"
#include "h1/body_decoder.hpp"
#include "h1/head_parser.hpp"
#include "h1/head_writer.hpp"
#include "http/head.hpp"
#include "http/head_scan.hpp"
#include "millrace/body_source.hpp"
#include "net/output.hpp"
#include "net/stream.hpp"
#include "runtime/task_group.hpp"

#include <memory>
#include <string_view>

namespace millrace::h1 {

/// Told of interim (1xx) answers while the final one is waited for.
class InterimSink {
 public:
  virtual void interim(int status, const http::Fields& fields) = 0;

 protected:
  ~InterimSink() = default;
};

class ClientConnection {
 public:
  struct Options {
    /// Of a response head, each interim one too.
    http::HeadLimits head;
    /// Interim (1xx) heads before the final one: more are a flood (kUpstreamBadMessage).
    unsigned interim_max = 16;
    /// The peer takes no byte for this long while we send: kUpstreamIdleTimeout.
    Duration write_stall = std::chrono::seconds(60);
  };

  /// What to send. `fields` without framing, Host and hop-by-hop fields; views need to live until
  /// send() returns (line.upgrade: until read_head() does), `body` (nullptr: none) until it is
  /// sent, `interim` (nullptr: passed over) until read_head() returns.
  struct Outgoing {
    http::Method method = http::Method::kGet;
    RequestLine line;
    const http::Fields& fields;
    BodySource* body = nullptr;
    InterimSink* interim = nullptr;
  };
  // line.upgrade asks for another protocol. An answer of 101 then opens a tunnel: send_tunnel()
  // begins our direction of it, read_body() is the other. Without a 101 it is an answer like any.

  struct Timeouts {
    /// From the end of sending to the end of the final response's head: kFirstByteTimeout.
    Duration first_byte = Duration::max();
    /// Between two reads of the body: kUpstreamIdleTimeout.
    Duration idle = Duration::max();
  };

  ClientConnection(net::Stream stream, const Options& options);
  ClientConnection(const ClientConnection&) = delete;
  ClientConnection& operator=(const ClientConnection&) = delete;
  ~ClientConnection();

  /// Begins an exchange. An error (kUpstreamClosed, kUpstreamReset) means that not a byte was
  /// written.
  [[nodiscard]] Result<void> send(const Outgoing& outgoing, const Timeouts& timeouts);

  /// Errors: kUpstreamClosed, kUpstreamReset, kUpstreamBadMessage, kUpstreamHeadTooLarge,
  /// kFirstByteTimeout, kUpstreamIdleTimeout, the scope's, and whatever the body's source failed
  /// with.
  [[nodiscard]] Task<Result<void>> read_head();

  // --- valid after read_head ---
  [[nodiscard]] int status() const noexcept { return head_.status; }
  [[nodiscard]] http::Version version() const noexcept { return head_.version; }
  [[nodiscard]] http::Fields& fields() noexcept { return fields_; }
  [[nodiscard]] const http::Fields& fields() const noexcept { return fields_; }
  [[nodiscard]] http::BodyLength body_length() const noexcept { return length_; }

  /// After a 101: sends what `source` gives until its end, which ends our direction. `source` must
  /// live until stop() was awaited or sending() is false.
  void send_tunnel(BodySource& source);
  [[nodiscard]] bool is_tunnel() const noexcept { return head_done_ && head_.status == 101; }

  /// The fields behind the body, once it was read to its end; nullptr: none.
  [[nodiscard]] const http::Fields* trailers() {
    if (decoder_.done()) keep_trailers();
    return trailers_.get();
  }

  /// The next piece; empty at the clean end. Errors: kUpstreamTruncated, kUpstreamReset,
  /// kUpstreamBadMessage, kUpstreamIdleTimeout, the scope's, the source's.
  [[nodiscard]] Task<Result<Bytes>> read_body();
  /// The whole body was handed out: read_body() would give the end without waiting.
  [[nodiscard]] bool body_done() const noexcept { return decoder_.done(); }

  /// When the last byte of the request was handed to the kernel; the epoch before that.
  [[nodiscard]] TimePoint sent_at() const noexcept { return sent_at_; }
  /// A byte of an answer has come: the request must not be sent again.
  [[nodiscard]] bool answered() const noexcept { return answered_; }
  /// The body's source was asked at least once.
  [[nodiscard]] bool body_touched() const noexcept { return body_touched_; }
  /// The body is still on its way.
  [[nodiscard]] bool sending() const noexcept { return sender_.size() != 0; }
  /// Everything was sent, everything was read, nothing came after it, and both sides want to go on.
  [[nodiscard]] bool reusable() const noexcept;
  /// Nothing is left to be read. Ask before parking: bytes that came with the answer and went
  /// unseen would be taken for the next one. A system call only when the last read does not tell.
  [[nodiscard]] bool drained() noexcept {
    return (!read_at_once_ && !stream_.has_pending()) || still_idle();
  }

  /// Forgets the exchange and gives the buffers back. Only when reusable().
  void reset() noexcept;
  /// Closes the connection and waits until the body's source is let go.
  [[nodiscard]] Task<void> stop();
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
  void sent() noexcept;

  Task<Result<void>> fill(ByteBuffer& into, std::size_t block_bytes);
  [[nodiscard]] Error read_failure(Error error) const noexcept;
  /// The next head in in_, if it is complete; true: it was the final one.
  Result<bool> take_head();
  Result<std::string_view> next_data();
  void choose_block() noexcept;

  net::Stream stream_;
  net::Output out_;
  TaskGroup sender_;
  ByteBuffer in_;          // the head, and what came with it
  ByteBuffer body_in_;     // what was read after that
  std::string_view rest_;  // not yet decoded, in one of the two
  http::Fields fields_;
  std::unique_ptr<http::Fields> trailers_;
  http::HeadScanner scanner_;
  BodyDecoder decoder_;
  RawResponse head_;
  http::BodyLength length_;
  InterimSink* interim_ = nullptr;
  std::string_view upgrade_;  // what was asked for; lives as long as the request
  Timeouts timeouts_;
  TimePoint sent_at_{};
  const http::HeadLimits limits_;
  const unsigned interim_max_;
  unsigned interims_ = 0;
  std::size_t body_block_bytes_ = ByteBuffer::kMediumBytes;
  Error send_error_ = Errc::kCount_;  // kCount_: none
  http::Method method_ = http::Method::kGet;
  bool answered_ = false;
  bool head_done_ = false;
  bool body_touched_ = false;
  bool sent_all_ = false;
  bool ended_ = false;         // the peer will send no more
  bool read_at_once_ = false;  // the last read left bytes behind
};

}  // namespace millrace::h1
