#include "base/byte_buffer.hpp"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace millrace {
namespace {

constexpr std::size_t kLarge = ByteBuffer::kLargeBytes;

/// On a thread of its own: the lists are per thread.
template <class F>
void on_thread(F body) {
  std::thread(body).join();
}

void use(std::size_t blocks) {
  std::vector<char*> taken(blocks);
  for (char*& block : taken) {
    block = block_pool::allocate(kLarge);
    block[0] = block[kLarge - 1] = 'x';
  }
  for (char* block : taken) block_pool::deallocate(block, kLarge);
}

TEST(BlockPool, KeepsWhatWasUsedUpToALimit) {
  on_thread([] {
    constexpr std::size_t kMost = block_pool::kKeptLargeBytesMax / kLarge;
    use(kMost);
    EXPECT_EQ(block_pool::kept_large_bytes(), block_pool::kKeptLargeBytesMax);
    use(kMost + 1);
    EXPECT_EQ(block_pool::kept_large_bytes(), block_pool::kKeptLargeBytesMax);
  });
}

TEST(BlockPool, GivesBackWhatNobodyNeeds) {
  on_thread([] {
    use(512);
    const std::size_t most = block_pool::kept_large_bytes();
    EXPECT_EQ(most, 512 * kLarge);
    block_pool::trim();  // all of it was needed until now
    EXPECT_EQ(block_pool::kept_large_bytes(), most);
    use(412);
    block_pool::trim();  // of the hundred others, half
    EXPECT_EQ(block_pool::kept_large_bytes(), most - 50 * kLarge);
    for (int seconds = 0; seconds < 20; ++seconds) block_pool::trim();
    EXPECT_EQ(block_pool::kept_large_bytes(), block_pool::kKeptBytesMax);
  });
}

TEST(BlockPool, LetsAFewStay) {
  on_thread([] {
    use(block_pool::kKeptBytesMax / kLarge);
    for (int seconds = 0; seconds < 20; ++seconds) block_pool::trim();
    EXPECT_EQ(block_pool::kept_large_bytes(), block_pool::kKeptBytesMax);
    use(block_pool::kKeptBytesMax / kLarge + 1);
    for (int seconds = 0; seconds < 2; ++seconds) block_pool::trim();
    EXPECT_EQ(block_pool::kept_large_bytes(), block_pool::kKeptBytesMax);
  });
}

}  // namespace
}  // namespace millrace
