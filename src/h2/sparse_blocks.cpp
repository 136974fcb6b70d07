#include "h2/sparse_blocks.hpp"

#include <new>
#include <utility>
#include <vector>

#include <sys/mman.h>

namespace millrace::h2::sparse_blocks {
namespace {

constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kRegionBlocks = 64;
constexpr std::size_t kRegionBytes = kRegionBlocks * kBytesMax;
static_assert(kBytesMax % kPageBytes == 0);

struct FreeBlock {
  FreeBlock* next;
};

/// Regions stay mapped as long as the thread lives: their pages come and go.
struct Blocks {
  FreeBlock* free = nullptr;
  std::size_t kept = 0;
  std::vector<void*> regions;

  Blocks() = default;
  Blocks(const Blocks&) = delete;
  Blocks& operator=(const Blocks&) = delete;
  ~Blocks() {
    for (void* region : regions) ::munmap(region, kRegionBytes);
  }
  void push(void* block) noexcept { free = ::new (block) FreeBlock{free}; }
  void map_region();
};

void Blocks::map_region() {
  regions.reserve(regions.size() + 1);
  void* region = ::mmap(nullptr, kRegionBytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (region == MAP_FAILED) throw std::bad_alloc();
  ::madvise(region, kRegionBytes, MADV_NOHUGEPAGE);
  regions.push_back(region);
  // Linking touches the first page of each: the one that its user will touch anyway.
  for (std::size_t i = kRegionBlocks; i-- > 0;) push(static_cast<char*>(region) + i * kBytesMax);
}

Blocks& blocks() {
  static thread_local Blocks instance;
  return instance;
}

}  // namespace

void* allocate() {
  Blocks& b = blocks();
  if (b.free == nullptr) b.map_region();
  if (b.kept != 0) --b.kept;
  return std::exchange(b.free, b.free->next);
}

void deallocate(void* block) noexcept {
  Blocks& b = blocks();
  if (b.kept < kKeptMax)
    ++b.kept;
  else
    ::madvise(static_cast<char*>(block) + kPageBytes, kBytesMax - kPageBytes, MADV_DONTNEED);
  b.push(block);
}

}  // namespace millrace::h2::sparse_blocks
