#include "parse/json_scanner.hpp"

#include "feed.hpp"
#include "json_texts.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace millrace::parse {
namespace {

using Event = JsonScanner::Event;

struct Told {
  std::string
      events;  ///< names as they are, '<' for a value's begin, '>' for the end of one told of
  std::optional<JsonFault> fault;
};

/// Feeds pieces of `bytes`, and watches as many levels; is told of the ends of the innermost.
Told scan(JsonScanner& scanner, std::string_view text, std::size_t bytes, std::size_t levels) {
  Told told;
  scanner.watch(levels);
  for (std::size_t at = 0; at < text.size(); at += bytes) {
    const std::string_view piece = text.substr(at, bytes);
    const std::vector<char> exact(piece.begin(), piece.end());
    scanner.feed({exact.data(), exact.size()});
    for (Event event = scanner.next(); event != Event::kNeedMore; event = scanner.next()) {
      if (event == Event::kName) told.events += scanner.name();
      if (event == Event::kEnd) told.events += '>';
      if (event == Event::kBegin) {
        told.events += '<';
        if (scanner.depth() + 1 == levels)
          scanner.tell_end();
        else if (const char c = *scanner.at(); c == '{' || c == '[')
          scanner.watch(levels);
      }
      if (event != Event::kFault) continue;
      told.fault = scanner.fault();
      EXPECT_EQ(scanner.next(), Event::kFault);
      EXPECT_EQ(scanner.finish().error(), *told.fault);
      return told;
    }
  }
  if (const auto whole = scanner.finish(); !whole) told.fault = whole.error();
  return told;
}

/// The same however it is cut.
Told scan(std::string_view text, std::size_t levels = 0, JsonLimits limits = {}) {
  JsonScanner scanner(limits);
  const Told whole = scan(scanner, text, text.size() + 1, levels);
  for (const std::size_t bytes : kCuts) {
    scanner.reset();
    const Told cut = scan(scanner, text, bytes, levels);
    EXPECT_EQ(cut.events, whole.events) << text << " by " << bytes;
    EXPECT_EQ(cut.fault, whole.fault) << text << " by " << bytes;
  }
  return whole;
}

JsonFault fault_of(std::string_view text, JsonLimits limits = {}) {
  return scan(text, 0, limits).fault.value_or(JsonFault{0, "none"});
}

TEST(JsonScanner, TakesWhatIsJson) {
  for (const std::string_view text : kGoodJson) {
    EXPECT_FALSE(scan(text).fault) << text;
    EXPECT_TRUE(nlohmann::json::accept(text)) << text;
  }
}

TEST(JsonScanner, RefusesWhatIsNot) {
  for (const std::string_view text : kBadJson) {
    EXPECT_TRUE(scan(text).fault) << text;
    EXPECT_EQ(scan(text, 200).fault, scan(text).fault) << text << " watched or not";
    // nlohmann skips a byte order mark, and takes a NUL for the end.
    if (text.starts_with('\xef') || text.contains('\0')) continue;
    EXPECT_FALSE(nlohmann::json::accept(text)) << text;
  }
}

TEST(JsonScanner, EveryByteOfAGoodTextCounts) {
  for (const std::string_view text : kGoodJson)
    for (std::size_t size = 0; size < text.size(); ++size) {
      const std::string_view part = text.substr(0, size);
      EXPECT_EQ(!scan(part).fault, nlohmann::json::accept(part)) << part;
    }
}

TEST(JsonScanner, SaysWhereAndWhy) {
  EXPECT_EQ(fault_of(""), (JsonFault{0, "there is no value"}));
  EXPECT_EQ(fault_of(" \n "), (JsonFault{3, "there is no value"}));
  EXPECT_EQ(fault_of("\xef\xbb\xbf[]"),
            (JsonFault{0, "a value was expected, and no byte order mark"}));
  EXPECT_EQ(fault_of("[1,]"), (JsonFault{3, "a value was expected"}));
  EXPECT_EQ(fault_of("[1 2]"), (JsonFault{3, "a comma or the end of the array was expected"}));
  EXPECT_EQ(fault_of("[1}"), (JsonFault{2, "a comma or the end of the array was expected"}));
  EXPECT_EQ(fault_of("{\"a\":1]"), (JsonFault{6, "a comma or the end of the object was expected"}));
  EXPECT_EQ(fault_of("{a"), (JsonFault{1, "a member's name in double quotes was expected"}));
  EXPECT_EQ(fault_of("{\"a\":1,}"),
            (JsonFault{7, "a member's name in double quotes was expected"}));
  EXPECT_EQ(fault_of("{\"a\" 1"), (JsonFault{5, "a colon was expected behind a member's name"}));
  EXPECT_EQ(fault_of("1 2"), (JsonFault{2, "something follows the value"}));
  EXPECT_EQ(fault_of("-x"), (JsonFault{1, "a digit was expected in a number"}));
  EXPECT_EQ(fault_of("[1.]"), (JsonFault{3, "a digit was expected in a number"}));
  EXPECT_EQ(fault_of("nuLl"), (JsonFault{2, "true, false or null was expected"}));
  EXPECT_EQ(fault_of("\"a\n\""), (JsonFault{2, "a control character in a string is not escaped"}));
  EXPECT_EQ(fault_of(R"("a\x")"), (JsonFault{3, "an unknown escape in a string"}));
  EXPECT_EQ(fault_of(R"("\u12x")"),
            (JsonFault{5, "four hexadecimal digits were expected behind \\u"}));
  EXPECT_EQ(fault_of(R"("\ud800")"), (JsonFault{7, "half of a surrogate pair in a string"}));
  EXPECT_EQ(fault_of(R"("\udc00")"), (JsonFault{6, "half of a surrogate pair in a string"}));
  EXPECT_EQ(fault_of("\"a\xc3\""), (JsonFault{3, "a string is not valid UTF-8"}));
  EXPECT_EQ(fault_of("\"a\xff\""), (JsonFault{2, "a string is not valid UTF-8"}));
  EXPECT_EQ(fault_of("[[]"), (JsonFault{3, "the text ends in the middle of a value"}));
  EXPECT_EQ(fault_of("1e"), (JsonFault{2, "the text ends in the middle of a value"}));
  EXPECT_EQ(fault_of("\"\xc3"), (JsonFault{2, "the text ends in the middle of a value"}));
}

TEST(JsonScanner, TellsOfTheLevelsThatAreWatched) {
  constexpr std::string_view kText = R"({"a": [1, "x"], "b\n" : {"c": null}})";
  EXPECT_EQ(scan(kText, 0).events, "");
  EXPECT_EQ(scan(kText, 1).events, "<>");
  EXPECT_EQ(scan(kText, 2).events, "<a<>b\n<>");
  EXPECT_EQ(scan(kText, 3).events, "<a<<><>b\n<c<>");
  EXPECT_EQ(scan(kText, 4).events, "<a<<<b\n<c<");
  EXPECT_EQ(scan("12 ", 1).events, "<>");
  EXPECT_EQ(scan("12", 1).events, "<") << "finish() ends it";
}

TEST(JsonScanner, NoLongerWatchesWhatIsInsideOfTheNextValue) {
  JsonScanner scanner;
  scanner.watch(2);
  scanner.feed(R"({"a":{"b":1},"c":{"d":2}})");
  std::string names;
  for (Event event = scanner.next(); event != Event::kNeedMore; event = scanner.next()) {
    if (event == Event::kName) names += scanner.name();
    if (event == Event::kBegin && names == "a") scanner.watch(3);
  }
  EXPECT_EQ(names, "abc");
}

TEST(JsonScanner, UnescapesNames) {
  EXPECT_EQ(scan(R"({"\"\\\/\b\f\n\r\t":1})", 2).events, "<\"\\/\b\f\n\r\t<>");
  EXPECT_EQ(scan("{\"\\u0041\\u00e9\\u20AC\\ud83d\\ude00\xc3\xa9\":1}", 2).events,
            "<A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xc3\xa9<>");
}

