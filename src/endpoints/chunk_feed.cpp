#include "endpoints/chunk_feed.hpp"

#include <algorithm>
#include <cstring>

namespace millrace::endpoints {

Task<Result<void>> ChunkFeed::run(BodyInput& input) {
  TaskGroup worker;
  for (std::size_t turn = 0;; turn ^= 1) {
    Chunk& chunk = chunks_[turn];
    const TimePoint began = Clock::now();
    const Result<bool> more = co_await fill(input, chunk);
    times_.read += Clock::now() - began;
    co_await worker.join();
    if (!more) co_return fail(more.error());
    if (!outcome_) co_return outcome_;
    if (chunk.size > 0) worker.spawn(work(chunk));
    if (!*more) break;
  }
  co_await worker.join();
  co_return outcome_;
}

Task<Result<bool>> ChunkFeed::fill(BodyInput& input, Chunk& chunk) {
  if (chunk.bytes == nullptr)
    chunk.bytes = std::make_unique_for_overwrite<std::byte[]>(kChunkBytes);
  chunk.size = 0;
  while (chunk.size < kChunkBytes) {
    if (pending_.empty()) {
      const Result<Bytes> piece = co_await input.read();
      if (!piece) co_return fail(piece.error());
      if (piece->empty()) co_return false;
      pending_ = *piece;
    }
    const std::size_t n = std::min(pending_.size(), kChunkBytes - chunk.size);
    std::memcpy(chunk.bytes.get() + chunk.size, pending_.data(), n);
    chunk.size += n;
    pending_ = pending_.subspan(n);
  }
  co_return true;
}

Task<void> ChunkFeed::work(const Chunk& chunk) {
  constexpr auto kFullPause = std::chrono::milliseconds(10);
  for (;;) {
    outcome_ = co_await run_timed(
        offload_, kChunkBytes,
        [this, &chunk](const CancelToken&) { return consume_({chunk.bytes.get(), chunk.size}); },
        times_);
    const bool full = !outcome_ && outcome_.error().is(Errc::kOffloadFull);
    if (!full || !admitted_) break;
    if (const auto slept = co_await sleep_for(kFullPause); !slept) {
      outcome_ = slept;
      break;
    }
  }
  admitted_ = true;
}

}  // namespace millrace::endpoints
