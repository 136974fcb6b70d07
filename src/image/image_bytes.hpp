// A growing block of bytes for encoded images: what the codecs write into and the endpoints send
// from.
//
// Unlike std::vector it neither zeroes what will be overwritten nor copies on growth (realloc moves
// large blocks by remapping pages), and reports want of memory by value: it is written to from
// callbacks of C libraries, which no exception may cross.
//
// Ownership: owns its block. Thread rule: one thread at a time.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>

namespace millrace::image {

class ImageBytes {
 public:
  ImageBytes() noexcept = default;
  ImageBytes(ImageBytes&& other) noexcept { swap(other); }
  ImageBytes& operator=(ImageBytes&& other) noexcept {
    ImageBytes moved(std::move(other));
    swap(moved);
    return *this;
  }
  ~ImageBytes() = default;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] std::byte* data() noexcept { return block_.get(); }
  [[nodiscard]] std::span<const std::byte> view() const noexcept { return {block_.get(), size_}; }

  /// Room for at least `more` bytes behind the end; grows geometrically. False: out of memory,
  /// unchanged.
  [[nodiscard]] bool make_room(std::size_t more) noexcept;
  /// Bytes written directly behind the end, within capacity.
  void commit(std::size_t written) noexcept { size_ += written; }
  void clear() noexcept { size_ = 0; }

  [[nodiscard]] bool append(std::span<const std::byte> bytes) noexcept {
    if (!make_room(bytes.size())) return false;
    if (!bytes.empty()) std::memcpy(block_.get() + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
    return true;
  }

 private:
  struct Free {
    void operator()(std::byte* p) const noexcept { std::free(p); }
  };

  void swap(ImageBytes& other) noexcept {
    block_.swap(other.block_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

  std::unique_ptr<std::byte, Free> block_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace millrace::image
