#include "h2/nghttp2.hpp"

#include "h2/sparse_blocks.hpp"
#include "runtime/frame_pool.hpp"

#include <algorithm>
#include <cstring>
#include <new>

namespace millrace::h2 {
namespace {

// The pool wants to know a block's size when it comes back; nghttp2 does not say it.
constexpr std::size_t kHeaderBytes = 16;

std::size_t& size_of(void* block) noexcept {
  return *reinterpret_cast<std::size_t*>(static_cast<char*>(block) - kHeaderBytes);
}

void* allocate(std::size_t size, void*) noexcept {
  try {
    const std::size_t whole = size + kHeaderBytes;
    void* taken =
        sparse_blocks::takes(whole) ? sparse_blocks::allocate() : frame_pool::allocate(whole);
    char* block = static_cast<char*>(taken) + kHeaderBytes;
    size_of(block) = size;
    return block;
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void deallocate(void* block, void*) noexcept {
  if (block == nullptr) return;
  const std::size_t whole = size_of(block) + kHeaderBytes;
  void* taken = static_cast<char*>(block) - kHeaderBytes;
  if (sparse_blocks::takes(whole)) return sparse_blocks::deallocate(taken);
  frame_pool::deallocate(taken, whole);
}

void* allocate_zeroed(std::size_t count, std::size_t size, void*) noexcept {
  if (size != 0 && count > SIZE_MAX / size) return nullptr;
  void* block = allocate(count * size, nullptr);
  if (block != nullptr) std::memset(block, 0, count * size);
  return block;
}

void* reallocate(void* block, std::size_t size, void*) noexcept {
  void* other = allocate(size, nullptr);
  if (other == nullptr || block == nullptr) return other;
  std::memcpy(other, block, std::min(size, size_of(block)));
  deallocate(block, nullptr);
  return other;
}

}  // namespace

nghttp2_mem* pooled_memory() noexcept {
  static constinit nghttp2_mem memory{nullptr, allocate, deallocate, allocate_zeroed, reallocate};
  return &memory;
}

}  // namespace millrace::h2
