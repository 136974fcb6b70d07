#include "h1/output.hpp"

#include <array>

namespace millrace::h1 {

void Output::give_up(Errc errc, int os_error) noexcept {
  if (failed_) return;
  failed_ = true;
  error_ = Error(errc, os_error);
  buffer_.clear();
  unblocked_.set();
  if (failure_scope_ != nullptr) failure_scope_->cancel(errc);
}

void Output::block(Direction want) noexcept {
  blocked_on_ = want;
  unblocked_.reset();
  stream_.set_deadline(want, stall_timeout_, Errc::kWriteStalled);
  stream_.descriptor().watch(want, *this);
}

void Output::stop_waiting() noexcept {
  if (!blocked() || !stream_.is_open()) return;
  stream_.descriptor().unwatch(blocked_on_, *this);
}

std::size_t Output::settle(const net::IoResult& r) noexcept {
  if (r.would_block()) {
    block(r.want);
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
  while (!buffer_.empty() && !failed_ && !blocked()) settle(stream_.write_some(buffer_.view()));
}

void Output::descriptor_ready() noexcept {
  if (!stream_.is_open()) return give_up(Errc::kClientGone, 0);
  if (stream_.descriptor().timed_out(blocked_on_)) return give_up(Errc::kWriteStalled, 0);
  stream_.clear_deadline(blocked_on_);
  unblocked_.set();
  flush();
}

Task<Result<void>> Output::write(std::string_view bytes) {
  if (bytes.size() <= kGatherBytes && held() + bytes.size() <= kGatherBytes && !failed_) {
    append(bytes);
    co_return Result<void>{};
  }
  while (!bytes.empty() && !failed_) {
    if (blocked()) {
      if (auto ok = co_await unblocked_.wait(); !ok) co_return ok;
      continue;
    }
    const std::array<iovec, 2> pieces{{{const_cast<char*>(buffer_.data()), buffer_.size()},
                                       {const_cast<char*>(bytes.data()), bytes.size()}}};
    bytes.remove_prefix(settle(stream_.write_some(pieces)));
  }
  co_return status();
}

Task<Result<void>> Output::drain() {
  for (;;) {
    flush();
    if (failed_ || buffer_.empty()) co_return status();
    if (auto ok = co_await unblocked_.wait(); !ok) co_return ok;
  }
}

}  // namespace millrace::h1
