// A contiguous byte queue with borrowed memory: write at the end, read at the front.
//
// Memory comes from per-thread lists of blocks and goes back with release(), so that an idle
// connection holds none. Growing moves the bytes: views into the buffer end with the next
// prepare().
//
// Ownership: owns its block. Thread rule: one thread; the block returns to the list of the thread
// that frees it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

namespace millrace {

namespace block_pool {
/// Sizes that are kept for reuse: 4, 16 and 64 KiB. Others come from the allocator. Those of 64 KiB
/// are the kernel's own mappings: of what an hour of large bodies took, the allocator's heap would
/// never give anything back.
[[nodiscard]] char* allocate(std::size_t size);
void deallocate(char* block, std::size_t size) noexcept;
/// At most so many bytes are kept per thread and size; of 64 KiB kKeptLargeBytesMax.
inline constexpr std::size_t kKeptBytesMax = 4 * 1024 * 1024;
inline constexpr std::size_t kKeptLargeBytesMax = 64 * 1024 * 1024;
/// Gives this thread's 64 KiB blocks back that nobody has needed since the last call, half of them
/// at a time; kKeptBytesMax may stay. Called every kTrimInterval.
void trim() noexcept;
inline constexpr std::chrono::seconds kTrimInterval{1};
/// Bytes of 64 KiB blocks that this thread keeps.
[[nodiscard]] std::size_t kept_large_bytes() noexcept;
}  // namespace block_pool

class ByteBuffer {
 public:
  static constexpr std::size_t kSmallBytes = 4 * 1024;
  static constexpr std::size_t kMediumBytes = 16 * 1024;
  static constexpr std::size_t kLargeBytes = 64 * 1024;

  ByteBuffer() = default;
  ByteBuffer(ByteBuffer&& other) noexcept
      : block_(std::exchange(other.block_, nullptr)),
        capacity_(std::exchange(other.capacity_, 0)),
        begin_(std::exchange(other.begin_, 0)),
        end_(std::exchange(other.end_, 0)) {}
  ByteBuffer& operator=(ByteBuffer&& other) noexcept {
    if (this == &other) return *this;
    release();
    block_ = std::exchange(other.block_, nullptr);
    capacity_ = std::exchange(other.capacity_, 0);
    begin_ = std::exchange(other.begin_, 0);
    end_ = std::exchange(other.end_, 0);
    return *this;
  }
  ~ByteBuffer() { release(); }

  [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
  [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_; }
  [[nodiscard]] const char* data() const noexcept { return block_ + begin_; }
  [[nodiscard]] std::string_view view() const noexcept { return {block_ + begin_, size()}; }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] std::size_t room() const noexcept { return capacity_ - end_; }

  /// At least `wanted` writable bytes at the end, of a block of at least `block_bytes`.
  std::span<char> prepare(std::size_t wanted, std::size_t block_bytes = kMediumBytes) {
    if (room() < wanted) make_room(wanted, block_bytes);
    return {block_ + end_, room()};
  }
  void commit(std::size_t n) noexcept { end_ += n; }
  void consume(std::size_t n) noexcept {
    begin_ += n;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  /// consume() that keeps the positions: views before and after stay where they are.
  void skip(std::size_t n) noexcept { begin_ += n; }
  void append(std::string_view text) {
    if (text.empty()) return;
    prepare(text.size());
    std::memcpy(block_ + end_, text.data(), text.size());
    end_ += text.size();
  }
  void clear() noexcept { begin_ = end_ = 0; }
  /// Gives the memory back; what was in it is gone.
  void release() noexcept {
    if (block_ != nullptr) block_pool::deallocate(block_, capacity_);
    block_ = nullptr;
    capacity_ = begin_ = end_ = 0;
  }

 private:
  void make_room(std::size_t wanted, std::size_t block_bytes);

  char* block_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace millrace
