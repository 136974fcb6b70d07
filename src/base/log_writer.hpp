// Takes log lines from many threads and writes them from one, so that a stalled pipe or a full disk
// never holds up or ends whoever logs.
//
// Each thread appends to a buffer of its own under a mutex that only the writer thread ever
// contends for; the writer collects every ~100 ms, or sooner when a buffer is half full. While a
// reader does not keep up its lines wait in these buffers, and the other sink goes on; a buffer
// over its limit drops lines and counts them. Lines of one thread keep their order; lines of
// different threads may be out of order by one round.
//
// Pipes, terminals and sockets are written only as far as poll(2) says they take, so that the
// writer can always be stopped in time.
//
// Thread rule: everything from any thread. Ownership: opens and closes its file; borrows stderr.
#pragma once

#include "base/error.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace millrace::log {

enum class Sink : std::uint8_t { kStderr, kFile };

class LogWriter {
 public:
  /// Held per thread and sink; about 4000 access lines.
  static constexpr std::size_t kBufferBytesMax = 1024 * 1024;
  static constexpr auto kRound = std::chrono::milliseconds(100);
  /// What is held at the end has so long to leave.
  static constexpr auto kLastWords = std::chrono::seconds(1);

  struct Options {
    int stderr_fd = 2;
    std::string file;  ///< empty: none
  };

  /// Opens the file for appending, creating it with mode 0640. Error: kIo.
  [[nodiscard]] static Result<std::unique_ptr<LogWriter>> open(const Options& options);
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;
  /// Waits for what is held, kLastWords at most.
  ~LogWriter();

  /// Appends what `write(char* at)` puts at `at`; it returns the bytes written, at most
  /// `bytes_max`, whole lines. Dropped when the buffer is full.
  template <class Write>
  void append(Sink sink, std::size_t bytes_max, Write&& write);

  /// Opens the file anew (after logrotate moved it). An old one that cannot be replaced stays.
  Result<void> reopen();

  /// A file that is open and not used yet.
  class File {
   public:
    /// For appending, created with mode 0640. Error: kIo.
    [[nodiscard]] static Result<File> open(std::string path);
    File() = default;
    File(File&& other) noexcept
        : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}
    File& operator=(File&& other) noexcept;
    ~File();

   private:
    friend LogWriter;
    std::string path_;
    int fd_ = -1;
  };
  /// Lines of Sink::kFile go to `file` from now on; nowhere when it was never opened.
  void use(File file);
  /// Waits until everything appended so far was written; false: not in time.
  bool flush(std::chrono::milliseconds limit);
  /// Lines lost so far.
  [[nodiscard]] std::uint64_t dropped() const noexcept;
  [[nodiscard]] bool is_terminal(Sink sink) const noexcept;

 private:
  struct Buffer {
    std::unique_ptr<char[]> bytes;
    std::size_t size = 0;
    std::size_t capacity = 0;
  };
  /// What one thread has to say, and to whom.
  struct Shard {
    std::mutex mutex;
    Buffer buffers[2];
  };
  struct Target;
  struct State;

  explicit LogWriter(std::shared_ptr<State> state);
  [[nodiscard]] Shard& shard();
  /// Room for `wanted` bytes; false: the buffer is at its limit.
  static bool make_room(Buffer& buffer, std::size_t wanted);
  void wake() noexcept;
  void count_dropped() noexcept;
  static void run(const std::shared_ptr<State>& state);

  /// Shared with the writer thread, which may outlive this when its descriptor is stuck.
  std::shared_ptr<State> state_;
};

template <class Write>
void LogWriter::append(Sink sink, std::size_t bytes_max, Write&& write) {
  Shard& own = shard();
  bool half_full = false;
  {
    const std::scoped_lock lock(own.mutex);
    Buffer& buffer = own.buffers[static_cast<std::size_t>(sink)];
    if (buffer.capacity - buffer.size < bytes_max && !make_room(buffer, bytes_max)) {
      count_dropped();
      return;
    }
    const std::size_t before = buffer.size;
    buffer.size += write(buffer.bytes.get() + buffer.size);
    half_full = before < kBufferBytesMax / 2 && buffer.size >= kBufferBytesMax / 2;
  }
  if (half_full) wake();
}

}  // namespace millrace::log
