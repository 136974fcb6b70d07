#include "parse/json_select.hpp"

#include "json_texts.hpp"

#include <array>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace millrace::parse {
namespace {

/// What came out: the whole values, what had begun of another one, the fault.
struct Outcome {
  std::vector<std::string> values;
  std::string rest;
  std::optional<JsonFault> fault;

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

std::ostream& operator<<(std::ostream& out, const Outcome& o) {
  for (const std::string& value : o.values) out << '<' << value << "> ";
  out << o.rest;
  if (o.fault) out << " fault at " << o.fault->offset << ": " << o.fault->reason;
  return out;
}

class Collector final : public JsonSelectSink {
 public:
  void value_piece(std::string_view text) override {
    EXPECT_FALSE(text.empty());
    outcome.rest.append(text);
  }
  void value_end() override {
    EXPECT_FALSE(outcome.rest.empty());
    outcome.values.push_back(std::move(outcome.rest));
    outcome.rest.clear();
  }
  Outcome outcome;
};

/// Feeds pieces of `bytes`, each in a block of exactly its size.
Outcome select(std::string_view path, std::string_view text, std::size_t bytes,
               JsonSelect::Limits limits = {}) {
  Collector sink;
  JsonSelect selection(JsonPath::parse(path).value(), sink, limits);
  for (std::size_t at = 0; at < text.size(); at += bytes) {
    const std::string_view piece = text.substr(at, bytes);
    const std::vector<char> exact(piece.begin(), piece.end());
    if (const auto fed = selection.feed({exact.data(), exact.size()}); !fed) {
      EXPECT_EQ(selection.feed("1"), fed) << "a fault stays";
      EXPECT_EQ(selection.finish(), fed);
      sink.outcome.fault = fed.error();
      return sink.outcome;
    }
  }
  if (const auto whole = selection.finish(); !whole) sink.outcome.fault = whole.error();
  return sink.outcome;
}

/// The same however it is cut.
Outcome select(std::string_view path, std::string_view text, JsonSelect::Limits limits = {}) {
  Outcome whole = select(path, text, text.size() + 1, limits);
  for (const std::size_t bytes : {1UL, 2UL, 3UL, 7UL, 17UL})
    EXPECT_EQ(select(path, text, bytes, limits), whole)
        << path << " of " << text << " by " << bytes;
  return whole;
}

using Values = std::vector<std::string>;

Values values_of(std::string_view path, std::string_view text) {
  Outcome outcome = select(path, text);
  EXPECT_FALSE(outcome.fault) << outcome;
  return std::move(outcome.values);
}

constexpr std::string_view kItems =
    R"({"count": 3, "items": [ {"id":1,"tags":["a","b"]}, {"tags":[],"id" : {"n": [ 2 ]} } ,)"
    R"({"id":"x"}], "id":0})";

TEST(JsonSelect, TheWholeTextWithoutWhatIsAround) {
  EXPECT_EQ(values_of("", " [1 , 2]\n"), Values{"[1 , 2]"});
  EXPECT_EQ(values_of("$", "\t{\"a\" :1 } "), Values{"{\"a\" :1 }"});
  for (const char* scalar : {"null", "true", "\"a\"", "-1.5e3", "0"})
    for (const std::string& text : {std::string(scalar), " " + std::string(scalar) + " \n"})
      EXPECT_EQ(values_of("", text), Values{scalar});
}

TEST(JsonSelect, MembersAndElements) {
  EXPECT_EQ(values_of("$.items[*].id", kItems), (Values{"1", "{\"n\": [ 2 ]}", "\"x\""}));
  EXPECT_EQ(values_of("/items/0/tags/1", kItems), Values{"\"b\""});
  EXPECT_EQ(values_of("/items/1", kItems), Values{R"({"tags":[],"id" : {"n": [ 2 ]} })"});
  EXPECT_EQ(values_of("$.items[*].tags[*]", kItems), (Values{"\"a\"", "\"b\""}));
  EXPECT_EQ(values_of("$.id", kItems), Values{"0"});
  EXPECT_EQ(values_of("$.*", "{\"a\":1,\"b\":[2]}"), (Values{"1", "[2]"}));
  EXPECT_EQ(values_of("$[*]", "{\"a\":1,\"b\":[2]}"), (Values{"1", "[2]"}));
  EXPECT_EQ(values_of("$.*", "[1,[2]]"), (Values{"1", "[2]"}));
  EXPECT_EQ(values_of("$.*.*", "[1,[2,3],{\"a\":4},\"x\"]"), (Values{"2", "3", "4"}));
}

TEST(JsonSelect, NothingWhereNothingIsMeant) {
  for (const char* path :
       {"/items/3", "/items/-", "/items/id", "/items/00", "/count/0", "/item", "/itemss", "/",
        "$[0]", "$.items.id", "$.items[9]", "$.items[*].id.n.x", "$['0']"})
    EXPECT_EQ(values_of(path, kItems), Values{}) << path;
  EXPECT_EQ(values_of("$[*]", "[]"), Values{});
  EXPECT_EQ(values_of("$[*]", "{}"), Values{});
  EXPECT_EQ(values_of("$[*]", "1"), Values{});
}

TEST(JsonSelect, APointersNumberIsElementOrMember) {
  EXPECT_EQ(values_of("/1", "[5,6]"), Values{"6"});
  EXPECT_EQ(values_of("/1", R"({"0":5,"1":6})"), Values{"6"});
  EXPECT_EQ(values_of("/01", R"({"01":5})"), Values{"5"});
  EXPECT_EQ(values_of("$[1]", R"({"1":6})"), Values{});
  EXPECT_EQ(values_of("$['1']", "[5,6]"), Values{});
}

TEST(JsonSelect, NamesAreComparedUnescaped) {
  EXPECT_EQ(values_of("/a~1b", R"({"a\/b":1,"a\u002fb":2,"a/b":3,"a\\/b":4})"),
            (Values{"1", "2", "3"}));
  EXPECT_EQ(values_of("$['\xf0\x9f\x98\x80']",
                      "{\"\\uD83D\\uDE00\":1,\"\xf0\x9f\x98\x80\":2,\"\\uD83D\\uDE01\":3}"),
            (Values{"1", "2"}));
  EXPECT_EQ(values_of("$['\xc3\xa9']", R"({"\u00e9":1,"\u00E9":2,"e\u0301":3})"),
            (Values{"1", "2"}));
  EXPECT_EQ(values_of(R"($['\n'])", R"({"\n":1,"\u000a":2,"\\n":3,"n":4})"), (Values{"1", "2"}));
  EXPECT_EQ(values_of("/", R"({"":1,"\u0000":2})"), Values{"1"});
  EXPECT_EQ(values_of("/\xef\xbf\xbf", R"({"\uffff":1})"), Values{"1"});
}

TEST(JsonSelect, ANameThatComesTwiceIsSelectedTwice) {
  EXPECT_EQ(values_of("$.a", R"({"a":1,"b":2,"a":[3]})"), (Values{"1", "[3]"}));
  EXPECT_EQ(values_of("$.a.b", R"({"a":{"b":1},"a":{"b":2}})"), (Values{"1", "2"}));
}

TEST(JsonSelect, WhatIsInsideOfOthersIsNotMeant) {
  EXPECT_EQ(values_of("$.a", R"({"b":{"a":1},"c":[{"a":2}],"a":{"a":3}})"), Values{R"({"a":3})"});
  EXPECT_EQ(values_of("$.a.b", R"({"x":{"a":{"b":0}},"a":[{"b":0}],"a":{"c":{"b":0},"b":1}})"),
            Values{"1"});
  EXPECT_EQ(values_of("$[1][1]", "[[0,1],[2,3],[4,5]]"), Values{"3"});
}

TEST(JsonSelect, StringsMayHoldWhatLooksLikeStructure) {
  EXPECT_EQ(values_of("$.a", R"({"b":"\",\"a\":1,{[","a":"}]\\"})"), Values{R"("}]\\")"});
}

TEST(JsonSelect, WhatFollowsASelectedValueIsValidatedToo) {
  const Outcome outcome = select("/a", R"({"a":1,"b":tru})");
  EXPECT_EQ(outcome.values, Values{"1"});
  ASSERT_TRUE(outcome.fault);
  EXPECT_EQ(outcome.fault->offset, 14U);
  EXPECT_EQ(outcome.fault->reason, "true, false or null was expected");
}

TEST(JsonSelect, AValueThatBreaksOffHasNoEnd) {
  const Outcome bad = select("/a", R"({"a":[1,2)");
  EXPECT_EQ(bad.values, Values{});
  EXPECT_EQ(bad.rest, "[1,2");
  ASSERT_TRUE(bad.fault);
  EXPECT_EQ(*bad.fault, (JsonFault{9, "the text ends in the middle of a value"}));
  EXPECT_EQ(select("", "-").values, Values{});
  EXPECT_EQ(select("/0", "[12").rest, "12") << "it might have gone on";
}

TEST(JsonSelect, LimitsAreExact) {
  const JsonSelect::Limits small{.depth_max = 3, .name_bytes_max = 5, .number_bytes_max = 4};
  EXPECT_EQ(select("$[0]", "[[[]]]", small).values, Values{"[[]]"});
  EXPECT_EQ(select("$[0]", "[[[[]]]]", small).fault, (JsonFault{3, kJsonTooDeep}));
  EXPECT_EQ(select("/abcde", R"({"abcde":1})", small).values, Values{"1"});
  EXPECT_EQ(select("/abcdef", R"({"abcdef":1})", small).fault, (JsonFault{7, kJsonNameTooLong}));
  EXPECT_EQ(select("", "-1.5", small).values, Values{"-1.5"});
  EXPECT_EQ(select("", "-1.55", small).fault, (JsonFault{4, kJsonNumberTooLong}));
}

TEST(JsonSelect, EveryTextIsSelectedWholeOrRefusedAlikeHoweverItIsCut) {
  for (const std::string_view text : kGoodJson) {
    const Values values = values_of("", text);
    ASSERT_EQ(values.size(), 1U);
    EXPECT_EQ(nlohmann::json::parse(values[0]), nlohmann::json::parse(text));
  }
  for (const std::string_view text : kBadJson) {
    EXPECT_TRUE(select("", text).fault) << text;
    EXPECT_TRUE(select("$.*.*", text).fault) << text;
  }
}

/// Makes a text of up to `depth` levels with names and elements that repeat from text to text.
class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  std::string text(int depth) {
    const unsigned kind = below(depth > 0 ? 8 : 5);
    return space() + (kind < 5 ? scalar(kind) : container(kind < 7, depth)) + space();
  }

