#include "base/byte_buffer.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include <sys/mman.h>

namespace millrace {
namespace block_pool {
namespace {

struct FreeBlock {
  FreeBlock* next;
};

char* new_block(std::size_t size) {
  if (size != ByteBuffer::kLargeBytes) return static_cast<char*>(::operator new(size));
  void* const block =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (block == MAP_FAILED) throw std::bad_alloc();
  return static_cast<char*>(block);
}

void delete_block(void* block, std::size_t size) noexcept {
  if (size == ByteBuffer::kLargeBytes)
    ::munmap(block, size);
  else
    ::operator delete(block);
}

struct List {
  std::size_t block_bytes;
  std::size_t kept_bytes_max = kKeptBytesMax;
  FreeBlock* free = nullptr;
  std::size_t kept_bytes = 0;
  std::size_t unused_bytes = 0;  // that many were kept all the time since the last trim

  char* take() noexcept {
    kept_bytes -= block_bytes;
    unused_bytes = std::min(unused_bytes, kept_bytes);
    return reinterpret_cast<char*>(std::exchange(free, free->next));
  }
  void drop_one() noexcept { delete_block(take(), block_bytes); }
};

struct Lists {
  List small{.block_bytes = ByteBuffer::kSmallBytes};
  List medium{.block_bytes = ByteBuffer::kMediumBytes};
  List large{.block_bytes = ByteBuffer::kLargeBytes, .kept_bytes_max = kKeptLargeBytesMax};
  bool alive = true;

  List* of(std::size_t size) {
    if (!alive) return nullptr;
    for (List* list : {&small, &medium, &large})
      if (list->block_bytes == size) return list;
    return nullptr;
  }
  ~Lists() {
    alive = false;
    for (List* list : {&small, &medium, &large})
      while (list->free != nullptr) list->drop_one();
  }
};

thread_local Lists t_lists;

}  // namespace

char* allocate(std::size_t size) {
  List* list = t_lists.of(size);
  return list == nullptr || list->free == nullptr ? new_block(size) : list->take();
}

void deallocate(char* block, std::size_t size) noexcept {
  List* list = t_lists.of(size);
  if (list == nullptr || list->kept_bytes + size > list->kept_bytes_max)
    return delete_block(block, size);
  list->kept_bytes += size;
  list->free = ::new (block) FreeBlock{list->free};
}

void trim() noexcept {
  List& large = t_lists.large;
  const std::size_t spare = large.kept_bytes > kKeptBytesMax ? large.kept_bytes - kKeptBytesMax : 0;
  std::size_t going = std::min(spare, large.unused_bytes / 2 + large.block_bytes / 2);
  for (; going >= large.block_bytes; going -= large.block_bytes) large.drop_one();
  large.unused_bytes = large.kept_bytes;
}

std::size_t kept_large_bytes() noexcept {
  return t_lists.large.kept_bytes;
}

}  // namespace block_pool

void ByteBuffer::make_room(std::size_t wanted, std::size_t block_bytes) {
  const std::size_t held = size();
  if (capacity_ - held >= wanted && begin_ >= capacity_ / 2) {
    std::memmove(block_, block_ + begin_, held);
    begin_ = 0;
    end_ = held;
    return;
  }
  std::size_t grown = std::max(capacity_ * 2, block_bytes);
  while (grown - held < wanted) grown *= 2;
  if (capacity_ - held >= wanted) grown = capacity_;
  char* block = block_pool::allocate(grown);
  if (held != 0) std::memcpy(block, block_ + begin_, held);
  if (block_ != nullptr) block_pool::deallocate(block_, capacity_);
  block_ = block;
  capacity_ = grown;
  begin_ = 0;
  end_ = held;
}

}  // namespace millrace
