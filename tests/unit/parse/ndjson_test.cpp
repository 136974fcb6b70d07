#include "parse/ndjson.hpp"

#include "feed.hpp"
#include "json_texts.hpp"

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::parse {
namespace {

using Lines = std::vector<std::string>;

auto split(std::string_view text,
           const NdjsonSplitter::Limits& limits = NdjsonSplitter::kDefaults) {
  return give<std::string>(NdjsonSplitter(limits), text,
                           [](std::string_view line) { return std::string(line); });
}

TEST(Ndjson, GivesEachLine) {
  const auto given = split("{\"a\":1}\n[2]\r\n \"three\" \n4");
  EXPECT_FALSE(given.fault);
  EXPECT_EQ(given.items, (Lines{"{\"a\":1}", "[2]", " \"three\" ", "4"}));
}

TEST(Ndjson, SkipsLinesWithoutAnythingInThem) {
  const auto given = split("\n1\n\r\n \t \n\r\r\n2\n  ");
  EXPECT_FALSE(given.fault);
  EXPECT_EQ(given.items, (Lines{"1", "2"}));
}

TEST(Ndjson, SaysWhichLineIsBadAndWhy) {
  const auto given = split("{}\n\n{\"a\":tru}\n{}");
  EXPECT_EQ(given.items, Lines{"{}"});
  EXPECT_EQ(given.fault, (NdjsonFault{3, 8, "true, false or null was expected"}));
  EXPECT_EQ(split("1\n2 3\n").fault, (NdjsonFault{2, 2, "something follows the value"}));
  EXPECT_EQ(split("[1,\n2]").fault, (NdjsonFault{1, 3, "the text ends in the middle of a value"}));
  EXPECT_EQ(split("1\n[").fault, (NdjsonFault{2, 1, "the text ends in the middle of a value"}));
  EXPECT_EQ(split("\xef\xbb\xbf{}\n").fault,
            (NdjsonFault{1, 0, "a value was expected, and no byte order mark"}));
}

TEST(Ndjson, EachLineIsJudgedAlone) {
  // A line leaves nothing behind that the next one could be taken for the rest of.
  EXPECT_EQ(split("{\"a\":[1]}\n\"x\"\n-1\n\"\\ud83d\\ude00\"\n[[[]]]\n0").items.size(), 6U);
}

TEST(Ndjson, JudgesAsTheScannerDoes) {
  for (const std::string_view text : kGoodJson)
    if (!text.contains('\n')) EXPECT_EQ(split(text).items, Lines{std::string(text)}) << text;
  for (const std::string_view text : kBadJson)
    if (text.find_first_not_of(" \n") != text.npos) EXPECT_TRUE(split(text).fault) << text;
}

TEST(Ndjson, LimitsAreExact) {
  const NdjsonSplitter::Limits limits{8,
                                      {.depth_max = 2, .name_bytes_max = 1, .number_bytes_max = 3}};
  EXPECT_EQ(split("\"123456\"\r\n[[]]\n{\"a\":1}\n123\n", limits).items.size(), 4U);
  EXPECT_EQ(split("1\n\"1234567\"\n", limits).fault, (NdjsonFault{2, 0, kLineTooLong}));
  EXPECT_EQ(split("[[[]]]\n", limits).fault, (NdjsonFault{1, 2, kJsonTooDeep}));
  EXPECT_EQ(split("{\"ab\":1}\n", limits).fault, (NdjsonFault{1, 3, kJsonNameTooLong}));
  EXPECT_EQ(split("1234\n", limits).fault, (NdjsonFault{1, 3, kJsonNumberTooLong}));
}

}  // namespace
}  // namespace millrace::parse