std::string nested(std::size_t depth) {
  std::string text;
  for (std::size_t i = 0; i < depth; ++i) text += i % 3 == 0 ? "{\"a\":" : "[";
  text += '1';
  for (std::size_t i = depth; i-- > 0;) text += i % 3 == 0 ? '}' : ']';
  return text;
}

TEST(JsonScanner, TheDepthLimitIsExact) {
  EXPECT_FALSE(scan(nested(128)).fault);
  EXPECT_EQ(fault_of(nested(129)).reason, kJsonTooDeep);
  EXPECT_FALSE(scan("1", 0, {.depth_max = 0}).fault);
  EXPECT_EQ(fault_of("[]", {.depth_max = 0}), (JsonFault{0, kJsonTooDeep}));
  EXPECT_FALSE(scan(nested(1000), 0, {.depth_max = 1000}).fault);
  std::string crossed = nested(200);
  crossed[crossed.size() - 1] = ']';
  EXPECT_TRUE(scan(crossed, 0, {.depth_max = 200}).fault);
}

TEST(JsonScanner, TheNameLimitIsExact) {
  const JsonLimits limits{.name_bytes_max = 8};
  for (const char* good : {"12345678", "\\u00e9ab", "1234\xf0\x9f\x98\x80", "123456\\n"})
    EXPECT_FALSE(scan('{' + ('"' + std::string(good)) + "\":\"a longer text\"}", 9, limits).fault)
        << good;
  // At the byte behind the last that fits; an escape is counted when it is over.
  EXPECT_EQ(fault_of(R"({"123456789":1})", limits), (JsonFault{10, kJsonNameTooLong}));
  EXPECT_EQ(fault_of(R"({"1234567\n":1})", limits), (JsonFault{11, kJsonNameTooLong}));
  EXPECT_EQ(fault_of(R"({"\u00e9abc":1})", limits), (JsonFault{10, kJsonNameTooLong}));
  EXPECT_EQ(fault_of("{\"12345\xf0\x9f\x98\x80\":1}", limits), (JsonFault{10, kJsonNameTooLong}));
  EXPECT_EQ(fault_of("{\"12345678\n", limits),
            (JsonFault{10, "a control character in a string is not escaped"}));
  EXPECT_EQ(fault_of("{\"123456789\n", limits), (JsonFault{10, kJsonNameTooLong}));
  EXPECT_EQ(fault_of("{\"123456789\xff", limits), (JsonFault{10, kJsonNameTooLong}));
}

