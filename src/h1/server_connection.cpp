#include "h1/server_connection.hpp"

#include "h1/server_exchange.hpp"
#include "http/head_scan.hpp"

#include <memory>

namespace millrace::h1 {
namespace {

class ServerConnection {
 public:
  ServerConnection(net::Stream stream, const PeerInfo& peer, Pipeline& pipeline)
      : io_(std::move(stream), pipeline),
        peer_(peer),
        scanner_(http::HeadKind::kRequest, pipeline.limits().head) {}

  /// False: the client speaks HTTP/2, and take_over() has what it said.
  Task<bool> run();
  [[nodiscard]] Handover take_over() noexcept {
    return {std::move(io_.stream), std::move(io_.input)};
  }

 private:
  enum class Read : std::uint8_t { kGot, kBlocked, kOver };

  // The head that HTTP/2's connection preface begins with, so that HTTP/1 servers understand enough
  // of it to refuse.
  static constexpr std::string_view kHttp2Head = "PRI * HTTP/2.0\r\n\r\n";
  /// Answers are gathered up to here before the client must take some.
  static constexpr std::size_t kHeldBytesMax = 64 * 1024;

  ServerExchange& exchange();
  [[nodiscard]] bool is_http2(std::size_t head_bytes) const noexcept {
    return head_bytes == kHttp2Head.size() && !served_ && !io_.stream.is_tls() &&
           io_.input.view().starts_with(kHttp2Head);
  }
  Read read_some();
  void prepare_wait();
  void follow_limits() noexcept;
  void wait_failed(Error error);
  void refuse(Error error);
  // Not inlined: what only the end needs is not part of an idle connection's frame.
  [[gnu::noinline]] Task<void> close_gracefully();
  [[gnu::noinline]] Task<void> linger();
  net::IoResult dump_some();

