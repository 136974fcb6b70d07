#include "parse/byte_scan.hpp"

#include <cstddef>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::parse {
namespace {

/// Every byte at every place of texts of 0 to 40 bytes, searched from every place.
template <class Match>
void expect_same_as_bytewise(Match match, char filler) {
  for (std::size_t size = 0; size <= 40; ++size)
    for (std::size_t at = 0; at < size; ++at)
      for (int byte = 0; byte < 256; byte += (size < 20 ? 1 : 7)) {
        std::vector<char> text(size, filler);
        text[at] = static_cast<char>(byte);
        const char* const begin = text.data();
        for (const std::size_t from : {std::size_t{0}, at / 2, at, at + 1})
          ASSERT_EQ(find_byte(match, begin, begin + from, begin + size),
                    find_bytewise(match, begin + from, begin + size))
              << size << ' ' << at << ' ' << byte << ' ' << from;
      }
}

TEST(ByteScan, FindsWhatASearchByteByByteFinds) {
  expect_same_as_bytewise(StringStop{}, 'a');
  expect_same_as_bytewise(NotSpace{}, ' ');
  expect_same_as_bytewise(LineEnd{}, 'a');
  expect_same_as_bytewise(CsvStop{','}, 'a');
  expect_same_as_bytewise(CsvStop{'\t'}, ',');
}

TEST(ByteScan, MatchersMeanWhatTheySay) {
  for (int byte = 0; byte < 256; ++byte) {
    const auto c = static_cast<unsigned char>(byte);
    EXPECT_EQ(StringStop{}.one(c), c < 32 || c > 127 || c == 34 || c == 92) << byte;
    EXPECT_EQ(NotSpace{}.one(c), c != 9 && c != 10 && c != 13 && c != 32) << byte;
    EXPECT_EQ(LineEnd{}.one(c), c == 10 || c == 13) << byte;
    EXPECT_EQ(CsvStop{';'}.one(c), c == 10 || c == 13 || c == 34 || c == 59) << byte;
  }
}

}  // namespace
}  // namespace millrace::parse
