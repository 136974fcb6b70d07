// Memory for coroutine frames: a per-thread free list per 64-byte size class.
//
// A frame is allocated and freed on the thread that runs it, so there are no locks. Each list keeps
// at most kKeptBytesMax; what is over goes back to the allocator. Sanitizer builds bypass the
// lists, so that a use after free stays visible.
#pragma once

#include <cstddef>

namespace millrace::frame_pool {

inline constexpr std::size_t kGranuleBytes = 64;
/// Larger frames go straight to the allocator.
inline constexpr std::size_t kPooledFrameBytesMax = 4096;
/// Per thread and size class; enough for ~1000 concurrent requests without touching the allocator.
inline constexpr std::size_t kKeptBytesMax = 1024 * 1024;

/// Never null: throws std::bad_alloc.
[[nodiscard]] void* allocate(std::size_t size);
void deallocate(void* frame, std::size_t size) noexcept;

}  // namespace millrace::frame_pool
