#include "app/standard_streams.hpp"

#include "runtime/io_thread.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <string_view>

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace millrace::app {
namespace {

constexpr std::size_t kReadBytes = 64 * 1024;
/// How long a thread waits before it asks whether it shall go on.
constexpr int kPollMs = 50;

/// Waits until `fd` is ready; false: cancelled.
bool wait_ready(int fd, short events, const CancelToken& stop) noexcept {
  pollfd entry{.fd = fd, .events = events, .revents = 0};
  while (!stop.cancelled())
    if (::poll(&entry, 1, kPollMs) != 0) return true;
  return false;
}

Result<std::string> read_some(const CancelToken& stop) {
  std::string block(kReadBytes, '\0');
  for (;;) {
    if (!wait_ready(STDIN_FILENO, POLLIN, stop)) return fail(Errc::kCancelled);
    const ssize_t n = ::read(STDIN_FILENO, block.data(), block.size());
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) return fail(Errc::kIo, errno);
    block.resize(static_cast<std::size_t>(n));
    return block;
  }
}

// A pipe that is ready takes PIPE_BUF without blocking, and maybe no more.
Result<void> write_all(std::string_view bytes, const CancelToken& stop) {
  struct stat status{};
  const bool file = ::fstat(STDOUT_FILENO, &status) == 0 && S_ISREG(status.st_mode);
  const std::size_t most = file ? SSIZE_MAX : PIPE_BUF;
  while (!bytes.empty()) {
    if (!wait_ready(STDOUT_FILENO, POLLOUT, stop)) return fail(Errc::kCancelled);
    const ssize_t n = ::write(STDOUT_FILENO, bytes.data(), std::min(bytes.size(), most));
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) return fail(errno == EPIPE ? Errc::kClientGone : Errc::kIo, errno);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

}  // namespace

Task<Result<bool>> StandardInput::fill() {
  Result<Result<std::string>> done =
      co_await pool_.run(0, [](const CancelToken& stop) { return read_some(stop); });
  if (!done) co_return fail(done.error());
  if (!*done) co_return fail(done->error());
  read_.erase(0, used_);
  used_ = 0;
  read_ += **done;
  co_return !(*done)->empty();
}

Task<Result<std::optional<std::string>>> StandardInput::line(std::size_t bytes_max) {
  std::string line;
  for (;;) {
    const std::string_view rest = std::string_view(read_).substr(used_);
    const std::size_t end = rest.find('\n');
    const std::size_t size = std::min(end, rest.size());
    line += rest.substr(0, std::min(size, bytes_max - line.size()));
    used_ += size;
    if (end != std::string_view::npos) {
      ++used_;
      co_return line;
    }
    if (!ended_) {
      const Result<bool> more = co_await fill();
      if (!more) co_return fail(more.error());
      ended_ = !*more;
      continue;
    }
    if (line.empty()) co_return std::optional<std::string>();
    co_return line;
  }
}

StandardOutput::StandardOutput(Offload& pool)
    : pool_(pool), terminal_(::isatty(STDOUT_FILENO) == 1) {}

Task<Result<void>> StandardOutput::write(Bytes bytes) {
  while (outcome_ && held_.size() >= kHeldBytesMax) {
    room_.reset();
    if (const auto woken = co_await room_.wait(); !woken) co_return woken;
  }
  if (!outcome_) co_return outcome_;
  held_.append(bytes.data(), bytes.size());
  if (pumps_.size() == 0) pumps_.spawn(pump());
  if (terminal_) co_return co_await finish();
  co_return Result<void>{};
}

Task<Result<void>> StandardOutput::finish() {
  co_await pumps_.join();
  co_return outcome_;
}

Task<void> StandardOutput::pump() {
  while (outcome_ && !held_.empty()) {
    if (!terminal_ && held_.size() < kHeldBytesMax / 4) (void)co_await sleep_for(kGatherTime);
    writing_.swap(held_);
    room_.set();
    const Result<Result<void>> done =
        co_await pool_.run(0, [text = std::string_view(writing_)](const CancelToken& stop) {
          return write_all(text, stop);
        });
    writing_.clear();
    outcome_ = done ? *done : Result<void>(fail(done.error()));
  }
  held_.clear();
  room_.set();
}

}  // namespace millrace::app
