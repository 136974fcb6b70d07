#include "base/log_writer.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

namespace millrace::log {
namespace {

using SteadyClock = std::chrono::steady_clock;

int open_log_file(const std::string& path) noexcept {
  // A pipe that nobody reads must not keep us waiting.
  return ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
}

std::uint64_t next_id() noexcept {
  static std::atomic<std::uint64_t> last = 0;
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

enum class Outcome : std::uint8_t { kWritten, kStalled, kLost };

}  // namespace

/// Where lines go. Used by the writer thread alone.
struct LogWriter::Target {
  int fd = -1;
  bool owned = false;
  /// Takes any amount at once without blocking for long.
  bool regular = false;
  /// The last write ended within a line: what was lost must not join the next line to it.
  bool mid_line = false;
  /// What a thread gave and was not written yet. Memory circulates: buffers are swapped, not
  /// copied.
  Buffer held;
  std::size_t done = 0;

  ~Target() { use(-1, false); }

  void use(int new_fd, bool own) noexcept {
    if (owned && fd >= 0) ::close(fd);
    fd = new_fd;
    owned = own;
    struct stat info{};
    regular = fd >= 0 && ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  }

  [[nodiscard]] Outcome write_some(std::string_view text, std::size_t& taken) noexcept;
  /// Writes what is held; false: the reader does not keep up, and some is still held. What cannot
  /// be written at all is dropped; `lost` counts its lines.
  [[nodiscard]] bool drain(std::uint64_t& lost) noexcept;
};

struct LogWriter::State {
  const std::uint64_t id = next_id();
  std::string path;
  Target targets[2];
  bool terminal[2] = {};

  // Guarded by `mutex`.
  std::mutex mutex;
  std::condition_variable wake;     // for the writer
  std::condition_variable rounded;  // for those who flush
  std::map<std::thread::id, std::unique_ptr<Shard>> shards;
  std::uint64_t rounds_begun = 0;
  std::uint64_t last_whole_round = 0;
  int reopened_fd = -1;
  bool closing_file = false;  // once what is held for it was written
  bool round_wanted = false;
  bool stopping = false;
  bool ended = false;

  std::atomic<std::uint64_t> dropped = 0;
  std::thread thread;

  ~State() {
    if (reopened_fd >= 0) ::close(reopened_fd);
  }

