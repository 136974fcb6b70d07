#include "proxy/stream_tunnel.hpp"

#include "base/byte_buffer.hpp"
#include "net/output.hpp"
#include "proxy/idle_limit.hpp"
#include "runtime/task_group.hpp"

#include <cerrno>
#include <span>
#include <utility>

namespace millrace::proxy {
namespace {

class StreamTunnel {
 public:
  StreamTunnel(Exchange& exchange, net::Stream stream, const TunnelLimits& limits)
      : exchange_(exchange),
        stream_(std::move(stream)),
        out_(stream_, limits.write_stall),
        idle_(limits.idle),
        half_closed_(limits.half_closed) {}

  Task<Result<void>> run();

 private:
  /// From the client to the connection.
  Task<void> pass_up();
  /// And back.
  Task<Result<void>> pass_down();
  /// The next bytes of the connection, empty at its end. Valid until the next call.
  Task<Result<Bytes>> read();
  void end(Error error) noexcept;

  Exchange& exchange_;
  net::Stream stream_;
  net::Output out_;
  ByteBuffer in_;
  std::size_t block_bytes_ = ByteBuffer::kMediumBytes;
  bool more_ = false;      // the last read left bytes behind
  bool said_all_ = false;  // our direction has ended
  IdleLimit idle_;
  const Duration half_closed_;
};

void StreamTunnel::end(Error error) noexcept {
  idle_.scope().cancel(error.errc);
}

Task<void> StreamTunnel::pass_up() {
  for (;;) {
    const Result<Bytes> piece = co_await exchange_.read_body();
    if (!piece) co_return end(piece.error());
    if (piece->empty()) break;
    idle_.passed_something();
    Result<void> written = co_await out_.write({piece->data(), piece->size()});
    // Before more is asked for: a stall that nobody waits for would go unnoticed.
    if (written) out_.flush();
    if (written && out_.blocked()) written = co_await out_.drain();
    idle_.passed_something();
    if (written) continue;
    // A connection that takes no more has mostly said why: reading it tells.
    if (!written.error().is(Errc::kClientGone)) end(Errc::kUpstreamIdleTimeout);
    co_return;
  }
  if (const auto drained = co_await out_.drain(); !drained) {
    if (!drained.error().is(Errc::kClientGone)) end(Errc::kUpstreamIdleTimeout);
    co_return;
  }
  stream_.shutdown_write();
  said_all_ = true;
  idle_.tighten(half_closed_);
}

// Reading goes straight to waiting, unless the last read says that there is more.
Task<Result<Bytes>> StreamTunnel::read() {
  for (;;) {
    if (!more_) {
      in_.release();
      if (const auto ready = co_await stream_.wait(Direction::kRead); !ready)
        co_return fail(ready.error());
    }
    in_.clear();
    if (in_.capacity() < block_bytes_) in_.release();
    const std::span<char> room = in_.prepare(1, block_bytes_);
    const net::IoResult r = stream_.read_some(room);
    more_ = r.done() && !r.drained;
    if (r.done()) {
      // A read that fills the block says that more is waiting: many bytes get large blocks.
      if (more_) block_bytes_ = ByteBuffer::kLargeBytes;
      co_return Bytes(room.first(r.bytes));
    }
    // A failed send may have taken the socket's error with it: a reset, not an end.
    if (r.end() && !out_.status() && out_.status().error().os_error == ECONNRESET)
      co_return fail(Errc::kUpstreamReset, ECONNRESET);
    if (r.end()) co_return Bytes{};
    if (r.error()) co_return fail(Errc::kUpstreamReset, r.os_error);
  }
}

Task<Result<void>> StreamTunnel::pass_down() {
  for (;;) {
    const Result<Bytes> piece = co_await read();
    if (!piece) co_return fail(piece.error());
    if (piece->empty()) break;
    idle_.passed_something();
    if (const auto written = co_await exchange_.write(*piece); !written) co_return written;
    idle_.passed_something();
  }
  in_.release();
  idle_.tighten(half_closed_);
  co_return exchange_.finish();
}

Task<Result<void>> StreamTunnel::run() {
  TaskGroup up;
  up.spawn(pass_up());
  Result<void> passed = co_await in_scope(idle_.scope(), pass_down());
  if (passed) {
    co_await in_scope(idle_.scope(), join(up));
    if (idle_.scope().cancelled()) passed = fail(idle_.scope().reason());
  }
  up.cancel();
  co_await up.join();
  // What was said to its end may still be on its way.
  if (!passed && !said_all_) stream_.reset_on_close();
  co_return passed;
}

}  // namespace

Task<Result<void>> run_stream_tunnel(Exchange& exchange, net::Stream stream, TunnelLimits limits) {
  StreamTunnel tunnel(exchange, std::move(stream), limits);
  co_return co_await tunnel.run();
}

}  // namespace millrace::proxy
