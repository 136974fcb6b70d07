#include "endpoints/json_records.hpp"

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::endpoints {
namespace {

using parse::JsonPath;
using parse::JsonSelect;

class Values final : public parse::JsonSelectSink {
 public:
  void value_piece(std::string_view text) override { value_.append(text); }
  void value_end() override {
    all.push_back(std::move(value_));
    value_.clear();
  }
  std::vector<std::string> all;

 private:
  std::string value_;
};

struct Selected {
  std::vector<std::string> values;
  std::string fault;
  friend bool operator==(const Selected&, const Selected&) = default;
};

std::ostream& operator<<(std::ostream& out, const Selected& s) {
  for (const std::string& value : s.values) out << '<' << value << "> ";
  return out << s.fault;
}

Selected select(JsonFraming framing, std::string_view path, std::string_view body,
                std::size_t piece_bytes) {
  Values values;
  JsonSelect select(JsonPath::parse(path).value(), values);
  JsonRecords records(framing, select);
  JsonRecords::Outcome outcome;
  for (std::size_t at = 0; outcome && at < body.size(); at += piece_bytes) {
    const std::string_view piece = body.substr(at, piece_bytes);
    const std::vector<char> exact(piece.begin(), piece.end());
    outcome = records.feed({exact.data(), exact.size()});
  }
  if (outcome) outcome = records.finish();
  return {values.all, outcome ? std::string() : outcome.error()};
}

/// The same however the body is cut.
Selected select(JsonFraming framing, std::string_view path, std::string_view body) {
  const Selected whole = select(framing, path, body, body.size() + 1);
  for (const std::size_t bytes : {1U, 2U, 3U, 7U, 64U})
    EXPECT_EQ(select(framing, path, body, bytes), whole) << bytes;
  return whole;
}

TEST(JsonFramingTest, IsToldByTheMediaType) {
  EXPECT_EQ(json_framing_of("application/json"), JsonFraming::kText);
  EXPECT_EQ(json_framing_of(""), JsonFraming::kText);
  EXPECT_EQ(json_framing_of("application/x-ndjson"), JsonFraming::kLines);
  EXPECT_EQ(json_framing_of(" Application/JSONL ;charset=utf-8"), JsonFraming::kLines);
  EXPECT_EQ(json_framing_of("text/event-stream; charset=utf-8"), JsonFraming::kEvents);
  EXPECT_EQ(json_framing_of("text/event-streams"), JsonFraming::kText);
}

TEST(JsonRecordsTest, WholeBodyIsOneText) {
  EXPECT_EQ(select(JsonFraming::kText, "$[*].a", "[{\"a\":1},\n{\"a\":2}]"),
            (Selected{{"1", "2"}, ""}));
  EXPECT_EQ(select(JsonFraming::kText, "/a", "{\"a\":1}\n{\"a\":2}"),
            (Selected{{"1"}, "the answer is not JSON: something follows the value at byte 8"}));
}

TEST(JsonRecordsTest, EachLineIsAText) {
  EXPECT_EQ(select(JsonFraming::kLines, "/a", "{\"a\":1}\n \r\n\n{\"b\":0}\r\n{\"a\":[2]}"),
            (Selected{{"1", "[2]"}, ""}));
  EXPECT_EQ(select(JsonFraming::kLines, "", "1\n\"x\"\n"), (Selected{{"1", "\"x\""}, ""}));
  EXPECT_EQ(select(JsonFraming::kLines, "/a", ""), Selected());
}

TEST(JsonRecordsTest, LineThatIsNoTextIsAnError) {
  const Selected selected = select(JsonFraming::kLines, "/a", "{\"a\":1}\n\n{\"a\":2\n{\"a\":3}\n");
  EXPECT_EQ(selected.values, std::vector<std::string>{"1"});
  EXPECT_TRUE(selected.fault.starts_with("line 3 is not JSON: ")) << selected.fault;
}

TEST(JsonRecordsTest, LinesHaveALimit) {
  const std::string fits = "\"" + std::string(parse::LineSplitter::kLineBytesMax - 2, 'x') + "\"";
  EXPECT_EQ(select(JsonFraming::kLines, "", fits + "\n1\n", 4096), (Selected{{fits, "1"}, ""}));
  EXPECT_EQ(select(JsonFraming::kLines, "", "1\n " + fits + "\n", 4096),
            (Selected{{"1"}, "line 2: the line is too long"}));
}

TEST(JsonRecordsTest, DataOfEachEventIsATextUnlessItIsNone) {
  EXPECT_EQ(select(JsonFraming::kEvents, "/a",
                   "data: {\"a\":1}\n\n: ping\n\nevent: e\ndata: {\"a\":\ndata: 2}\n\n"
                   "data: {\"a\":3} and more\n\ndata: [DONE]\n\ndata: {\"a\":4}\n"),
            (Selected{{"1", "2"}, ""}));
}

TEST(JsonRecordsTest, SaysWhatItMayHold) {
  Values values;
  JsonSelect select(JsonPath::parse("/a").value(), values);
  JsonRecords lines(JsonFraming::kLines, select);
  ASSERT_TRUE(lines.feed("{\"a\""));
  EXPECT_GE(lines.held_bytes_max(), 4U);
  ASSERT_TRUE(lines.feed(":1}\n{"));
  EXPECT_GE(lines.held_bytes_max(), 1U);
  EXPECT_LE(lines.held_bytes_max(), 5U);
  JsonSelect other(JsonPath::parse("/a").value(), values);
  JsonRecords text(JsonFraming::kText, other);
  ASSERT_TRUE(text.feed("[1"));
  EXPECT_EQ(text.held_bytes_max(), 0U);
}

}  // namespace
}  // namespace millrace::endpoints