  /// One pass over all shards. True: what was appended before it began is written now.
  [[nodiscard]] bool round();
};

Outcome LogWriter::Target::write_some(std::string_view text, std::size_t& taken) noexcept {
  if (fd < 0) return Outcome::kLost;
  if (!regular) {
    pollfd p{fd, POLLOUT, 0};
    if (::poll(&p, 1, static_cast<int>(kRound.count())) == 0) return Outcome::kStalled;
    // poll() promises room for PIPE_BUF bytes of a pipe, not more.
    text = text.substr(0, std::min<std::size_t>(text.size(), PIPE_BUF));
  }
  const ssize_t n = ::write(fd, text.data(), text.size());
  if (n > 0) {
    taken = static_cast<std::size_t>(n);
    return Outcome::kWritten;
  }
  taken = 0;
  if (n < 0 && errno == EINTR) return Outcome::kWritten;
  return n < 0 && errno == EAGAIN ? Outcome::kStalled : Outcome::kLost;
}

bool LogWriter::Target::drain(std::uint64_t& lost) noexcept {
  Outcome outcome = Outcome::kWritten;
  std::size_t taken = 0;
  while (done < held.size && outcome == Outcome::kWritten) {
    if (mid_line) {
      outcome = write_some("\n", taken);
      mid_line = taken == 0;
      continue;
    }
    outcome = write_some({held.bytes.get() + done, held.size - done}, taken);
    if (outcome == Outcome::kWritten) done += taken;
  }
  if (outcome == Outcome::kStalled) return false;
  if (outcome == Outcome::kLost) {
    // A full disk, a closed pipe: this much is gone, the next round tries again.
    const std::string_view rest(held.bytes.get() + done, held.size - done);
    lost += static_cast<std::uint64_t>(std::ranges::count(rest, '\n'));
    mid_line = mid_line || (done > 0 && held.bytes[done - 1] != '\n');
  }
  held.size = done = 0;
  return true;
}

bool LogWriter::State::round() {
  std::vector<Shard*> all;
  {
    const std::scoped_lock lock(mutex);
    for (const auto& [thread_id, shard] : shards) all.push_back(shard.get());
    if (reopened_fd >= 0) targets[1].use(std::exchange(reopened_fd, -1), true);
  }
  bool whole = true;
  std::uint64_t lost = 0;
  for (std::size_t i = 0; i < std::size(targets); ++i) {
    Target& target = targets[i];
    bool keeps_up = target.drain(lost);
    for (std::size_t j = 0; j < all.size() && keeps_up; ++j) {
      {
        const std::scoped_lock lock(all[j]->mutex);
        std::swap(target.held, all[j]->buffers[i]);
      }
      keeps_up = target.drain(lost);
    }
    whole = whole && keeps_up;
  }
  if (whole) {
    const std::scoped_lock lock(mutex);
    if (std::exchange(closing_file, false)) targets[1].use(-1, false);
  }
  dropped.fetch_add(lost, std::memory_order_relaxed);
  return whole;
}

void LogWriter::run(const std::shared_ptr<State>& state) {
  std::unique_lock lock(state->mutex);
  auto give_up_at = SteadyClock::time_point::max();
  for (;;) {
    state->wake.wait_for(lock, kRound, [&] { return state->round_wanted || state->stopping; });
    const bool stopping = state->stopping;
    if (stopping && give_up_at == SteadyClock::time_point::max())
      give_up_at = SteadyClock::now() + kLastWords;
    state->round_wanted = false;
    const std::uint64_t number = ++state->rounds_begun;
    lock.unlock();
    const bool whole = state->round();
    lock.lock();
    if (whole) state->last_whole_round = number;
    state->rounded.notify_all();
    if (stopping && (whole || SteadyClock::now() >= give_up_at)) break;
  }
  state->ended = true;
  state->rounded.notify_all();
}

LogWriter::LogWriter(std::shared_ptr<State> state) : state_(std::move(state)) {
  // No signal is for this thread.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  state_->thread = std::thread([state = state_] { run(state); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Result<std::unique_ptr<LogWriter>> LogWriter::open(const Options& options) {
  auto state = std::make_shared<State>();
  state->path = options.file;
  state->targets[0].use(options.stderr_fd, false);
  state->terminal[0] = ::isatty(options.stderr_fd) == 1;
  if (!options.file.empty()) {
    const int fd = open_log_file(options.file);
    if (fd < 0) return fail(Errc::kIo, errno);
    state->targets[1].use(fd, true);
    state->terminal[1] = ::isatty(fd) == 1;
  }
  return std::unique_ptr<LogWriter>(new LogWriter(std::move(state)));
}

LogWriter::~LogWriter() {
  State& s = *state_;
  std::unique_lock lock(s.mutex);
  s.stopping = true;
  s.wake.notify_all();
  // The writer gives up by itself; only a system call that blocks in spite of poll() outlasts this.
  const bool ended = s.rounded.wait_for(lock, kLastWords + 5 * kRound, [&] { return s.ended; });
  lock.unlock();
  if (ended)
    s.thread.join();
  else
    s.thread.detach();
}

LogWriter::Shard& LogWriter::shard() {
  struct Cached {
    std::uint64_t writer = 0;
    Shard* shard = nullptr;
  };
  static thread_local constinit Cached cached;
  State& s = *state_;
  if (cached.writer == s.id) return *cached.shard;
  const std::scoped_lock lock(s.mutex);
  std::unique_ptr<Shard>& own = s.shards[std::this_thread::get_id()];
  if (own == nullptr) own = std::make_unique<Shard>();
  cached = {s.id, own.get()};
  return *own;
}

bool LogWriter::make_room(Buffer& buffer, std::size_t wanted) {
  constexpr std::size_t kFirst = 16 * 1024;
  const std::size_t capacity =
      std::min(kBufferBytesMax, std::max({kFirst, buffer.capacity * 2, buffer.size + wanted}));
  if (capacity - buffer.size < wanted) return false;
  auto bytes = std::make_unique_for_overwrite<char[]>(capacity);
  std::copy_n(buffer.bytes.get(), buffer.size, bytes.get());
  buffer.bytes = std::move(bytes);
  buffer.capacity = capacity;
  return true;
}

void LogWriter::wake() noexcept {
  const std::scoped_lock lock(state_->mutex);
  state_->round_wanted = true;
  state_->wake.notify_one();
}

Result<void> LogWriter::reopen() {
  State& s = *state_;
  if (s.path.empty()) return {};
  const int fd = open_log_file(s.path);
  if (fd < 0) return fail(Errc::kIo, errno);
  const std::scoped_lock lock(s.mutex);
  if (s.reopened_fd >= 0) ::close(s.reopened_fd);
  s.reopened_fd = fd;
  s.round_wanted = true;
  s.wake.notify_one();
  return {};
}

Result<LogWriter::File> LogWriter::File::open(std::string path) {
  File file;
  file.fd_ = open_log_file(path);
  if (file.fd_ < 0) return fail(Errc::kIo, errno);
  file.path_ = std::move(path);
  return file;
}

LogWriter::File& LogWriter::File::operator=(File&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  return *this;
}

LogWriter::File::~File() {
  if (fd_ >= 0) ::close(fd_);
}

void LogWriter::use(File file) {
  State& s = *state_;
  const std::scoped_lock lock(s.mutex);
  s.path = std::move(file.path_);
  s.terminal[1] = file.fd_ >= 0 && ::isatty(file.fd_) == 1;
  if (s.reopened_fd >= 0) ::close(s.reopened_fd);
  s.reopened_fd = std::exchange(file.fd_, -1);
  s.closing_file = s.reopened_fd < 0;
  s.round_wanted = true;
  s.wake.notify_one();
}

bool LogWriter::flush(std::chrono::milliseconds limit) {
  State& s = *state_;
  std::unique_lock lock(s.mutex);
  // A round that runs already may have passed the caller's shard.
  const std::uint64_t wanted = s.rounds_begun + 1;
  s.round_wanted = true;
  s.wake.notify_one();
  return s.rounded.wait_for(lock, limit, [&] { return s.last_whole_round >= wanted; });
}

void LogWriter::count_dropped() noexcept {
  state_->dropped.fetch_add(1, std::memory_order_relaxed);
}

std::uint64_t LogWriter::dropped() const noexcept {
  return state_->dropped.load(std::memory_order_relaxed);
}

bool LogWriter::is_terminal(Sink sink) const noexcept {
  return state_->terminal[static_cast<std::size_t>(sink)];
}

}  // namespace millrace::log
