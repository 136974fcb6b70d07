#include "h2/server_connection.hpp"

#include "h2/server_session.hpp"

#include <utility>

namespace millrace::h2 {
namespace {

class ServerConnection {
 public:
  ServerConnection(net::Stream stream, const PeerInfo& peer, Pipeline& pipeline)
      : stream_(std::move(stream)),
        pipeline_(pipeline),
        output_(stream_, pipeline.limits().write_stall_timeout),
        session_(output_, peer, pipeline, stream_.is_tls(), over_) {}

  Task<void> run(ByteBuffer received);

 private:
  /// What is thrown away of one connection before every other one gets its turn.
  static constexpr unsigned kDumpsInARowMax = 16;
  /// A read of heads and small frames: some fifty requests. More would be work for which others
  /// wait.
  static constexpr std::size_t kFramesReadBytes = 2 * 1024;

  Task<void> read_all();
  [[nodiscard]] net::IoResult read_some();
  Task<Result<void>> wait(Direction d);
  [[nodiscard]] Duration idle_left() const noexcept;
  void wait_failed(Error error) noexcept;
  // Not inlined: what only the end needs is not part of an idle connection's frame.
  [[gnu::noinline]] Task<void> close_gracefully(bool linger);
  [[gnu::noinline]] Task<void> linger();
  [[nodiscard]] net::IoResult dump_some();

  net::Stream stream_;
  Pipeline& pipeline_;
  net::Output output_;
  Scope over_;
  ServerSession session_;
  bool reads_data_ = false;       // the last read was full, and mostly of a body
  std::uint64_t timed_head_ = 0;  // whose deadline is running; 0: none
  bool drained_ = false;          // the last read emptied the socket
  bool had_turn_ = false;         // has read since it last waited
  bool client_ended_ = false;
};

net::IoResult ServerConnection::read_some() {
  ByteBuffer buffer;
  std::span<char> room =
      buffer.prepare(1, reads_data_ ? ByteBuffer::kLargeBytes : ByteBuffer::kSmallBytes);
  if (!reads_data_) room = room.first(kFramesReadBytes);
  const net::IoResult r = stream_.read_some(room);
  if (!r.done()) return r;
  buffer.commit(r.bytes);
  drained_ = r.drained;
  const std::uint64_t data_before = session_.data_bytes();
  session_.feed(buffer.view());
  reads_data_ = r.bytes == room.size() && session_.data_bytes() - data_before > r.bytes / 2;
  return r;
}

// Streams end without a read: while there are any, the deadline only says when to look again.
Duration ServerConnection::idle_left() const noexcept {
  const Duration limit = pipeline_.limits().idle_timeout;
  if (session_.has_streams()) return limit;
  return limit - (IoThread::current().coarse_now() - session_.idle_since());
}

Task<Result<void>> ServerConnection::wait(Direction d) {
  const ConnectionLimits& limits = pipeline_.limits();
  output_.set_stall_timeout(limits.write_stall_timeout);
  had_turn_ = false;
  if (session_.in_head()) {
    // One head may end and the next begin in the same read: each has its own time.
    if (std::exchange(timed_head_, session_.head_number()) != session_.head_number())
      stream_.set_deadline(Direction::kRead, limits.head_timeout, Errc::kHeadTimeout);
  } else {
    timed_head_ = 0;
    stream_.set_deadline(Direction::kRead, idle_left(), Errc::kIdleTimeout);
  }
  const Result<void> ready = co_await stream_.wait(d);
  drained_ = false;
  co_return ready;
}

void ServerConnection::wait_failed(Error error) noexcept {
  if (error.is(Errc::kIdleTimeout)) {
    session_.terminate(NGHTTP2_NO_ERROR);
  } else if (error.is(Errc::kHeadTimeout)) {
    session_.terminate(NGHTTP2_ENHANCE_YOUR_CALM);
  }
}

Task<void> ServerConnection::read_all() {
  Scope* scope = co_await this_scope();
  while (!scope->cancelled()) {
    if (session_.is_congested()) {
      // One read for every time that the client has made room: it may have a PING in there, or a
      // body.
      if (!co_await output_.unblocked()) co_return;
    }
    net::IoResult r{.kind = net::IoResult::Kind::kWouldBlock};
    // One read, then every other connection has its turn: each may bring thousands of frames. What
    // TLS holds is exempt: no wait would end for it.
    const bool may_read = !drained_ && !std::exchange(had_turn_, true);
    if (may_read || stream_.has_pending()) r = read_some();
    if (r.done()) {
      // Handlers take what came before more comes.
      if (!drained_ || stream_.has_pending()) co_await yield_now();
      continue;
    }
    if (!r.would_block()) {
      client_ended_ = true;
      co_return;
    }
    if (const auto ready = co_await wait(r.want); !ready) {
      if (ready.error().is(Errc::kIdleTimeout) && idle_left() > Duration::zero()) continue;
      wait_failed(ready.error());
      co_return;
    }
  }
}

Task<void> ServerConnection::run(ByteBuffer received) {
  Scope* outer = co_await this_scope();
  output_.on_failure(&over_);
  session_.start();
  if (!received.empty()) session_.feed(received.view());
  received.release();
  co_await in_scope(over_, read_all());
  const bool cancelled = outer != nullptr && outer->cancelled();
  const Result<void> written = output_.status();
  Errc reason = written ? Errc::kClientGone : written.error().errc;
  if (cancelled) reason = outer->reason();
  Scope last_words;
  co_await shielded(last_words, session_.end_streams(reason));
  if (cancelled) session_.terminate(NGHTTP2_NO_ERROR);
  output_.flush();
  // Whoever was sent away for what it costs gets no more patience: it is closed with what it has
  // not read, and what it goes on sending is not listened to.
  co_await close_gracefully(!cancelled && !client_ended_ && !session_.sent_away());
}

Task<void> ServerConnection::close_gracefully(bool lingers) {
  output_.on_failure(nullptr);
  if (lingers && output_.status()) {
    (void)co_await output_.drain();
    stream_.shutdown_write();
    co_await linger();
  }
  stream_.close();
}

net::IoResult ServerConnection::dump_some() {
  ByteBuffer dump;
  return stream_.read_some(dump.prepare(1));
}

Task<void> ServerConnection::linger() {
  stream_.set_deadline(Direction::kRead, pipeline_.limits().linger_timeout, Errc::kIdleTimeout);
  for (unsigned reads = 1;; ++reads) {
    const net::IoResult r = dump_some();
    // A client that goes on sending must not keep the thread from others, nor from the deadline.
    if (r.done() && reads % kDumpsInARowMax != 0) continue;
    if (!r.done() && !r.would_block()) co_return;
    if (!co_await stream_.wait(r.done() ? Direction::kRead : r.want)) co_return;
  }
}

}  // namespace

Task<void> serve_connection(net::Stream stream, ByteBuffer received, const PeerInfo& peer,
                            Pipeline& pipeline) {
  ServerConnection connection(std::move(stream), peer, pipeline);
  co_await connection.run(std::move(received));
}

}  // namespace millrace::h2
