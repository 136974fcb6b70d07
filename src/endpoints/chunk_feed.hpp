// Streams an input of any size through CPU work in constant memory: while a thread of the pool
// works on one chunk, the io thread fills the other.
//
// A pool that is full refuses the first chunk, and with it the request; a request that is under way
// waits instead, and with it its client. Thread rule: the exchange's io thread; `consume` runs on
// pool threads, one call at a time.
#pragma once

#include "endpoints/body_input.hpp"
#include "endpoints/timed_work.hpp"

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>

namespace millrace::endpoints {

class ChunkFeed {
 public:
  /// Large enough that handing a chunk over costs little beside the work on it, small enough to
  /// stay in a core's cache.
  static constexpr std::size_t kChunkBytes = 256 * 1024;

  using Consume = std::function<Result<void>(std::span<const std::byte>)>;

  ChunkFeed(Offload& offload, Consume consume, WorkTimes& times)
      : offload_(offload), consume_(std::move(consume)), times_(times) {}
  ChunkFeed(const ChunkFeed&) = delete;
  ChunkFeed& operator=(const ChunkFeed&) = delete;

  /// Returns when everything was consumed. Errors: those of the input, the pool and `consume`.
  [[nodiscard]] Task<Result<void>> run(BodyInput& input);

 private:
  struct Chunk {
    std::unique_ptr<std::byte[]> bytes;
    std::size_t size = 0;
  };

  /// False: the input has ended.
  [[nodiscard]] Task<Result<bool>> fill(BodyInput& input, Chunk& chunk);
  [[nodiscard]] Task<void> work(const Chunk& chunk);

  Offload& offload_;
  const Consume consume_;
  WorkTimes& times_;
  std::array<Chunk, 2> chunks_;
  Bytes pending_;  ///< of the last piece, what had no room
  Result<void> outcome_;
  bool admitted_ = false;
};

}  // namespace millrace::endpoints
