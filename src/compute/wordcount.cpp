#include "compute/wordcount.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace millrace::compute {

void WordCounter::update(std::span<const std::byte> bytes) noexcept {
  bytes_ += bytes.size();
  bytes = fill_held(bytes);
  if (bytes.empty()) return;
  const std::size_t used = scanner_->count(bytes.data(), bytes.size(), totals_);
  held_size_ = bytes.size() - used;
  std::memcpy(held_.data(), bytes.data() + used, held_size_);
}

// Completes the held bytes to blocks until a block begins in `bytes`; what is left of `bytes` then.
std::span<const std::byte> WordCounter::fill_held(std::span<const std::byte> bytes) noexcept {
  while (held_size_ > 0) {
    const std::size_t before = held_size_;
    const std::size_t taken = std::min(kTextBlock - before, bytes.size());
    if (taken > 0) std::memcpy(held_.data() + before, bytes.data(), taken);
    held_size_ += taken;
    if (held_size_ < kTextBlock) return {};
    const std::size_t used = scanner_->count(held_.data(), kTextBlock, totals_);
    // The few bytes of a character that the block cut off lie in `bytes` too, when enough was
    // taken.
    if (used >= before) {
      held_size_ = 0;
      return bytes.subspan(used - before);
    }
    held_size_ = kTextBlock - used;
    std::memmove(held_.data(), held_.data() + used, held_size_);
    bytes = bytes.subspan(taken);
  }
  return bytes;
}

Counts WordCounter::finish() const noexcept {
  TextTotals totals = totals_;
  if (held_size_ > 0) {
    // Zeros are neutral characters; a sequence that they cut off is what it is at the end: invalid.
    std::array<std::byte, 2 * kTextBlock> padded{};
    std::memcpy(padded.data(), held_.data(), held_size_);
    const std::size_t used = scanner_->count(padded.data(), padded.size(), totals);
    totals.characters -= used - held_size_;
  }
  return {bytes_, totals.lines, totals.words, totals.characters};
}

}  // namespace millrace::compute
