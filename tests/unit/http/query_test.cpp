#include "http/query.hpp"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::http {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

Pairs flat(const Query& query) {
  Pairs out;
  for (const Query::Parameter& one : query) out.emplace_back(one.name, one.value);
  return out;
}

TEST(Query, SplitsAndDecodesInOrder) {
  const std::vector<std::pair<std::string_view, Pairs>> cases{
      {"", {}},
      {"&&", {}},
      {"a=1&b=2&a=3", {{"a", "1"}, {"b", "2"}, {"a", "3"}}},
      {"a", {{"a", ""}}},
      {"a=", {{"a", ""}}},
      {"=1", {{"", "1"}}},
      {"a=b=c", {{"a", "b=c"}}},
      {"a=1;b=2", {{"a", "1;b=2"}}},
      {"x+y=%20+%2B%26%3d", {{"x y", "  +&="}}},
      {"%61=%C3%a4", {{"a", "\xc3\xa4"}}},
      {"n=%00", {{"n", std::string(1, '\0')}}},
      {"op=resize:300x200&op=rotate:90", {{"op", "resize:300x200"}, {"op", "rotate:90"}}},
      {"a=%2561", {{"a", "%61"}}},
  };
  for (const auto& [text, expected] : cases) {
    const auto query = Query::parse(text);
    ASSERT_TRUE(query) << text;
    EXPECT_EQ(flat(*query), expected) << text;
  }
}

TEST(Query, RefusesBrokenEscapes) {
  for (const std::string_view bad :
       {"a=%", "a=%4", "a=%4g", "a=%g4", "%=1", "%zz", "a=1&b=%u0041", "a=%+1"}) {
    const auto query = Query::parse(bad);
    ASSERT_FALSE(query) << bad;
    EXPECT_EQ(query.error().errc, Errc::kBadParameter);
  }
}

TEST(Query, TheParameterLimitIsExact) {
  std::string text;
  for (std::size_t i = 0; i < kParametersMax; ++i) text += "a&";
  ASSERT_TRUE(Query::parse(text));
  EXPECT_EQ(Query::parse(text)->size(), kParametersMax);
  EXPECT_FALSE(Query::parse(text + "a"));
}

TEST(Query, DecodedValuesSurviveAMove) {
  std::string source = "long=" + std::string(2000, '+') + "&b=%41";
  Query query = Query::parse(source).value();
  const Query moved = std::move(query);
  EXPECT_EQ(moved.get("long"), std::string(2000, ' '));
  EXPECT_EQ(moved.get("b"), "A");
}

TEST(Query, GetsTheFirstAndCaseCounts) {
  const Query query = Query::parse("a=1&a=2&e=").value();
  EXPECT_EQ(query.get("a"), "1");
  EXPECT_EQ(query.get("A"), std::nullopt);
  EXPECT_EQ(query.get("e"), "");
  EXPECT_TRUE(query.has("e"));
}

TEST(Query, TypedGettersAreStrict) {
  const Query query = Query::parse(
                          "n=42&z=0&twice=1&twice=1&empty=&neg=-1&hex=0x1&sp=+1&big="
                          "18446744073709551615&over=18446744073709551616")
                          .value();
  EXPECT_EQ(query.uint("n").value(), 42U);
  EXPECT_EQ(query.uint("n", 42, 42).value(), 42U);
  EXPECT_FALSE(query.uint("n", 43));
  EXPECT_FALSE(query.uint("n", 0, 41));
  EXPECT_EQ(query.uint("big").value(), UINT64_MAX);
  EXPECT_EQ(query.uint_or("absent", 7, 100, 200).value(), 7U);
  EXPECT_EQ(query.uint_or("z", 7).value(), 0U);
  for (const std::string_view bad : {"twice", "empty", "neg", "hex", "sp", "over"}) {
    EXPECT_FALSE(query.uint(bad)) << bad;
    ASSERT_FALSE(query.uint_or(bad, 1)) << bad;
    EXPECT_EQ(query.uint_or(bad, 1).error().errc, Errc::kBadParameter);
  }
  EXPECT_FALSE(query.uint("absent"));
  EXPECT_EQ(query.required("n").value(), "42");
  for (const std::string_view bad : {"absent", "empty", "twice"})
    EXPECT_FALSE(query.required(bad)) << bad;
}

}  // namespace
}  // namespace millrace::http
