#include "http/content_range.hpp"

#include <cstdint>
#include <optional>

#include <gtest/gtest.h>

namespace millrace::http {
namespace {

TEST(ContentRange, OnePart) {
  EXPECT_EQ(parse_content_range("bytes 5-9/10"), (ContentRange{5, 9, 10}));
  EXPECT_EQ(parse_content_range(" Bytes 0-0/1 "), (ContentRange{0, 0, 1}));
  EXPECT_EQ(parse_content_range("bytes 5-9/*"), (ContentRange{5, 9, std::nullopt}));
  EXPECT_EQ(parse_content_range("bytes 0-18446744073709551614/18446744073709551615"),
            (ContentRange{0, UINT64_MAX - 1, UINT64_MAX}));
}

TEST(ContentRange, AnythingElseIsNone) {
  for (const char* text : {"",
                           "bytes",
                           "bytes ",
                           "bytes 5-9",
                           "bytes 5-9/",
                           "bytes */10",
                           "bytes 9-5/10",
                           "bytes 5-10/10",
                           "bytes 5-9/9",
                           "bytes -9/10",
                           "bytes 5-/10",
                           "bytes 5/10",
                           "items 5-9/10",
                           "bytes 5-9/10, 1-2/10",
                           "bytes=5-9/10",
                           "bytes +5-9/10",
                           "bytes 5 - 9/10",
                           "bytes 5-9/x",
                           "bytes 5-18446744073709551616/*",
                           "bytes /5-9"})
    EXPECT_EQ(parse_content_range(text), std::nullopt) << text;
}

}  // namespace
}  // namespace millrace::http
