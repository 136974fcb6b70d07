// Counts the heap allocations of each thread by taking the place of malloc and its kin: operator
// new ends there, and so do Asio's aligned blocks. Include it in one file of an executable.
//
// Not with sanitizers, which do the same: kCountsAllocations is false then.
#pragma once

#include <cstddef>
#include <cstdlib>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define MILLRACE_TEST_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MILLRACE_TEST_SANITIZED 1
#endif

namespace millrace::test {
inline thread_local constinit std::size_t t_allocations = 0;
/// Of the calling thread, so far.
inline std::size_t allocations() noexcept {
  return t_allocations;
}

#if defined(__GLIBC__) && !defined(MILLRACE_TEST_SANITIZED)
inline constexpr bool kCountsAllocations = true;
#else
inline constexpr bool kCountsAllocations = false;
#endif
}  // namespace millrace::test

#if defined(__GLIBC__) && !defined(MILLRACE_TEST_SANITIZED)
extern "C" {
// NOLINTBEGIN: the names are glibc's
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* block, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) {
  ++millrace::test::t_allocations;
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  ++millrace::test::t_allocations;
  return __libc_calloc(count, size);
}
void* realloc(void* block, std::size_t size) {
  ++millrace::test::t_allocations;
  return __libc_realloc(block, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  ++millrace::test::t_allocations;
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** block, std::size_t alignment, std::size_t size) {
  ++millrace::test::t_allocations;
  *block = __libc_memalign(alignment, size);
  return *block == nullptr ? 12 : 0;  // ENOMEM
}
// NOLINTEND
}
#endif
