// Streams of any size are parsed without an allocation, once the buffers are as large as the
// longest item needs.
#include "parse/csv.hpp"
#include "parse/json_select.hpp"
#include "parse/ndjson.hpp"
#include "parse/sse.hpp"
#include "support/count_allocations.hpp"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace millrace::parse {
namespace {

constexpr std::size_t kMiB = std::size_t{1024} * 1024;

class Counter final : public JsonSelectSink {
 public:
  void value_piece(std::string_view text) override { bytes += text.size(); }
  void value_end() override { ++values; }
  std::size_t bytes = 0;
  std::size_t values = 0;
};

class ConstantMemory : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::kCountsAllocations) GTEST_SKIP() << "sanitizers count for themselves";
  }

  /// Calls take(piece) for pieces of 4000 bytes of `unit` repeated, so that units are cut at any
  /// place; how many units. What the second half allocates is judged.
  template <class Take>
  static std::size_t stream(std::string_view unit, std::size_t bytes, Take take) {
    constexpr std::size_t kPieceBytes = 4000;
    std::string repeated;
    while (repeated.size() < kPieceBytes + unit.size()) repeated += unit;
    std::size_t sent = 0, at = 0, before = 0;
    while (sent < bytes || at != 0) {
      if (sent < bytes / 2) before = test::allocations();
      // The last piece ends with a unit.
      const std::size_t size = sent < bytes ? kPieceBytes : unit.size() - at;
      take(std::string_view(repeated).substr(at, size));
      sent += size;
      at = (at + size) % unit.size();
    }
    EXPECT_EQ(test::allocations() - before, 0U) << sent << " bytes of " << unit;
    return sent / unit.size();
  }
};

TEST_F(ConstantMemory, OfManySelectedValues) {
  constexpr std::string_view kItem =
      R"({"id": 123456, "name":"a name \u00e9 of some length", "tags":["x","yy",{"z":null}],)"
      R"("price":12.5e1},)";
  Counter sink;
  JsonSelect selection(JsonPath::parse("$.items[*].id").value(), sink);
  ASSERT_TRUE(selection.feed(R"({"items":[)"));
  const std::size_t items =
      stream(kItem, 96 * kMiB, [&](std::string_view piece) { ASSERT_TRUE(selection.feed(piece)); });
  ASSERT_TRUE(selection.feed("{}]}"));
  ASSERT_TRUE(selection.finish());
  EXPECT_EQ(sink.values, items);
  EXPECT_EQ(sink.bytes, 6 * items);
}

TEST_F(ConstantMemory, OfOneSelectedValue) {
  Counter sink;
  JsonSelect selection(JsonPath::parse("/a").value(), sink);
  ASSERT_TRUE(selection.feed(R"({"a":")"));
  const std::size_t units =
      stream("a long text, \xc3\xa9\\n", 32 * kMiB,
             [&](std::string_view piece) { ASSERT_TRUE(selection.feed(piece)); });
  ASSERT_TRUE(selection.feed("\"}"));
  ASSERT_TRUE(selection.finish());
  EXPECT_EQ(sink.values, 1U);
  EXPECT_EQ(sink.bytes, 17 * units + 2);
}

/// Feeds a piece and counts what comes out.
template <class Splitter>
std::size_t drain(Splitter& splitter, std::string_view piece) {
  std::size_t items = 0;
  splitter.feed(piece);
  for (;;) {
    const auto next = splitter.next();
    EXPECT_TRUE(next);
    if (!next || !*next) return items;
    ++items;
  }
}

TEST_F(ConstantMemory, OfLines) {
  LineSplitter lines;
  std::size_t items = 0;
  EXPECT_EQ(stream("a line of a log, of a usual length, or a little more\n", 16 * kMiB,
                   [&](std::string_view piece) { items += drain(lines, piece); }),
            items);
}

TEST_F(ConstantMemory, OfNdjson) {
  NdjsonSplitter lines;
  std::size_t items = 0;
  EXPECT_EQ(stream("{\"id\":1,\"text\":\"a line \xc3\xa9\",\"list\":[1,2,[3]]}\n", 16 * kMiB,
                   [&](std::string_view piece) { items += drain(lines, piece); }),
            items);
}

TEST_F(ConstantMemory, OfServerSentEvents) {
  SseParser events;
  std::size_t items = 0;
  EXPECT_EQ(
      stream(
          "id: 1234\nevent: a-type-that-is-rather-long\ndata: {\"text\":\"a token\"}\ndata: 2\n\n",
          16 * kMiB, [&](std::string_view piece) { items += drain(events, piece); }),
      items);
}

TEST_F(ConstantMemory, OfCsv) {
  CsvSplitter rows;
  std::size_t items = 0;
  EXPECT_EQ(stream("123,a field,\"one \"\"in quotes\"\", with a comma\",,2024-01-01\r\n", 16 * kMiB,
                   [&](std::string_view piece) { items += drain(rows, piece); }),
            items);
}

}  // namespace
}  // namespace millrace::parse
