// A request's body, taken in before the upstream is asked: a worker of a Python service is not
// occupied while a client uploads slowly, and a request that failed can be sent again.
//
//   BufferedBody body(exchange, options);
//   if (body.is_wanted()) co_await body.take_in();
//   request.body = &body;
//
// Taken in are bodies with a Content-Length up to `bytes_max`, for at most `time_max`: what has not
// come by then is sent on as it comes, behind what has. So it is when the thread holds too much
// already. A body that came with its head stays where it lies; any other is copied once.
//
// With kSpill bodies of any length, chunked ones too, are taken in whole, however long that takes
// (server.body_rate_min still holds), and what is over kMemoryBytesMax goes into a file. What the
// file cannot take (no space left, its pool is busy) is sent on as it comes.
//
// Never taken in: bodies of gRPC, which talk while they come, and what belongs to an upgrade.
//
// Ownership: refers to the exchange, the allowances and the pool. Thread rule: one io thread.
#pragma once

#include "base/byte_buffer.hpp"
#include "millrace/body_source.hpp"
#include "proxy/byte_allowance.hpp"
#include "proxy/spill_file.hpp"
#include "runtime/deadline_wheel.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace millrace::proxy {

enum class Buffering : std::uint8_t { kOff, kMemory, kSpill };

struct BufferOptions {
  Buffering kind = Buffering::kOff;
  std::uint64_t bytes_max = std::uint64_t{1} << 20;  ///< for kMemory
  Duration time_max = std::chrono::seconds(10);      ///< for kMemory
  ByteAllowance* memory = nullptr;                   ///< of the thread; nullptr: no limit
  ByteAllowance* disk = nullptr;                     ///< of the thread; nullptr: no limit
  Offload* pool = nullptr;                           ///< for kSpill
  std::filesystem::path folder = "/tmp";             ///< for kSpill
};

class BufferedBody final : public BodySource {
 public:
  /// Of a body that is being spilled: so much is gathered in memory before it is written.
  static constexpr std::size_t kMemoryBytesMax = 256 * 1024;

  BufferedBody(Exchange& exchange, const BufferOptions& options) noexcept
      : exchange_(exchange), options_(options) {}
  ~BufferedBody() override;

  [[nodiscard]] bool is_wanted() const noexcept;
  /// Errors: those of Exchange::read_body. Fine too when not all could be taken in.
  [[nodiscard]] Task<Result<void>> take_in();

  /// All of it is here, and nothing in a file.
  [[nodiscard]] bool is_whole_in_memory() const noexcept { return complete_ && file_ == nullptr; }
  /// What is here of it, if is_whole_in_memory().
  [[nodiscard]] std::string copy() const;
  [[nodiscard]] std::uint64_t taken_bytes() const noexcept { return taken_bytes_; }

  // BodySource
  [[nodiscard]] http::BodyLength length() const noexcept override;
  [[nodiscard]] Task<Result<Bytes>> read() override;
  [[nodiscard]] const http::Fields* trailers() const noexcept override {
    return exchange_.request_trailers();
  }
  [[nodiscard]] bool rewind() noexcept override;

 private:
  [[nodiscard]] Task<Result<void>> collect();
  /// False: there is no more room; the piece is kept for read().
  [[nodiscard]] Task<Result<bool>> keep(Bytes piece);
  [[nodiscard]] bool copy(Bytes piece);
  [[nodiscard]] Task<Result<bool>> spill();
  [[nodiscard]] Task<Result<Bytes>> read_file();
  [[nodiscard]] bool is_all_here(std::uint64_t bytes) const noexcept;
  void release_blocks() noexcept;

  Exchange& exchange_;
  const BufferOptions& options_;

  // What is here, in this order; then comes what the exchange still has.
  std::unique_ptr<SpillFile> file_;  // nullptr: nothing was spilled
  std::vector<ByteBuffer> blocks_;
  Bytes last_;  // a piece as the exchange gave it, not copied

  std::uint64_t taken_bytes_ = 0;
  std::uint64_t memory_bytes_ = 0;  // booked
  std::uint64_t disk_bytes_ = 0;    // booked
  bool complete_ = false;

  // Where read() is.
  std::uint64_t file_at_ = 0;
  std::size_t block_at_ = 0;
  ByteBuffer from_file_;
  bool last_given_ = false;
  bool beyond_ = false;  // the exchange was asked for more
};

}  // namespace millrace::proxy
