#include "parse/lines.hpp"

#include "feed.hpp"

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::parse {
namespace {

using Lines = std::vector<std::string>;

auto split(std::string_view text, std::size_t line_bytes_max = 100) {
  return give<std::string>(LineSplitter(line_bytes_max), text,
                           [](std::string_view line) { return std::string(line); });
}

Lines lines_of(std::string_view text) {
  const auto given = split(text);
  EXPECT_FALSE(given.fault) << text;
  return given.items;
}

TEST(Lines, EndWithLfOrCrLf) {
  EXPECT_EQ(lines_of("one\ntwo\r\nthree\n"), (Lines{"one", "two", "three"}));
  EXPECT_EQ(lines_of("\n\r\n\n"), (Lines{"", "", ""}));
  EXPECT_EQ(lines_of(""), Lines{});
}

TEST(Lines, TheLastOneNeedsNoEnd) {
  EXPECT_EQ(lines_of("one\ntwo"), (Lines{"one", "two"}));
  EXPECT_EQ(lines_of("one"), Lines{"one"});
}

TEST(Lines, ACrWithoutItsLfIsText) {
  EXPECT_EQ(lines_of("a\rb\r\r\n\rc\nd\r"), (Lines{"a\rb\r", "\rc", "d\r"}));
  EXPECT_EQ(lines_of("\r"), Lines{"\r"});
}

TEST(Lines, AnyOtherByteIsText) {
  using namespace std::string_view_literals;
  EXPECT_EQ(lines_of("\0\xff\v\n\xe2\x80\xa8"sv),
            (Lines{std::string("\0\xff\v", 3), "\xe2\x80\xa8"}));
}

TEST(Lines, TheLimitIsExactAndCountsNoEnds) {
  for (const char* end : {"\n", "\r\n", ""}) {
    const auto under = split("a\n12345" + std::string(end), 5);
    EXPECT_FALSE(under.fault);
    EXPECT_EQ(under.items, (Lines{"a", "12345"}));
    const auto over = split("a\n123456" + std::string(end) + "\nb", 5);
    EXPECT_EQ(over.items, Lines{"a"});
    EXPECT_EQ(over.fault, (LineFault{2, kLineTooLong}));
  }
  EXPECT_EQ(split("12345\r", 5).fault, (LineFault{1, kLineTooLong})) << "a CR that is text";
  EXPECT_EQ(split("12345\r\r\n", 5).fault, (LineFault{1, kLineTooLong}));
  EXPECT_EQ(split("\n\n", 0).items, (Lines{"", ""}));
  EXPECT_EQ(split("a", 0).fault, (LineFault{1, kLineTooLong}));
}

TEST(Lines, OfOnePieceAreNotCopied) {
  const std::string_view text = "one\ntwo\r\nthr";
  LineSplitter lines;
  lines.feed(text);
  EXPECT_EQ((*lines.next())->data(), text.data());
  EXPECT_EQ(lines.line(), 1U);
  EXPECT_EQ((*lines.next())->data(), text.data() + 4);
  EXPECT_EQ(*lines.next(), std::nullopt);
  EXPECT_EQ(lines.line(), 2U);
  const std::string_view more = "ee\nfour\n";
  lines.feed(more);
  EXPECT_EQ(**lines.next(), "three");
  EXPECT_EQ((*lines.next())->data(), more.data() + 3);
  EXPECT_EQ(*lines.next(), std::nullopt);
  EXPECT_EQ(*lines.finish(), std::nullopt);
}

}  // namespace
}  // namespace millrace::parse
