#include "parse/utf8.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>

namespace millrace::parse {
namespace {

std::string written(char32_t code_point) {
  std::array<char, kUtf8BytesMax> bytes{};
  return {bytes.data(), write_utf8(code_point, bytes.data())};
}

std::string repaired(std::string_view text) {
  std::string out;
  append_utf8(out, text);
  return out;
}

TEST(Utf8, CodePointsAreGoodAndNoSurrogateIs) {
  for (char32_t c = 0; c <= 0x10ffff; c += 1 + c / 64)
    EXPECT_EQ(is_utf8("a" + written(c) + "b"), c < 0xd800 || c > 0xdfff) << std::uint32_t{c};
  for (const char32_t c : {0xd800U, 0xdbffU, 0xdc00U, 0xdfffU}) EXPECT_FALSE(is_utf8(written(c)));
  for (const char32_t c :
       {0x7fU, 0x80U, 0x7ffU, 0x800U, 0xd7ffU, 0xe000U, 0xffffU, 0x10000U, 0x10ffffU})
    EXPECT_TRUE(is_utf8(written(c)));
}

TEST(Utf8, KnowsWhatIsNone) {
  for (const char* text : {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2",
                           "\xc2"
                           "a",
                           "\xe0\x9f\xbf", "\xe1\x80",
                           "\xe1\x80"
                           "a",
                           "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff",
                           "plain text, then\xe9", "\xf0\x9f\x98", "\xf0\x9f\x98\x80\x80"})
    EXPECT_FALSE(is_utf8(text)) << text;
}

TEST(Utf8, RepairsAsTheEncodingStandardSays) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"", ""},
      {"plain text that is long enough", "plain text that is long enough"},
      {"\xff", "?"},
      {"a\xff\xff"
       "b",
       "a??b"},
      {"\xe2\x82"
       "a",
       "?a"},
      {"\xf0\x9f\x98\xf0\x9f\x98\x80", "?\xf0\x9f\x98\x80"},
      {"\xed\xa0\x80", "???"},
      {"\xc0\xaf", "??"},
      {"\xf4\x90\x80\x80", "????"},
      {"\xe2\x82", "?"},
  };
  for (const auto& [text, expected] : cases) {
    std::string whole;
    for (const char c : expected) whole += c == '?' ? "\xef\xbf\xbd" : std::string(1, c);
    EXPECT_EQ(repaired(text), whole);
    EXPECT_TRUE(is_utf8(whole));
  }
}

}  // namespace
}  // namespace millrace::parse