TEST(JsonScanner, TheNumberLimitIsExact) {
  const JsonLimits limits{.number_bytes_max = 5};
  for (const char* good : {"12345", "-1e+3", "0.123", "[12345]"})
    EXPECT_FALSE(scan(good, 0, limits).fault);
  EXPECT_EQ(fault_of("123456", limits), (JsonFault{5, kJsonNumberTooLong}));
  EXPECT_EQ(fault_of("[1.2345]", limits), (JsonFault{6, kJsonNumberTooLong}));
  EXPECT_EQ(fault_of("1234.x", limits), (JsonFault{5, "a digit was expected in a number"}));
  EXPECT_EQ(fault_of("12345.x", limits), (JsonFault{5, kJsonNumberTooLong}));
  EXPECT_FALSE(scan(std::string(JsonLimits::kNumberBytesMax, '1')).fault);
  EXPECT_EQ(fault_of(std::string(JsonLimits::kNumberBytesMax + 1, '1')).reason, kJsonNumberTooLong);
}

TEST(JsonScanner, ForgetsTheTextBefore) {
  JsonScanner scanner;
  for (const std::string_view before : kBadJson) {
    scanner.reset();
    (void)scan(scanner, before, 3, 2);
    scanner.reset();
    EXPECT_FALSE(scan(scanner, R"({"a":["\ud83d\ude00",1]})", 5, 0).fault) << before;
  }
}

}  // namespace
}  // namespace millrace::parse
