#include "config/units.hpp"

#include "config/suggest.hpp"

#include <gtest/gtest.h>

namespace millrace::config {
namespace {

using std::chrono::milliseconds;

TEST(Size, ReadsEveryUnit) {
  EXPECT_EQ(parse_size("0"), 0);
  EXPECT_EQ(parse_size("17"), 17);
  EXPECT_EQ(parse_size("17B"), 17);
  EXPECT_EQ(parse_size("64KiB"), 65'536);
  EXPECT_EQ(parse_size("64 KiB"), 65'536);
  EXPECT_EQ(parse_size("10MB"), 10'000'000);
  EXPECT_EQ(parse_size("3MiB"), 3 << 20);
  EXPECT_EQ(parse_size("2GiB"), 2ULL << 30);
  EXPECT_EQ(parse_size("1TiB"), 1ULL << 40);
  EXPECT_EQ(parse_size("1KB"), 1'000);
  EXPECT_EQ(parse_size("1GB"), 1'000'000'000);
  EXPECT_EQ(parse_size("1TB"), 1'000'000'000'000);
}

TEST(Size, EndsAt63Bits) {
  EXPECT_EQ(parse_size("9223372036854775807"), INT64_MAX);
  EXPECT_FALSE(parse_size("9223372036854775808"));
  EXPECT_TRUE(parse_size("8388607TiB"));
  EXPECT_FALSE(parse_size("8388608TiB"));
  EXPECT_FALSE(parse_size("99999999999999999999"));
}

TEST(Size, RefusesEverythingElse) {
  for (const char* text :
       {"", " ", "KiB", "-1", "+1", "1.5MiB", "1kib", "1KIB", "64  KiB", "64KiB ", "0x10", "1e3"}) {
    EXPECT_FALSE(parse_size(text)) << text;
  }
}

TEST(Size, IsWrittenAsShortAsItIsExact) {
  EXPECT_EQ(format_size(0), "0");
  EXPECT_EQ(format_size(1), "1");
  EXPECT_EQ(format_size(1'024), "1KiB");
  EXPECT_EQ(format_size(1'025), "1025");
  EXPECT_EQ(format_size(10'000'000), "10MB");
  EXPECT_EQ(format_size(3ULL << 30), "3GiB");
  EXPECT_EQ(format_size(1'024'000), "1000KiB");
}

TEST(Duration, ReadsEveryUnit) {
  EXPECT_EQ(parse_duration("250ms"), milliseconds(250));
  EXPECT_EQ(parse_duration("5s"), milliseconds(5'000));
  EXPECT_EQ(parse_duration("2m"), milliseconds(120'000));
  EXPECT_EQ(parse_duration("24h"), milliseconds(86'400'000));
  EXPECT_EQ(parse_duration("0"), milliseconds(0));
  EXPECT_EQ(parse_duration("0s"), milliseconds(0));
  for (const char* text :
       {"", "5", "s", "-5s", "1.5s", "5S", "5sec", "1m30s", "9999999999999999h"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(Duration, WhatIsWrittenReadsBack) {
  for (const int ms :
       {0, 1, 250, 999, 1'000, 60'000, 75'000, 120'000, 300'000, 3'600'000, 86'400'000, 90'001}) {
    const std::string text = format_duration(milliseconds(ms));
    EXPECT_EQ(parse_duration(text), milliseconds(ms)) << text;
  }
  EXPECT_EQ(format_duration(milliseconds(60'000)), "60s");
  EXPECT_EQ(format_duration(milliseconds(300'000)), "5m");
}

TEST(Size, WhatIsWrittenReadsBack) {
  for (const std::uint64_t bytes : {0ULL, 1ULL, 999ULL, 1'000ULL, 1'024ULL, 65'536ULL,
                                    10'000'000ULL, 123'456'789ULL, 1ULL << 40}) {
    EXPECT_EQ(parse_size(format_size(bytes)), bytes);
  }
}

TEST(Quote, KeepsControlCharactersOffTheTerminal) {
  EXPECT_EQ(quote("a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(quote("\x1b[2J\n\t\x7f"), R"("\u001b[2J\n\t\u007f")");
  EXPECT_EQ(quote("ü"), "\"ü\"");
  EXPECT_EQ(quote_key("Content-Type"), "Content-Type");
  EXPECT_EQ(quote_key("a b"), "\"a b\"");
  EXPECT_EQ(quote_key(""), "\"\"");
}

TEST(Suggest, CountsEditsAndSwaps) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("thread", "threads"), 1U);
  EXPECT_EQ(edit_distance("idel", "idle"), 1U);
  EXPECT_EQ(edit_distance("LISTEN", "listen"), 0U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
}

TEST(Suggest, OffersOnlyWhatATypingMistakeExplains) {
  constexpr std::string_view kNames[] = {"listen", "threads", "to", "status"};
  EXPECT_EQ(nearest("lisetn", kNames), "listen");
  EXPECT_EQ(nearest("thread", kNames), "threads");
  EXPECT_EQ(nearest("xx", kNames), "");
  EXPECT_EQ(nearest("workers", kNames), "");
  EXPECT_EQ(nearest(std::string(65, 'x'), kNames), "");
  EXPECT_EQ(did_you_mean("statsu", kNames), ", did you mean \"status\"?");
  EXPECT_EQ(did_you_mean("nothing", kNames), "");
}

}  // namespace
}  // namespace millrace::config