 private:
  unsigned below(unsigned limit) { return static_cast<unsigned>(random_() % limit); }
  std::string space() {
    static constexpr std::array kSpaces = {"", "", "", " ", "\n  ", "\r\n\t"};
    return kSpaces[below(kSpaces.size())];
  }
  std::string scalar(unsigned kind) {
    static constexpr std::array kScalars = {"null", "true", "false", "\"\"", "-0", "1.25e-3"};
    if (kind == 0) return kScalars[below(kScalars.size())];
    if (kind == 1) return std::to_string(random_());
    return '"' + string() + '"';
  }
  std::string string() {
    static constexpr std::array kParts = {"plain words ",     "\\n",  "\\u00e9", "\\ud83d\\ude00",
                                          "\xc3\xa9",         "]},:", "\\\"",    "\\\\",
                                          "\xf0\x9f\x98\x80", "a"};
    std::string text;
    for (unsigned i = below(6); i > 0; --i) text += kParts[below(kParts.size())];
    return text;
  }
  std::string container(bool object, int depth) {
    static constexpr std::array kNames = {"\"0\"", "\"1\"", "\"a\"", "\"b\"", "\"\\u0063\""};
    std::string text(1, object ? '{' : '[');
    const unsigned size = below(kNames.size() + 1);
    for (unsigned i = 0; i < size; ++i) {
      if (i > 0) text += ',';
      if (object) text += space() + kNames[i] + space() + ':';
      text += this->text(depth - 1);
    }
    if (size == 0) text += space();
    return text + (object ? '}' : ']');
  }

