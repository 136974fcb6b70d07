// The client's end of a connection whose server runs on the same io thread: sends exactly these
// bytes, cut as it likes, and says how the connection ended.
#pragma once

#include "net/stream.hpp"
#include "runtime/io_thread.hpp"
#include "support/tcp_pair.hpp"

#include <cstddef>
#include <string>
#include <string_view>

#include <sys/ioctl.h>

namespace millrace::test {

enum class Ending { kOpen, kClosed, kReset };

class WireClient {
 public:
  /// A server that says nothing for so long never will.
  static constexpr auto kPatience = std::chrono::seconds(20);

  explicit WireClient(const TcpPair& pair) : stream_(pair.client), server_fd_(pair.server) {}

  /// False: the server is gone.
  Task<bool> send(std::string_view bytes) {
    while (!bytes.empty()) {
      const net::IoResult r = stream_.write_some(bytes);
      if (r.done()) {
        bytes.remove_prefix(r.bytes);
      } else if (!r.would_block() || !co_await wait(Direction::kWrite)) {
        co_return false;
      }
    }
    co_return true;
  }

  /// One byte per segment, each read before the next is sent, where the server reads at all.
  Task<bool> send_bytewise(std::string_view bytes) {
    constexpr int kTurnsMax = 6;
    for (const char& byte : bytes) {
      if (!co_await send({&byte, 1})) co_return false;
      int unread = 1;
      for (int turn = 0; turn < kTurnsMax && unread > 0; ++turn) {
        (void)co_await next_turn();
        if (::ioctl(server_fd_, FIONREAD, &unread) != 0) break;
      }
    }
    co_return true;
  }

  /// Waits until `size` bytes are held in received(), or the connection ends.
  Task<bool> receive(std::size_t size) {
    while (received_.size() < size)
      if (!co_await receive_some()) co_return false;
    co_return true;
  }
  Task<bool> receive_until(std::string_view text) {
    while (received_.find(text) == std::string::npos)
      if (!co_await receive_some()) co_return false;
    co_return true;
  }
  /// Everything until the connection ends, and how it ended.
  Task<Ending> receive_all() {
    while (co_await receive_some()) continue;
    co_return ending_;
  }

  /// Lets the server have a turn of the event loop.
  static SleepUntil next_turn() { return sleep_for(Duration::zero()); }

  [[nodiscard]] std::string& received() noexcept { return received_; }
  [[nodiscard]] Ending ending() const noexcept { return ending_; }
  [[nodiscard]] net::Stream& stream() noexcept { return stream_; }
  void finish_sending() noexcept { stream_.shutdown_write(); }
  void close() noexcept { stream_.close(); }
  void reset() noexcept {
    stream_.reset_on_close();
    stream_.close();
  }

 private:
  Task<bool> receive_some() {
    if (ending_ != Ending::kOpen) co_return false;
    char block[16384];
    for (;;) {
      const net::IoResult r = stream_.read_some(block);
      if (r.done()) {
        received_.append(block, r.bytes);
        co_return true;
      }
      if (r.end()) ending_ = Ending::kClosed;
      if (r.error()) ending_ = Ending::kReset;
      if (!r.would_block() || !co_await wait(Direction::kRead)) co_return false;
    }
  }
  Task<bool> wait(Direction d) {
    stream_.set_deadline(d, kPatience, Errc::kDeadline);
    const auto ready = co_await stream_.wait(d);
    stream_.clear_deadline(d);
    co_return ready.has_value();
  }

  net::Stream stream_;
  const int server_fd_;
  std::string received_;
  Ending ending_ = Ending::kOpen;
};

}  // namespace millrace::test
