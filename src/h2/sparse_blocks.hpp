// Large blocks of which mostly the beginning is used: pages that were never touched are not there.
//
// nghttp2 keeps a frame buffer of 16 KiB per session and rarely writes more than a hundred bytes to
// it. From the heap such a block is made of memory that others have used, and counts in full.
//
// Thread rule: per thread; a block goes back on the thread that took it.
#pragma once

#include <cstddef>

namespace millrace::h2::sparse_blocks {

/// Sizes from here to the second are taken from pages of their own; others are for the heap.
inline constexpr std::size_t kBytesMin = 8 * 1024;
inline constexpr std::size_t kBytesMax = 20 * 1024;
/// Free blocks whose pages are kept; those over that give theirs back to the system.
inline constexpr std::size_t kKeptMax = 64;

[[nodiscard]] constexpr bool takes(std::size_t size) noexcept {
  return size >= kBytesMin && size <= kBytesMax;
}
/// Never null: throws std::bad_alloc. Aligned to a page.
[[nodiscard]] void* allocate();
void deallocate(void* block) noexcept;

}  // namespace millrace::h2::sparse_blocks
