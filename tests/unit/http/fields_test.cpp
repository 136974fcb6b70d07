#include "http/fields.hpp"

#include "exact_buffer.hpp"

#include <cctype>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::http {
namespace {

constexpr auto kFirst = static_cast<std::size_t>(FieldId::kAccept);
constexpr auto kLast = static_cast<std::size_t>(FieldId::kCount_);

std::vector<std::pair<std::string, std::string>> flat(const Fields& fields) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const Field& field : fields) out.emplace_back(field.name, field.value);
  return out;
}

TEST(FieldId, EveryNameIsFoundInAnyCase) {
  for (std::size_t i = kFirst; i < kLast; ++i) {
    const auto id = static_cast<FieldId>(i);
    std::string name(field_name(id));
    ASSERT_FALSE(name.empty()) << i;
    EXPECT_EQ(field_id(ExactBuffer(name).view()), id) << name;
    for (char& c : name) c = static_cast<char>(std::tolower(c));
    EXPECT_EQ(field_id(ExactBuffer(name).view()), id) << name;
    for (char& c : name) c = static_cast<char>(std::toupper(c));
    EXPECT_EQ(field_id(ExactBuffer(name).view()), id) << name;
  }
}

TEST(FieldId, OneForeignByteAnywhereMakesItAnotherName) {
  for (std::size_t i = kFirst; i < kLast; ++i) {
    const std::string name(field_name(static_cast<FieldId>(i)));
    for (std::size_t at = 0; at < name.size(); ++at) {
      for (int c = 0; c < 256; ++c) {
        std::string other = name;
        other[at] = static_cast<char>(c);
        const bool same = std::tolower(c) == std::tolower(static_cast<unsigned char>(name[at]));
        EXPECT_EQ(field_id(other) == static_cast<FieldId>(i), same)
            << name << " at " << at << ": " << c;
      }
    }
  }
}

TEST(FieldId, OthersAreOther) {
  for (const std::string_view name : {"", "X", "Hos", "Hostx", "Content-Lengt", "Content_Length",
                                      "Transfer-Encoding ", "X-Real-IP"})
    EXPECT_EQ(field_id(name), FieldId::kOther) << name;
  EXPECT_EQ(field_name(FieldId::kOther), "");
}

TEST(Fields, KeepsOrderAndDuplicates) {
  Fields fields;
  fields.add("X-A", "1");
  fields.add(FieldId::kAccept, "a");
  fields.add("accept", "b");
  EXPECT_EQ(flat(fields), (std::vector<std::pair<std::string, std::string>>{
                              {"X-A", "1"}, {"Accept", "a"}, {"accept", "b"}}));
  EXPECT_EQ(fields.find(FieldId::kAccept)->value, "a");
  EXPECT_EQ(fields.find("ACCEPT")->value, "a");
  EXPECT_EQ(fields.find("x-a")->value, "1");
  EXPECT_EQ(fields.find("x-b"), nullptr);
  EXPECT_EQ(fields.count(FieldId::kAccept), 2U);
  EXPECT_EQ(fields.value_or(FieldId::kHost, "none"), "none");
  EXPECT_EQ(fields.value_or(FieldId::kAccept, "none"), "a");
}

TEST(Fields, SetReplacesAllAndRemoveKeepsTheOrderOfTheRest) {
  Fields fields;
  fields.add(FieldId::kAccept, "a");
  fields.add("X-A", "1");
  fields.add(FieldId::kAccept, "b");
  fields.add("X-B", "2");
  fields.set(FieldId::kAccept, "c");
  EXPECT_EQ(flat(fields), (std::vector<std::pair<std::string, std::string>>{
                              {"X-A", "1"}, {"X-B", "2"}, {"Accept", "c"}}));
  fields.remove(FieldId::kAccept);
  EXPECT_FALSE(fields.has(FieldId::kAccept));
  EXPECT_EQ(fields.size(), 2U);
  fields.clear();
  EXPECT_TRUE(fields.empty());
}

TEST(Fields, CopiesOutliveTheirSourceAndAMove) {
  Fields fields;
  {
    std::string name = "X-Temporary";
    std::string value(3000, 'v');
    fields.add_copy(name, value);
    fields.set_copy(FieldId::kAge, std::string("7"));
    name.assign(name.size(), '#');
    value.assign(value.size(), '#');
  }
  const Fields moved = std::move(fields);
  EXPECT_EQ(moved.find("x-temporary")->value, std::string(3000, 'v'));
  EXPECT_EQ(moved.find(FieldId::kAge)->value, "7");
}

TEST(TextArena, ClearKeepsOneOrdinaryChunk) {
  TextArena arena;
  const char* const first = arena.copy("first").data();
  arena.copy(std::string(5000, 'x'));
  arena.clear();
  EXPECT_EQ(arena.copy("again").data(), first);
  EXPECT_EQ(arena.copy(""), "");

  TextArena large;
  large.copy(std::string(5000, 'x'));
  large.clear();
  EXPECT_EQ(large.copy("small"), "small");
}

TEST(TextArena, ViewsStayWhereTheyAreWhileItGrows) {
  TextArena arena;
  std::vector<std::string_view> views;
  for (int i = 0; i < 1000; ++i) views.push_back(arena.copy("text " + std::to_string(i)));
  for (int i = 0; i < 1000; ++i)
    EXPECT_EQ(views[static_cast<std::size_t>(i)], "text " + std::to_string(i));
}

TEST(TextArena, JoinsMovesAndTakesWhatIsLarge) {
  TextArena arena;
  EXPECT_EQ(arena.join({}), "");
  const std::string_view joined = arena.join({"for=", "", "1.2.3.4", ";proto=http"});
  const std::string large(5000, 'x');
  const std::string_view kept = arena.copy(large);
  TextArena moved = std::move(arena);
  EXPECT_EQ(joined, "for=1.2.3.4;proto=http");
  EXPECT_EQ(kept, large);
  TextArena other;
  const std::string_view theirs = other.copy("theirs");
  moved = std::move(other);
  EXPECT_EQ(theirs, "theirs");
}

TEST(List, FindsTokensWithoutCase) {
  EXPECT_TRUE(list_has_token("keep-alive, Upgrade", "upgrade"));
  EXPECT_TRUE(list_has_token("\tclose ", "close"));
  EXPECT_FALSE(list_has_token("closed, x close", "close"));
  EXPECT_FALSE(list_has_token("", "close"));
}

}  // namespace
}  // namespace millrace::http
