#include "runtime/frame_pool.hpp"

#include <array>
#include <new>
#include <utility>

namespace millrace::frame_pool {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kPooled = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kPooled = false;
#else
constexpr bool kPooled = true;
#endif
#else
constexpr bool kPooled = true;
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

thread_local constinit Pool* t_pool = nullptr;
// Set once the owner below is gone: frames freed later (statics of the main thread) bypass the
// pool.
thread_local constinit bool t_pool_gone = false;

Pool::~Pool() {
  t_pool = nullptr;
  t_pool_gone = true;
  for (SizeClass& c : classes) {
    while (c.free != nullptr) ::operator delete(std::exchange(c.free, c.free->next));
  }
}

Pool* pool() {
  if (t_pool != nullptr || t_pool_gone) [[likely]]
    return t_pool;
  static thread_local Pool owner;
  t_pool = &owner;
  return t_pool;
}

constexpr std::size_t class_of(std::size_t size) {
  return (size - 1) / kGranuleBytes;
}
constexpr std::size_t class_bytes(std::size_t cls) {
  return (cls + 1) * kGranuleBytes;
}

}  // namespace

void* allocate(std::size_t size) {
  if (!kPooled || size > kPooledFrameBytesMax) return ::operator new(size);
  Pool* p = pool();
  if (p == nullptr) return ::operator new(size);
  const std::size_t cls = class_of(size);
  SizeClass& c = p->classes[cls];
  if (c.free == nullptr) return ::operator new(class_bytes(cls));
  --c.kept;
  return std::exchange(c.free, c.free->next);
}

void deallocate(void* frame, std::size_t size) noexcept {
  if (!kPooled || size > kPooledFrameBytesMax) return ::operator delete(frame);
  Pool* p = pool();
  if (p == nullptr) return ::operator delete(frame);
  const std::size_t cls = class_of(size);
  SizeClass& c = p->classes[cls];
  if (c.kept * class_bytes(cls) >= kKeptBytesMax) return ::operator delete(frame);
  ++c.kept;
  c.free = ::new (frame) FreeFrame{c.free};
}

}  // namespace millrace::frame_pool
