// Text that lives as long as its owner.
//
// Ownership: views handed out stay valid until clear() or destruction; moving the arena keeps them.
// Thread rule: one thread at a time.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace millrace::http {

/// Chunks are heap blocks, so moving the arena moves the pointers and no view dangles. A first
/// chunk of ordinary size is kept by clear(), so that a reused arena stops allocating and hoards
/// nothing.
class TextArena {
 public:
  /// A copy of `text` that lives as long as the arena.
  std::string_view copy(std::string_view text) {
    if (text.empty()) return {};
    char* to = reserve(text.size());
    std::memcpy(to, text.data(), text.size());
    return {to, text.size()};
  }

  /// `size` uninitialised bytes.
  char* reserve(std::size_t size) {
    if (chunks_.empty() || used_ + size > chunks_.back().size) grow(size);
    char* at = chunks_.back().bytes.get() + used_;
    used_ += size;
    return at;
  }

  void clear() noexcept {
    if (!chunks_.empty()) chunks_.resize(chunks_.front().size == kChunkBytes ? 1 : 0);
    used_ = 0;
  }

 private:
  static constexpr std::size_t kChunkBytes = 1024;
  struct Chunk {
    std::unique_ptr<char[]> bytes;
    std::size_t size = 0;
  };

  void grow(std::size_t size) {
    const std::size_t wanted = size > kChunkBytes ? size : kChunkBytes;
    chunks_.push_back({std::make_unique_for_overwrite<char[]>(wanted), wanted});
    used_ = 0;
  }

  std::vector<Chunk> chunks_;
  std::size_t used_ = 0;
};

}  // namespace millrace::http