  ServerIo io_;
  const PeerInfo& peer_;
  http::HeadScanner scanner_;
  std::unique_ptr<ServerExchange> exchange_;
  Direction want_ = Direction::kRead;
  bool drained_ = false;     // the last read emptied the socket
  bool head_timed_ = false;  // the head deadline is running
  bool served_ = false;      // at least one request was answered
  bool open_ = true;
  bool linger_ = false;  // we end the connection: the client may not know yet
};

ServerExchange& ServerConnection::exchange() {
  if (exchange_ == nullptr) exchange_ = std::make_unique<ServerExchange>(io_, peer_);
  return *exchange_;
}

ServerConnection::Read ServerConnection::read_some() {
  if (drained_ && !io_.stream.has_pending()) return Read::kBlocked;
  const std::span<char> room = io_.input.prepare(1);
  const net::IoResult r = io_.read_some(room);
  if (r.done()) {
    io_.input.commit(r.bytes);
    drained_ = r.drained;
    return Read::kGot;
  }
  if (r.would_block()) {
    drained_ = true;
    want_ = r.want;
    return Read::kBlocked;
  }
  return Read::kOver;
}

void ServerConnection::prepare_wait() {
  // Idle, or nothing came yet: nothing is held but the socket.
  if (io_.input.empty()) io_.input.release();
  io_.output.go_idle();
  if (io_.input.empty() && served_) {
    exchange_.reset();
    io_.stream.set_deadline(Direction::kRead, io_.pipeline.limits().idle_timeout,
                            Errc::kIdleTimeout);
    return;
  }
  if (head_timed_) return;
  head_timed_ = true;
  io_.stream.set_deadline(Direction::kRead, io_.pipeline.limits().head_timeout, Errc::kHeadTimeout);
}

// A reload may have changed them while the connection was idle.
void ServerConnection::follow_limits() noexcept {
  const ConnectionLimits& limits = io_.pipeline.limits();
  scanner_.reset(limits.head);
  io_.output.set_stall_timeout(limits.write_stall_timeout);
}

void ServerConnection::wait_failed(Error error) {
  open_ = false;
  linger_ = false;
  // A connection that never said a word, or is idle, is closed without one (TLS: with a
  // close_notify).
  if (error.is(Errc::kIdleTimeout)) io_.stream.shutdown_write();
  if (!error.is(Errc::kHeadTimeout) || io_.input.empty()) return;
  exchange().open_refused();
  refuse(error);
}

void ServerConnection::refuse(Error error) {
  open_ = false;
  linger_ = true;
  io_.stream.clear_deadline(Direction::kRead);
  ServerExchange& e = exchange();
  if (!e.started()) io_.pipeline.refuse(e, error);
}

Task<bool> ServerConnection::run() {
  while (open_) {
    const auto head_bytes = scanner_.scan(io_.input.view());
    if (!head_bytes) {
      exchange().open_refused();
      refuse(head_bytes.error());
      break;
    }
    if (*head_bytes == 0) {
      const Read got = read_some();
      if (got == Read::kGot) continue;
      if (got == Read::kOver) break;
      io_.output.flush();
      if (io_.output.blocked()) {
        if (auto drained = co_await io_.output.drain(); !drained) break;
      }
      prepare_wait();
      if (auto ready = co_await io_.wait(want_); !ready) wait_failed(ready.error());
      if (io_.input.empty()) follow_limits();
      drained_ = false;
      want_ = Direction::kRead;
      continue;
    }

    if (is_http2(*head_bytes)) co_return false;
    ServerExchange& e = exchange();
    const auto opened = e.open(scanner_.start(), *head_bytes);
    scanner_.reset();
    head_timed_ = false;
    if (!opened) {
      refuse(opened.error());
      break;
    }
    io_.stream.clear_deadline(Direction::kRead);
    Handler& handler = io_.pipeline.begin(e);
    e.begin_watch();
    Result<void> outcome = co_await in_scope(e.scope(), handler.handle(e));
    e.end_watch();
    io_.pipeline.end(e, outcome);
    served_ = true;
    open_ = e.reusable() && !e.scope().cancelled() && io_.output.status().has_value();
    linger_ = e.finished();
    if (!e.finished() && e.ends_with_connection()) io_.stream.reset_on_close();
    // A connection that closes anyway lingers instead.
    if (open_ && !e.body_done()) open_ = co_await e.discard_body();
    e.return_surplus();
    if (io_.output.held() > kHeldBytesMax) {
      if (auto drained = co_await io_.output.drain(); !drained) break;
    }
  }
  co_await close_gracefully();
  co_return true;
}

Task<void> ServerConnection::close_gracefully() {
  Scope* scope = co_await this_scope();
  const bool cancelled = scope != nullptr && scope->cancelled();
  if (!cancelled) (void)co_await io_.output.drain();
  io_.output.flush();
  if (linger_ && !cancelled && io_.output.status()) {
    io_.stream.shutdown_write();
    exchange_.reset();
    io_.input.release();
    co_await linger();
  }
  io_.stream.close();
}

Task<void> ServerConnection::linger() {
  io_.stream.set_deadline(Direction::kRead, io_.pipeline.limits().linger_timeout,
                          Errc::kIdleTimeout);
  for (;;) {
    const net::IoResult r = dump_some();
    if (r.done()) continue;
    if (!r.would_block()) co_return;
    if (auto ready = co_await io_.wait(r.want); !ready) co_return;
  }
}

net::IoResult ServerConnection::dump_some() {
  ByteBuffer dump;
  return io_.read_some(dump.prepare(1));
}

}  // namespace

Task<std::optional<Handover>> serve_connection(net::Stream stream, const PeerInfo& peer,
                                               Pipeline& pipeline) {
  ServerConnection connection(std::move(stream), peer, pipeline);
  if (co_await connection.run()) co_return std::nullopt;
  co_return connection.take_over();
}

}  // namespace millrace::h1
