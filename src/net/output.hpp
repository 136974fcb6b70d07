// What a connection has to write: small pieces are gathered and leave in one system call at the end
// of the turn (or sooner, on flush); large ones go out with what was gathered, without being
// copied.
//
// While the peer does not read, bytes wait here: append() is for pieces whose size their maker
// bounds (heads, small bodies), write() waits until at most kGatherBytes are held. A peer that
// takes nothing for the stall timeout is given up with kWriteStalled.
//
// Ownership: refers to the stream, which must outlive it. Thread rule: one io thread.
#pragma once

#include "base/byte_buffer.hpp"
#include "net/stream.hpp"
#include "runtime/wait_queue.hpp"

#include <string_view>

namespace millrace::net {

/// Whoever makes bytes only when they can be written: a multiplexer's frames.
class OutputSource {
 public:
  /// Appends what is ready, about 64 KiB at most. False: there is no more for now.
  virtual bool refill(ByteBuffer& to) noexcept = 0;

 protected:
  ~OutputSource() = default;
};

class Output final : TurnHook, ReadyWatcher {
 public:
  /// Pieces up to this size are copied and gathered.
  static constexpr std::size_t kGatherBytes = 16 * 1024;
  /// After so many bytes without a wait, write() lets epoll have its turn: a client that reads as
  /// fast as we write would otherwise have the thread for itself.
  static constexpr std::size_t kInARowBytesMax = 1024 * 1024;

  Output(Stream& stream, Duration stall_timeout) noexcept
      : stream_(stream), stall_timeout_(stall_timeout) {
    unblocked_.set();
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output() { stop_waiting(); }

  /// The buffer to serialise into; call queued() afterwards.
  [[nodiscard]] ByteBuffer& buffer() noexcept { return buffer_; }
  void queued() noexcept { IoThread::current().at_end_of_turn(*this); }
  void append(std::string_view text) {
    buffer_.append(text);
    queued();
  }

  /// Takes over `bytes`: gathered when small, else written; waits while the peer is slow.
  [[nodiscard]] Task<Result<void>> write(std::string_view bytes);
  /// Until the peer has made room, once.
  [[nodiscard]] Task<Result<void>> unblocked();
  /// Until everything was handed to the kernel.
  [[nodiscard]] Task<Result<void>> drain();
  /// Nothing more will be appended: our direction ends once what is held has left.
  void end_stream() noexcept {
    ending_ = true;
    queued();
  }
  /// Tries to write what is held, now.
  void flush() noexcept;

  [[nodiscard]] std::size_t held() const noexcept { return buffer_.size(); }
  [[nodiscard]] bool blocked() const noexcept { return !unblocked_.is_set(); }
  /// kClientGone or kWriteStalled once writing has failed.
  [[nodiscard]] Result<void> status() const noexcept {
    if (failed_) return fail(error_);
    return {};
  }
  /// Gives the buffer's memory back when nothing is held.
  void go_idle() noexcept {
    if (buffer_.empty()) buffer_.release();
  }
  /// From the next wait for the peer on.
  void set_stall_timeout(Duration limit) noexcept { stall_timeout_ = limit; }
  /// Asked for more whenever what is held has been written.
  void set_source(OutputSource& source) noexcept { source_ = &source; }
  /// Called once when writing fails while nobody waits in write() or drain().
  void on_failure(Scope* scope) noexcept { failure_scope_ = scope; }

 private:
  void end_of_turn() noexcept override { flush(); }
  void descriptor_ready() noexcept override;
  /// Books the outcome of a write of the buffer followed by `extra`; returns the bytes of `extra`
  /// taken.
  std::size_t settle(const IoResult& r) noexcept;
  void block() noexcept;
  void wait_for_peer() noexcept;
  void give_up(Errc errc, int os_error) noexcept;
  void stop_waiting() noexcept;

  Stream& stream_;
  Duration stall_timeout_;
  ByteBuffer buffer_;
  Event unblocked_;
  OutputSource* source_ = nullptr;
  Scope* failure_scope_ = nullptr;
  Error error_ = Errc::kClientGone;
  std::size_t in_a_row_bytes_ = 0;
  std::size_t untaken_bytes_ = 0;  // of the kernel's, when the wait began
  bool failed_ = false;
  bool ending_ = false;
};

}  // namespace millrace::net
