#include "parse/json_path.hpp"

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::parse {
namespace {

using Step = JsonPath::Step;

Step any() {
  return {.any = true, .name = {}, .index = {}};
}
Step named(std::string name) {
  return {.any = false, .name = std::move(name), .index = {}};
}
Step at(std::uint64_t index) {
  return {.any = false, .name = {}, .index = index};
}
/// A pointer's number.
Step either(std::string name, std::uint64_t index) {
  return {.any = false, .name = std::move(name), .index = index};
}

std::vector<Step> steps_of(std::string_view text) {
  const auto path = JsonPath::parse(text);
  if (!path) {
    ADD_FAILURE() << text << ": " << path.error();
    return {};
  }
  return {path->steps().begin(), path->steps().end()};
}

std::string error_of(std::string_view text) {
  const auto path = JsonPath::parse(text);
  return path ? "no error" : path.error();
}

using Steps = std::vector<Step>;

TEST(JsonPointer, IsSplitAtSlashes) {
  EXPECT_EQ(steps_of(""), Steps{});
  EXPECT_EQ(steps_of("/"), Steps{named("")});
  EXPECT_EQ(steps_of("//"), (Steps{named(""), named("")}));
  EXPECT_EQ(steps_of("/items/0/id"), (Steps{named("items"), either("0", 0), named("id")}));
  EXPECT_EQ(steps_of("/ $.*[\"'%\\"), Steps{named(" $.*[\"'%\\")});
}

TEST(JsonPointer, UndoesItsTwoEscapes) {
  EXPECT_EQ(steps_of("/a~1b/m~0n/~01"), (Steps{named("a/b"), named("m~n"), named("~1")}));
  EXPECT_EQ(error_of("/a/b~2"), "position 5: '~' is written '~0', and '/' is '~1'");
  EXPECT_EQ(error_of("/~"), "position 2: '~' is written '~0', and '/' is '~1'");
  EXPECT_EQ(error_of("/~/1"), "position 2: '~' is written '~0', and '/' is '~1'");
}

TEST(JsonPointer, OnlyCanonicalNumbersAreIndexes) {
  EXPECT_EQ(steps_of("/10"), Steps{either("10", 10)});
  EXPECT_EQ(steps_of("/18446744073709551615"),
            Steps{either("18446744073709551615", 18446744073709551615U)});
  for (const char* text :
       {"/01", "/-", "/-1", "/+1", "/1e0", "/ 1", "/0x1", "/18446744073709551616"})
    EXPECT_EQ(steps_of(text), Steps{named(std::string(text).substr(1))}) << text;
}

TEST(JsonPathText, KnowsItsSubset) {
  EXPECT_EQ(steps_of("$"), Steps{});
  EXPECT_EQ(steps_of("$.items[*].id"), (Steps{named("items"), any(), named("id")}));
  EXPECT_EQ(steps_of("$['a'][\"b\"][0].*"), (Steps{named("a"), named("b"), at(0), any()}));
  EXPECT_EQ(steps_of("$[*][*]"), (Steps{any(), any()}));
  EXPECT_EQ(steps_of("$[18446744073709551615]"), Steps{at(18446744073709551615U)});
  EXPECT_EQ(steps_of("$._a9.\xc3\xa9"), (Steps{named("_a9"), named("\xc3\xa9")}));
  EXPECT_EQ(steps_of("$['']['.']['a]b']"), (Steps{named(""), named("."), named("a]b")}));
}

TEST(JsonPathText, UndoesEscapesInQuotes) {
  EXPECT_EQ(steps_of(R"($['\'"\\\/\b\f\n\r\t'])"), Steps{named("'\"\\/\b\f\n\r\t")});
  EXPECT_EQ(steps_of(R"($["'\""])"), Steps{named("'\"")});
  EXPECT_EQ(steps_of(R"($['\u00e9\uD83D\uDE00\u0041'])"), Steps{named("\xc3\xa9\xf0\x9f\x98\x80"
                                                                      "A")});
  for (const char* text :
       {R"($['\x'])", R"($['\"'])", R"($["\'"])", R"($['\u12'])", R"($['\uD800'])",
        R"($['\uDC00'])", R"($['\uD800\u0041'])", R"($['\uD800x'])", R"($['\u+123'])", R"($['\)"})
    EXPECT_EQ(error_of(text), "position 4: an unknown escape in a name") << text;
}

