#include "runtime/frame_pool.hpp"

namespace millrace::frame_pool::detail {

thread_local constinit Pool* t_pool = nullptr;

namespace {

// Set once the owner below is gone: frames freed later (statics of the main thread) bypass the
// pool.
thread_local constinit bool t_pool_gone = false;

void make_pool() {
  static thread_local Pool owner;
  t_pool = &owner;
}

}  // namespace

Pool::~Pool() {
  t_pool = nullptr;
  t_pool_gone = true;
  for (SizeClass& c : classes) {
    while (c.free != nullptr) ::operator delete(std::exchange(c.free, c.free->next));
  }
}

void* allocate_slowly(std::size_t size) {
  if (!kPooled || size > kPooledFrameBytesMax) return ::operator new(size);
  if (t_pool == nullptr && !t_pool_gone) make_pool();
  // Also without a pool: the frame may end up in one.
  return ::operator new(class_bytes(class_of(size)));
}

}  // namespace millrace::frame_pool::detail
