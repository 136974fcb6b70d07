#include "http/ascii.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::http {
namespace {

TEST(Ascii, TokensAreMadeOfTchars) {
  // RFC 9110 section 5.6.2, written out.
  const std::string tchars =
      "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  for (int c = 0; c < 256; ++c) {
    const char byte = static_cast<char>(c);
    EXPECT_EQ(is(byte, kTchar), c != 0 && tchars.find(byte) != std::string::npos) << c;
  }
  EXPECT_TRUE(is_token("x-1"));
  EXPECT_FALSE(is_token(""));
  EXPECT_FALSE(is_token("a b"));
}

TEST(Ascii, ValueBytesAreVisibleOrSpaceOrTabOrHigh) {
  for (int c = 0; c < 256; ++c)
    EXPECT_EQ(is(static_cast<char>(c), kValueByte), c == '\t' || (c >= 0x20 && c != 0x7f)) << c;
}

TEST(Ascii, TargetBytesAreVisibleAsciiButFive) {
  const std::string refused = "#\"<>\\";
  for (int c = 0; c < 256; ++c) {
    const bool expected =
        c > 0x20 && c < 0x7f && refused.find(static_cast<char>(c)) == std::string::npos;
    EXPECT_EQ(is(static_cast<char>(c), kTargetByte), expected) << c;
  }
}

TEST(Ascii, ComparesWithoutCaseAndOnlyLettersFold) {
  EXPECT_TRUE(iequals("Content-Length", "cONTENT-lENGTH"));
  EXPECT_TRUE(iequals("", ""));
  EXPECT_FALSE(iequals("a", "ab"));
  EXPECT_FALSE(iequals("@", "`"));  // 0x40 and 0x60
  EXPECT_FALSE(iequals("[", "{"));
  EXPECT_FALSE(iequals("\r", "-"));
  EXPECT_TRUE(istarts_with("X-Forwarded-For", "x-forwarded-"));
  EXPECT_FALSE(istarts_with("X-", "x-forwarded-"));
}

TEST(Ascii, TrimsSpacesAndTabsOnly) {
  EXPECT_EQ(trim_ows(" \t a b\t "), "a b");
  EXPECT_EQ(trim_ows(" \t "), "");
  EXPECT_EQ(trim_ows("\va\r"), "\va\r");
}

TEST(Ascii, ParsesDecimalStrictly) {
  EXPECT_EQ(parse_decimal("0"), 0U);
  EXPECT_EQ(parse_decimal("007"), 7U);
  EXPECT_EQ(parse_decimal("18446744073709551615"), UINT64_MAX);
  for (const std::string_view bad : {"", "18446744073709551616", "99999999999999999999", "+5", "-0",
                                     "0x5", "5_0", "5 5", " 5", "5 ", "5,6", "1e3", "\xb2"})
    EXPECT_EQ(parse_decimal(bad), std::nullopt) << bad;
}

TEST(Ascii, ParsesHexStrictly) {
  EXPECT_EQ(parse_hex("0"), 0U);
  EXPECT_EQ(parse_hex("aF09"), 0xaf09U);
  EXPECT_EQ(parse_hex("ffffffffffffffff"), UINT64_MAX);
  EXPECT_EQ(parse_hex("00000000000000000001"), 1U);
  for (const std::string_view bad :
       {"", "10000000000000000", "0x1", "+1", "-1", "g", "1 ", "1_0", "@"})
    EXPECT_EQ(parse_hex(bad), std::nullopt) << bad;
}

TEST(Ascii, HexDigitsAreExactlyTwentyTwo) {
  int digits = 0;
  for (int c = 0; c < 256; ++c) {
    EXPECT_EQ(hex_digit(static_cast<char>(c)) >= 0, is(static_cast<char>(c), kHex)) << c;
    digits += is(static_cast<char>(c), kHex) ? 1 : 0;
  }
  EXPECT_EQ(digits, 22);
}

TEST(Ascii, VisitsTrimmedElementsAndStops) {
  std::vector<std::string> seen;
  const auto collect = [&seen](std::string_view element) {
    seen.emplace_back(element);
    return element != "stop";
  };
  for_each_element(" a ,, b\t,\t,c d,", collect);
  EXPECT_EQ(seen, (std::vector<std::string>{"a", "b", "c d"}));
  seen.clear();
  for_each_element("a,stop,b", collect);
  EXPECT_EQ(seen, (std::vector<std::string>{"a", "stop"}));
}

}  // namespace
}  // namespace millrace::http
