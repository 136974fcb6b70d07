#include "net/dial_memory.hpp"

#include <gtest/gtest.h>

namespace millrace::net {
namespace {

using std::chrono::minutes;
using std::chrono::nanoseconds;

constexpr TimePoint kStart{std::chrono::hours(1)};

SocketAddress at(const char* text) {
  return *SocketAddress::parse(text);
}
const SocketAddress kSix1 = at("[2001:db8::1]:80"), kSix2 = at("[2001:db8::2]:80");
const SocketAddress kFour1 = at("192.0.2.1:80"), kFour2 = at("192.0.2.2:80");
const std::vector<SocketAddress> kAll{kSix1, kFour1, kSix2, kFour2};

std::vector<SocketAddress> ordered(DialMemory& memory, std::vector<SocketAddress> list,
                                   TimePoint now = kStart) {
  memory.order(list, now);
  return list;
}

TEST(DialMemory, KnowingNothingKeepsTheOrder) {
  DialMemory memory;
  EXPECT_EQ(ordered(memory, kAll), kAll);
  memory.won(at("192.0.2.9:80"), kStart);
  memory.failed(at("192.0.2.1:81"), kStart);
  EXPECT_EQ(ordered(memory, kAll), kAll);
  EXPECT_EQ(ordered(memory, {}), std::vector<SocketAddress>{});
}

TEST(DialMemory, BeginsWithTheWinnerAndEndsWithTheFailed) {
  DialMemory memory;
  memory.won(kSix2, kStart);
  EXPECT_EQ(ordered(memory, kAll), (std::vector{kSix2, kSix1, kFour1, kFour2}));
  memory.failed(kSix1, kStart);
  EXPECT_EQ(ordered(memory, kAll), (std::vector{kSix2, kFour1, kFour2, kSix1}));
}

TEST(DialMemory, AFamilyThatFailedWhileTheOtherWonWaits) {
  DialMemory memory;
  memory.failed(kSix1, kStart);
  EXPECT_EQ(ordered(memory, kAll), (std::vector{kFour1, kSix2, kFour2, kSix1}));
  memory.won(kFour1, kStart);
  EXPECT_EQ(ordered(memory, kAll), (std::vector{kFour1, kFour2, kSix2, kSix1}));
  memory.won(kSix2, kStart);
  EXPECT_EQ(ordered(memory, kAll), (std::vector{kFour1, kSix2, kFour2, kSix1}));
}

TEST(DialMemory, TheLatestOutcomeCounts) {
  DialMemory memory;
  memory.won(kFour1, kStart);
  memory.failed(kFour1, kStart);
  EXPECT_EQ(ordered(memory, {kFour1, kFour2}), (std::vector{kFour2, kFour1}));
  memory.won(kFour1, kStart);
  EXPECT_EQ(ordered(memory, {kFour2, kFour1}), (std::vector{kFour1, kFour2}));
  EXPECT_EQ(memory.size(), 1U);
}

TEST(DialMemory, ForgetsAfterTenMinutes) {
  DialMemory memory;
  memory.won(kFour1, kStart);
  EXPECT_EQ(ordered(memory, kAll, kStart + minutes(10) - nanoseconds(1)).front(), kFour1);
  EXPECT_EQ(ordered(memory, kAll, kStart + minutes(10)), kAll);
  EXPECT_EQ(memory.size(), 0U);
}

TEST(DialMemory, TheOldestMakesRoom) {
  DialMemory memory({.entries_max = 2});
  memory.won(kSix2, kStart);
  memory.won(kFour2, kStart);
  EXPECT_EQ(memory.size(), 2U);
  memory.won(kSix2, kStart);
  memory.won(kFour1, kStart);
  EXPECT_EQ(memory.size(), 2U);
  EXPECT_EQ(ordered(memory, kAll), (std::vector{kFour1, kSix2, kSix1, kFour2}));
}

}  // namespace
}  // namespace millrace::net
