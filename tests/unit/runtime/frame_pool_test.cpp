#include "runtime/frame_pool.hpp"

#include <cstdint>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(FramePool, LiveBlocksAreDistinctAlignedAndWritable) {
  std::set<void*> live;
  std::vector<std::pair<void*, std::size_t>> blocks;
  for (const std::size_t size : {1UL, 63UL, 64UL, 65UL, 4095UL, frame_pool::kPooledFrameBytesMax,
                                 frame_pool::kPooledFrameBytesMax + 1, 100'000UL}) {
    for (int i = 0; i < 3; ++i) {
      void* p = frame_pool::allocate(size);
      std::memset(p, 0x5a, size);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(p) % alignof(std::max_align_t), 0U);
      EXPECT_TRUE(live.insert(p).second);
      blocks.emplace_back(p, size);
    }
  }
  for (const auto& [p, size] : blocks) frame_pool::deallocate(p, size);
}

TEST(FramePool, FreesMoreThanItKeeps) {
  constexpr std::size_t kSize = 1024;
  std::vector<void*> blocks(2 * frame_pool::kKeptBytesMax / kSize);
  for (void*& p : blocks) p = frame_pool::allocate(kSize);
  for (void* p : blocks) frame_pool::deallocate(p, kSize);
}

TEST(FramePool, AFrameMayEndOnAnotherThreadAndAfterThePoolIsGone) {
  void* p = frame_pool::allocate(256);
  std::thread([p] {
    frame_pool::deallocate(p, 256);
    frame_pool::deallocate(frame_pool::allocate(256), 256);
  }).join();
}

}  // namespace
}  // namespace millrace
