// Bytes that are kept until they are written: a list of blocks, so that growing copies nothing and
// writing gives memory back as it goes.
//
// Ownership: owns its blocks. Thread rule: one thread.
#pragma once

#include "base/byte_buffer.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <string_view>

namespace millrace::endpoints {

class BlockList {
 public:
  void append(std::string_view bytes) {
    while (!bytes.empty()) {
      if (blocks_.empty() || blocks_.back().room() == 0)
        blocks_.emplace_back().prepare(1, next_block_bytes());
      const std::size_t n = std::min(bytes.size(), blocks_.back().room());
      blocks_.back().append(bytes.substr(0, n));
      bytes_ += n;
      bytes.remove_prefix(n);
    }
  }

  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] bool empty() const noexcept { return blocks_.empty(); }
  /// What was appended first. Not when empty().
  [[nodiscard]] std::string_view front() const noexcept { return blocks_.front().view(); }
  void pop_front() noexcept {
    bytes_ -= blocks_.front().size();
    blocks_.pop_front();
  }
  void clear() noexcept {
    blocks_.clear();
    bytes_ = 0;
  }

 private:
  // Small bodies in small blocks, and never more than about as much again unused.
  [[nodiscard]] std::size_t next_block_bytes() const noexcept {
    if (bytes_ < ByteBuffer::kMediumBytes) return ByteBuffer::kSmallBytes;
    if (bytes_ < ByteBuffer::kLargeBytes) return ByteBuffer::kMediumBytes;
    return ByteBuffer::kLargeBytes;
  }

  std::deque<ByteBuffer> blocks_;
  std::uint64_t bytes_ = 0;
};

}  // namespace millrace::endpoints