TEST(JsonPathText, SaysWhatIsWrongAndWhere) {
  const std::string_view begin =
      "position 1: a path begins with '$' (JSONPath) or '/' (JSON Pointer)";
  for (const char* text : {"a", "items/0", "#/a", " $", "@.a", "[0]"})
    EXPECT_EQ(error_of(text), begin);
  EXPECT_EQ(error_of("$a"), "position 2: '.' or '[' was expected");
  EXPECT_EQ(error_of("$ .a"), "position 2: '.' or '[' was expected");
  EXPECT_EQ(error_of("$[0]a"), "position 5: '.' or '[' was expected");
  EXPECT_EQ(error_of("$..a"), "position 3: '..' is not supported");
  EXPECT_EQ(error_of("$.a..b"), "position 5: '..' is not supported");
  for (const char* text : {"$.", "$.1", "$.['a']", "$.-", "$. a"})
    EXPECT_EQ(error_of(text), "position 3: a name or '*' was expected behind '.'");
  EXPECT_EQ(error_of("$.foo-bar"), "position 6: a name with this character is written ['name']");
  EXPECT_EQ(error_of("$.*a"), "position 4: '.' or '[' was expected");
  for (const char* text : {"$[", "$[]", "$[a]", "$[ 0]", "$[@]", "$[+1]"})
    EXPECT_EQ(error_of(text), "position 3: a quoted name, a number or '*' was expected behind '['");
  EXPECT_EQ(error_of("$[-1]"), "position 3: counting from the end of an array is not supported");
  EXPECT_EQ(error_of("$[?(@.a)]"), "position 3: filters are not supported");
  EXPECT_EQ(error_of("$[:1]"), "position 3: slices are not supported");
  EXPECT_EQ(error_of("$[0:1]"), "position 4: slices are not supported");
  EXPECT_EQ(error_of("$['a','b']"), "position 6: lists in brackets are not supported");
  EXPECT_EQ(error_of("$[0"), "position 4: ']' was expected");
  EXPECT_EQ(error_of("$[*"), "position 4: ']' was expected");
  EXPECT_EQ(error_of("$[0 ]"), "position 4: ']' was expected");
  EXPECT_EQ(error_of("$[01]"), "position 3: a number has no leading zeros");
  EXPECT_EQ(error_of("$[18446744073709551616]"), "position 3: the number is too large");
  EXPECT_EQ(error_of("$['a"), "position 5: the name's closing quote is missing");
  EXPECT_EQ(error_of("$['a\n']"), "position 5: a control character in a name");
  EXPECT_EQ(error_of("/\xff"), "position 1: the path is not valid UTF-8");
}

TEST(JsonPathText, LimitsAreExact) {
  EXPECT_EQ(steps_of("/" + std::string(JsonPath::kTextBytesMax - 1, 'a')).size(), 1U);
  EXPECT_EQ(error_of("/" + std::string(JsonPath::kTextBytesMax, 'a')),
            "position 1: the path is too long");
  EXPECT_EQ(steps_of(std::string(JsonPath::kStepsMax, '/')).size(), JsonPath::kStepsMax);
  EXPECT_EQ(error_of(std::string(JsonPath::kStepsMax + 1, '/')),
            "position 129: the path has too many steps");
}

TEST(JsonPathText, ManyIsAWildcard) {
  for (const char* text : {"", "/a/*", "$", "$.a[0]['*']"})
    EXPECT_FALSE(JsonPath::parse(text)->many());
  for (const char* text : {"$.*", "$[*]", "$.a[*].b"}) EXPECT_TRUE(JsonPath::parse(text)->many());
}

}  // namespace
}  // namespace millrace::parse
