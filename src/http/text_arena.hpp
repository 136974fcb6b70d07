// Text that lives as long as its owner.
//
// Ownership: views handed out stay valid until clear() or destruction; moving the arena keeps them.
// Thread rule: one thread at a time.
#pragma once

#include <cstddef>
#include <cstring>
#include <initializer_list>
#include <new>
#include <string_view>
#include <utility>

namespace millrace::http {

/// Chunks are heap blocks, so moving the arena moves the pointers and no view dangles. A chunk of
/// ordinary size is kept by clear(), so that a reused arena stops allocating and hoards nothing.
class TextArena {
 public:
  TextArena() = default;
  TextArena(TextArena&& other) noexcept
      : newest_(std::exchange(other.newest_, nullptr)), used_(std::exchange(other.used_, 0)) {}
  TextArena& operator=(TextArena&& other) noexcept {
    std::swap(newest_, other.newest_);
    std::swap(used_, other.used_);
    return *this;
  }
  ~TextArena() {
    while (newest_ != nullptr) drop_newest();
  }

  /// A copy of `text` that lives as long as the arena.
  std::string_view copy(std::string_view text) {
    if (text.empty()) return {};
    char* to = reserve(text.size());
    std::memcpy(to, text.data(), text.size());
    return {to, text.size()};
  }

  /// All of `pieces`, one behind the other.
  std::string_view join(std::initializer_list<std::string_view> pieces) {
    std::size_t size = 0;
    for (const std::string_view piece : pieces) size += piece.size();
    char* const begin = reserve(size);
    char* to = begin;
    for (const std::string_view piece : pieces) {
      if (!piece.empty()) std::memcpy(to, piece.data(), piece.size());
      to += piece.size();
    }
    return {begin, size};
  }

  /// `size` uninitialised bytes.
  char* reserve(std::size_t size) {
    if (newest_ == nullptr || used_ + size > newest_->size) grow(size);
    char* at = newest_->bytes() + used_;
    used_ += size;
    return at;
  }

  void clear() noexcept {
    while (newest_ != nullptr && (newest_->older != nullptr || newest_->size != kChunkBytes))
      drop_newest();
    used_ = 0;
  }

 private:
  /// In front of its bytes.
  struct Chunk {
    Chunk* older;
    std::size_t size;
    [[nodiscard]] char* bytes() noexcept { return reinterpret_cast<char*>(this + 1); }
  };
  // A block of 1 KiB with its head: glibc has such at hand without a search, and larger ones not.
  static constexpr std::size_t kChunkBytes = 1024 - sizeof(Chunk);

  void grow(std::size_t size) {
    const std::size_t wanted = size > kChunkBytes ? size : kChunkBytes;
    newest_ = ::new (::operator new(sizeof(Chunk) + wanted)) Chunk{newest_, wanted};
    used_ = 0;
  }
  void drop_newest() noexcept { ::operator delete(std::exchange(newest_, newest_->older)); }

  Chunk* newest_ = nullptr;
  std::size_t used_ = 0;  // of the newest
};

}  // namespace millrace::http
