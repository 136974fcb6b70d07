#include "base/byte_buffer.hpp"

#include <algorithm>
#include <array>
#include <new>

namespace millrace {
namespace block_pool {
namespace {

struct FreeBlock {
  FreeBlock* next;
};

struct List {
  std::size_t block_bytes;
  FreeBlock* free = nullptr;
  std::size_t kept_bytes = 0;
};

struct Lists {
  std::array<List, 3> all{
      {{ByteBuffer::kSmallBytes}, {ByteBuffer::kMediumBytes}, {ByteBuffer::kLargeBytes}}};
  bool alive = true;

  List* of(std::size_t size) {
    if (!alive) return nullptr;
    for (List& list : all)
      if (list.block_bytes == size) return &list;
    return nullptr;
  }
  ~Lists() {
    alive = false;
    for (List& list : all)
      while (list.free != nullptr) ::operator delete(std::exchange(list.free, list.free->next));
  }
};

thread_local Lists t_lists;

}  // namespace

char* allocate(std::size_t size) {
  List* list = t_lists.of(size);
  if (list == nullptr || list->free == nullptr) return static_cast<char*>(::operator new(size));
  list->kept_bytes -= size;
  return reinterpret_cast<char*>(std::exchange(list->free, list->free->next));
}

void deallocate(char* block, std::size_t size) noexcept {
  List* list = t_lists.of(size);
  if (list == nullptr || list->kept_bytes + size > kKeptBytesMax) return ::operator delete(block);
  list->kept_bytes += size;
  list->free = ::new (block) FreeBlock{list->free};
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