  std::mt19937 random_;
};

void find(const nlohmann::json& value, std::span<const JsonPath::Step> steps,
          std::vector<nlohmann::json>& found) {
  if (steps.empty()) return found.push_back(value);
  const JsonPath::Step& step = steps.front();
  if (value.is_array())
    for (std::size_t i = 0; i < value.size(); ++i)
      if (step.any || step.index == i) find(value[i], steps.subspan(1), found);
  if (value.is_object())
    for (const auto& [name, member] : value.items())
      if (step.any || step.name == name) find(member, steps.subspan(1), found);
}

TEST(JsonSelect, SelectsWhatAWholeDocumentHolds) {
  std::size_t selected = 0;
  for (unsigned seed = 0; seed < 300; ++seed) {
    const std::string text = Generator(seed).text(5);
    const nlohmann::json document = nlohmann::json::parse(text);
    for (const char* path :
         {"", "/a", "/0/1", "/a/b/c", "$.a[*]", "$[*].*", "$.*.*.*", "$.c[0]", "/1/0"}) {
      std::vector<nlohmann::json> expected, got;
      find(document, JsonPath::parse(path)->steps(), expected);
      for (const std::string& value : values_of(path, text)) {
        EXPECT_NE(text.find(value), std::string::npos);
        got.push_back(nlohmann::json::parse(value));
      }
      // nlohmann's objects are sorted; the generated ones come in the same order.
      EXPECT_EQ(got, expected) << path << " of " << text;
      selected += got.size();
    }
  }
  EXPECT_GT(selected, 500U);
}

}  // namespace
}  // namespace millrace::parse
