#include "http/date.hpp"

#include <array>
#include <ctime>
#include <string>

#include <gtest/gtest.h>

namespace millrace::http {
namespace {

using std::chrono::seconds;
using std::chrono::sys_seconds;

constexpr sys_seconds kExample{seconds{784111777}};  // of RFC 9110 section 5.6.7
constexpr sys_seconds kNow{seconds{1760000000}};     // 9 October 2025

std::string formatted(sys_seconds time) {
  std::array<char, kDateBytes> out;
  return std::string(format_date(time, out));
}

TEST(Date, FormatsLikeStrftimeInTheCLocale) {
  EXPECT_EQ(formatted(kExample), "Sun, 06 Nov 1994 08:49:37 GMT");
  // Steps of about 11 days and a half over six centuries, leap years and century ends included.
  for (std::int64_t second = -9'000'000'000; second < 10'000'000'000; second += 997'913) {
    const std::time_t time = second;
    std::tm parts{};
    gmtime_r(&time, &parts);
    std::array<char, 64> expected;
    std::strftime(expected.data(), expected.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    ASSERT_EQ(formatted(sys_seconds{seconds{second}}), expected.data()) << second;
  }
}

TEST(Date, ClampsToFourDigitYears) {
  EXPECT_EQ(formatted(sys_seconds{seconds{253402300799}}), "Fri, 31 Dec 9999 23:59:59 GMT");
  EXPECT_EQ(formatted(sys_seconds{seconds{253402300800}}), "Fri, 31 Dec 9999 23:59:59 GMT");
  EXPECT_EQ(formatted(sys_seconds::max()), "Fri, 31 Dec 9999 23:59:59 GMT");
  EXPECT_EQ(formatted(sys_seconds::min()), "Sat, 01 Jan 0000 00:00:00 GMT");
}

TEST(Date, ParsesTheThreeForms) {
  for (const char* text : {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                           "Sun Nov  6 08:49:37 1994"})
    EXPECT_EQ(parse_date(text, kNow), kExample) << text;
  EXPECT_EQ(parse_date("Sun Nov 16 08:49:37 1994", kNow), kExample + std::chrono::days{10});
  EXPECT_EQ(parse_date("Thu, 29 Feb 2024 23:59:60 GMT", kNow), sys_seconds{seconds{1709251200}});
}

TEST(Date, WhatIsFormattedIsParsed) {
  for (std::int64_t second = -60'000'000'000; second < 200'000'000'000; second += 86'399 * 1009)
    ASSERT_EQ(parse_date(formatted(sys_seconds{seconds{second}}), kNow),
              sys_seconds{seconds{second}});
}

TEST(Date, TwoDigitYearsLieWithinFiftyYears) {
  using namespace std::chrono;
  EXPECT_EQ(parse_date("Monday, 01-Jan-75 00:00:00 GMT", kNow), sys_days{year{2075} / 1 / 1});
  EXPECT_EQ(parse_date("Monday, 01-Jan-76 00:00:00 GMT", kNow), sys_days{year{1976} / 1 / 1});
  EXPECT_EQ(parse_date("Monday, 01-Jan-99 00:00:00 GMT", kNow), sys_days{year{1999} / 1 / 1});
}

TEST(Date, RefusesTheRest) {
  for (const char* bad : {"",
                          "Sun, 06 Nov 1994 08:49:37",
                          "Sun, 06 Nov 1994 08:49:37 UTC",
                          "sun, 06 Nov 1994 08:49:37 GMT",
                          "Sun, 6 Nov 1994 08:49:37 GMT",
                          "Sun, 06 Nov 94 08:49:37 GMT",
                          "Sun, 31 Nov 1994 08:49:37 GMT",
                          "Sun, 00 Nov 1994 08:49:37 GMT",
                          "Sun, 29 Feb 2023 08:49:37 GMT",
                          "Sun, 06 Nov 1994 24:00:00 GMT",
                          "Sun, 06 Nov 1994 08:60:37 GMT",
                          "Sun, 06 Nov 1994 08:49:61 GMT",
                          "Sun, 06 Nov 1994 08:49:37 GMT ",
                          " Sun, 06 Nov 1994 08:49:37 GMT",
                          "Xxx, 06 Nov 1994 08:49:37 GMT",
                          "Sun, 06 Xxx 1994 08:49:37 GMT",
                          "Sun, +6 Nov 1994 08:49:37 GMT",
                          "Sun Nov 6 08:49:37 1994",
                          "Sun, 06-Nov-94 08:49:37 GMT",
                          "784111777",
                          "0",
                          "Sun, 06 Nov 1994 8:49:37 GMT"})
    EXPECT_EQ(parse_date(bad, kNow), std::nullopt) << bad;
}

}  // namespace
}  // namespace millrace::http
