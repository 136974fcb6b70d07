#include "net/output.hpp"

#include <array>

namespace millrace::net {

void Output::give_up(Errc errc, int os_error) noexcept {
  if (failed_) return;
  failed_ = true;
  error_ = Error(errc, os_error);
  buffer_.clear();
  unblocked_.set();
  if (failure_scope_ != nullptr) failure_scope_->cancel(errc);
}

void Output::block() noexcept {
  in_a_row_bytes_ = 0;
  unblocked_.reset();
  wait_for_peer();
}

void Output::wait_for_peer() noexcept {
  untaken_bytes_ = stream_.untaken_bytes();
  stream_.set_deadline(Direction::kWrite, stall_timeout_, Errc::kWriteStalled);
  stream_.descriptor().watch(Direction::kWrite, *this);
}

void Output::stop_waiting() noexcept {
  if (!blocked() || !stream_.is_open()) return;
  stream_.descriptor().unwatch(Direction::kWrite, *this);
}

std::size_t Output::settle(const IoResult& r) noexcept {
  // TLS that must read before it can write on would need the direction that somebody else may wait
  // for; only a peer that breaks a handshake message into pieces gets there.
  if (r.would_block() && r.want == Direction::kWrite) {
    block();
    return 0;
  }
  if (!r.done()) {
    give_up(Errc::kClientGone, r.os_error);
    return 0;
  }
  const std::size_t from_buffer = std::min(r.bytes, buffer_.size());
  buffer_.consume(from_buffer);
  return r.bytes - from_buffer;
}

void Output::flush() noexcept {
  if (!stream_.is_open()) return give_up(Errc::kClientGone, 0);
  bool more = source_ != nullptr;
  std::size_t in_a_row_bytes = 0;
  while (!failed_ && !blocked()) {
    if (more) more = source_->refill(buffer_);
    if (buffer_.empty()) break;
    in_a_row_bytes += buffer_.size();
    settle(stream_.write_some(buffer_.view()));
    if (more && in_a_row_bytes > kInARowBytesMax) return queued();  // epoll has its turn first
  }
  // TLS takes a record whole, also when the socket has no room for it.
  if (stream_.has_unsent() && !failed_ && !blocked()) settle(stream_.flush_some());
  if (ending_ && !failed_ && !blocked() && buffer_.empty() && !stream_.has_unsent()) {
    ending_ = false;
    stream_.shutdown_write();
  }
  // Frames are made in the moment of writing: between two turns there is nothing to keep.
  if (source_ != nullptr) go_idle();
}

void Output::descriptor_ready() noexcept {
  if (!stream_.is_open()) return give_up(Errc::kClientGone, 0);
  if (stream_.descriptor().timed_out(Direction::kWrite)) {
    // The kernel calls a socket writable when a third of its buffer is free: with a large one, a
    // slow peer can be busy for longer than the limit without that.
    if (stream_.untaken_bytes() >= untaken_bytes_) return give_up(Errc::kWriteStalled, 0);
    return wait_for_peer();
  }
  stream_.clear_deadline(Direction::kWrite);
  unblocked_.set();
  flush();
}

Task<Result<void>> Output::write(std::string_view bytes) {
  if (bytes.size() <= kGatherBytes && held() + bytes.size() <= kGatherBytes && !failed_) {
    append(bytes);
    co_return Result<void>{};
  }
  while (!bytes.empty() && !failed_) {
    if (!stream_.is_open()) {
      give_up(Errc::kClientGone, 0);
      break;
    }
    if (blocked()) {
      if (auto ok = co_await unblocked_.wait(); !ok) co_return ok;
      continue;
    }
    const std::array<iovec, 2> pieces{{{const_cast<char*>(buffer_.data()), buffer_.size()},
                                       {const_cast<char*>(bytes.data()), bytes.size()}}};
    const std::size_t taken = settle(stream_.write_some(pieces));
    bytes.remove_prefix(taken);
    in_a_row_bytes_ += taken;
    if (in_a_row_bytes_ > kInARowBytesMax && !blocked() && !failed_) block();
  }
  if (stream_.has_unsent()) queued();
  co_return status();
}

Task<Result<void>> Output::unblocked() {
  if (auto ok = co_await unblocked_.wait(); !ok) co_return ok;
  co_return status();
}

Task<Result<void>> Output::drain() {
  for (;;) {
    flush();
    if (failed_ || (buffer_.empty() && !stream_.has_unsent())) co_return status();
    if (auto ok = co_await unblocked_.wait(); !ok) co_return ok;
  }
}

}  // namespace millrace::net
