#include "http/priority.hpp"

#include <gtest/gtest.h>

namespace millrace::http {
namespace {

Priority read(std::initializer_list<std::string_view> values) {
  Priority priority;
  for (const std::string_view value : values) read_priority(value, priority);
  return priority;
}

TEST(Priority, DefaultsAreThoseOfTheRfc) {
  const Priority none = read({});
  EXPECT_EQ(none.urgency, 3);
  EXPECT_FALSE(none.incremental);
  EXPECT_FALSE(none.said);
}

TEST(Priority, MembersAreRead) {
  EXPECT_EQ(read({"u=0"}), (Priority{.urgency = 0, .said = true}));
  EXPECT_EQ(read({"u=7, i"}), (Priority{.urgency = 7, .incremental = true, .said = true}));
  EXPECT_EQ(read({"i,u=1"}), (Priority{.urgency = 1, .incremental = true, .said = true}));
  EXPECT_EQ(read({"i=?1"}), (Priority{.incremental = true, .said = true}));
  EXPECT_EQ(read({"u=2;x=1 , i;y"}), (Priority{.urgency = 2, .incremental = true, .said = true}));
}

TEST(Priority, TheLastWordCounts) {
  EXPECT_EQ(read({"u=1,u=5"}).urgency, 5);
  EXPECT_EQ(read({"u=1, i", "u=6"}), (Priority{.urgency = 6, .incremental = true, .said = true}));
  EXPECT_FALSE(read({"i, i=?0"}).incremental);
}

TEST(Priority, WhatMakesNoSenseIsPassedOver) {
  for (const std::string_view value : {"", ",", "u", "u=", "u=8", "u=-1", "u=10", "U=1", "u = 1",
                                       "I", "i=1", "i=?2", "urgency=1", "\xff"})
    EXPECT_EQ(read({value}), Priority{}) << value;
  EXPECT_EQ(read({"u=9, x=\"a\", i"}), (Priority{.incremental = true, .said = true}));
}

}  // namespace
}  // namespace millrace::http
