// Memory for coroutine frames: a per-thread free list per 32-byte size class.
//
// A frame is allocated and freed on the thread that runs it, so there are no locks. Each list keeps
// at most kKeptBytesMax; what is over goes back to the allocator. Sanitizer builds bypass the
// lists, so that a use after free stays visible.
#pragma once

#include <array>
#include <cstddef>
#include <new>
#include <utility>

namespace millrace::frame_pool {

inline constexpr std::size_t kGranuleBytes = 32;
/// Larger frames go straight to the allocator.
inline constexpr std::size_t kPooledFrameBytesMax = 4096;
/// Per thread and size class; enough for ~1000 concurrent requests without touching the allocator.
inline constexpr std::size_t kKeptBytesMax = 1024 * 1024;

namespace detail {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kPooled = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kPooled = false;
#else
inline constexpr bool kPooled = true;
#endif
#else
inline constexpr bool kPooled = true;
#endif

struct FreeFrame {
  FreeFrame* next;
};

struct SizeClass {
  FreeFrame* free = nullptr;
  std::size_t kept = 0;
};

struct Pool {
  std::array<SizeClass, kPooledFrameBytesMax / kGranuleBytes> classes{};
  ~Pool();
};

/// This thread's, once it has allocated, until it ends.
extern thread_local constinit Pool* t_pool;

constexpr std::size_t class_of(std::size_t size) {
  return (size - 1) / kGranuleBytes;
}
constexpr std::size_t class_bytes(std::size_t cls) {
  return (cls + 1) * kGranuleBytes;
}

[[nodiscard]] void* allocate_slowly(std::size_t size);

}  // namespace detail

/// Never null: throws std::bad_alloc.
[[nodiscard]] inline void* allocate(std::size_t size) {
  if (detail::kPooled && size <= kPooledFrameBytesMax && detail::t_pool != nullptr) [[likely]] {
    detail::SizeClass& c = detail::t_pool->classes[detail::class_of(size)];
    if (c.free != nullptr) [[likely]] {
      --c.kept;
      return std::exchange(c.free, c.free->next);
    }
  }
  return detail::allocate_slowly(size);
}

inline void deallocate(void* frame, std::size_t size) noexcept {
  if (!detail::kPooled || size > kPooledFrameBytesMax || detail::t_pool == nullptr) [[unlikely]]
    return ::operator delete(frame);
  const std::size_t cls = detail::class_of(size);
  detail::SizeClass& c = detail::t_pool->classes[cls];
  if (c.kept * detail::class_bytes(cls) >= kKeptBytesMax) [[unlikely]]
    return ::operator delete(frame);
  ++c.kept;
  c.free = ::new (frame) detail::FreeFrame{c.free};
}

}  // namespace millrace::frame_pool
