#include "parse/csv.hpp"

#include "feed.hpp"

#include <array>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::parse {
namespace {

using Row = std::vector<std::string>;
using Rows = std::vector<Row>;

auto split(std::string_view text, const CsvOptions& options = {}) {
  return give<Row>(CsvSplitter(options), text,
                   [](CsvRow row) { return Row(row.begin(), row.end()); });
}

Rows rows_of(std::string_view text, const CsvOptions& options = {}) {
  const auto given = split(text, options);
  EXPECT_FALSE(given.fault) << text << ": row " << given.fault->row << ": " << given.fault->reason;
  return given.items;
}

CsvFault fault_of(std::string_view text, const CsvOptions& options = {}) {
  return split(text, options).fault.value_or(CsvFault{0, "none"});
}

TEST(Csv, RowsEndWithCrLfOrLf) {
  EXPECT_EQ(rows_of("a,b\r\nc,d\ne,f\r\n"), (Rows{{"a", "b"}, {"c", "d"}, {"e", "f"}}));
  EXPECT_EQ(rows_of("a,b\nc"), (Rows{{"a", "b"}, {"c"}}));
  EXPECT_EQ(rows_of(""), Rows{});
}

TEST(Csv, FieldsMayBeEmpty) {
  EXPECT_EQ(rows_of(",\n"), (Rows{{"", ""}}));
  EXPECT_EQ(rows_of("a,,b,"), (Rows{{"a", "", "b", ""}}));
  EXPECT_EQ(rows_of("\n\r\na\n"), (Rows{{""}, {""}, {"a"}}));
  EXPECT_EQ(rows_of("\"\""), (Rows{{""}}));
  EXPECT_EQ(rows_of("\"\",\"\"\r\n"), (Rows{{"", ""}}));
  EXPECT_EQ(rows_of(" a , b "), (Rows{{" a ", " b "}})) << "spaces are part of a field";
}

TEST(Csv, QuotesHoldAnything) {
  EXPECT_EQ(rows_of("\"a,b\",\"c\r\nd\ne\rf\"\r\n\"g\",h"),
            (Rows{{"a,b", "c\r\nd\ne\rf"}, {"g", "h"}}));
  EXPECT_EQ(rows_of("\"a\"\"b\",\"\"\"\",\"\"\"\"\"\"\n"), (Rows{{"a\"b", "\"", "\"\""}}));
  EXPECT_EQ(rows_of("\"\"\"a\"\"\",b,\"c\"\"\""), (Rows{{"\"a\"", "b", "c\""}}));
}

TEST(Csv, TheDelimiterIsAChoice) {
  EXPECT_EQ(rows_of("a;b,c;\"d;e\"\n", {.delimiter = ';'}), (Rows{{"a", "b,c", "d;e"}}));
  EXPECT_EQ(rows_of("a\tb c\t\n", {.delimiter = '\t'}), (Rows{{"a", "b c", ""}}));
}

TEST(Csv, AByteOrderMarkIsSkipped) {
  EXPECT_EQ(rows_of("\xef\xbb\xbfid,\xef\xbb\xbf\n\xef\xbb\xbf"),
            (Rows{{"id", "\xef\xbb\xbf"}, {"\xef\xbb\xbf"}}));
  EXPECT_EQ(rows_of("\xef\xbb\xbf\"a,b\"\n"), (Rows{{"a,b"}}));
  EXPECT_EQ(rows_of("\xef\xbb\xbf"), Rows{});
  EXPECT_EQ(rows_of("\xef\xbb\xbf\n"), (Rows{{""}}));
  EXPECT_EQ(rows_of("\xef\xbb\n"), (Rows{{"\xef\xbb"}})) << "none, after all";
  EXPECT_EQ(rows_of("\xef"), (Rows{{"\xef"}}));
  EXPECT_EQ(rows_of("\xef,a"), (Rows{{"\xef", "a"}}));
}

TEST(Csv, SaysWhichRowIsBadAndWhy) {
  EXPECT_EQ(fault_of("a\nb\"c\n"),
            (CsvFault{2, "a quote in a field that does not begin with one"}));
  EXPECT_EQ(fault_of("\xef\xbb\"a\""),
            (CsvFault{1, "a quote in a field that does not begin with one"}));
  EXPECT_EQ(fault_of("a\nb\n\"c\"d\n"),
            (CsvFault{3, "a closing quote is followed by more of the field"}));
  EXPECT_EQ(fault_of("\"c\" ,d"),
            (CsvFault{1, "a closing quote is followed by more of the field"}));
  EXPECT_EQ(fault_of("a\rb\n"), (CsvFault{1, "a carriage return without a line feed"}));
  EXPECT_EQ(fault_of("a\r"), (CsvFault{1, "a carriage return without a line feed"}));
  EXPECT_EQ(fault_of("\"a\"\r\r\n"), (CsvFault{1, "a carriage return without a line feed"}));
  EXPECT_EQ(fault_of("a\n\"b\n\nc"), (CsvFault{2, "the closing quote is missing"}));
  EXPECT_EQ(split("a\nb\n\"").items, (Rows{{"a"}, {"b"}}));
}

TEST(Csv, LimitsAreExact) {
  for (const char* row : {"12,4567", "\"2,45\n\"", "\"2\"\"56\"", ",,,,,,,"})
    for (const char* end : {"\n", "\r\n", ""}) {
      const std::size_t bytes = std::string_view(row).size();
      EXPECT_EQ(split("a\n" + std::string(row) + end, {.row_bytes_max = bytes}).items.size(), 2U)
          << row;
      EXPECT_EQ(fault_of("a\n" + std::string(row) + end, {.row_bytes_max = bytes - 1}),
                (CsvFault{2, kRowTooLong}))
          << row;
    }
  EXPECT_EQ(rows_of("a,b,c\na,b,\n", {.fields_max = 3}).size(), 2U);
  for (const char* row : {"a,b,c,d\n", "a,b,c,", ",,,\r\n", "a,b,c,\"d\""})
    EXPECT_EQ(fault_of("a\n" + std::string(row), {.fields_max = 3}), (CsvFault{2, kTooManyFields}))
        << row;
}

TEST(Csv, RowsOfOnePieceAreNotCopied) {
  const std::string_view text = "a,\"b\"\nc,\"d\"\"e\"\nf";
  CsvSplitter csv;
  csv.feed(text);
  auto row = **csv.next();
  EXPECT_EQ(row[0].data(), text.data());
  EXPECT_EQ(row[1].data(), text.data() + 3);
  EXPECT_EQ(csv.row(), 1U);
  row = **csv.next();
  EXPECT_EQ(row[0].data(), text.data() + 6);
  EXPECT_EQ(row[1], "d\"e");
  EXPECT_EQ(*csv.next(), std::nullopt);
}

TEST(Csv, GivesBackWhatWasWritten) {
  static constexpr std::array kParts = {
      "a", "long plain text of a field", ",", "\"", "\r\n", "\n", "", " ", "\xc3\xa9"};
  std::mt19937 random(5);
  for (int i = 0; i < 200; ++i) {
    Rows rows(random() % 5);
    std::string text;
    for (Row& row : rows) {
      row.resize(random() % 4 + 1);
      for (std::string& field : row) {
        std::string written;
        for (auto parts = random() % 3; parts > 0; --parts)
          field += kParts[random() % kParts.size()];
        for (const char c : field) written += c == '"' ? "\"\"" : std::string(1, c);
        const bool quoted = field.find_first_of(",\"\r\n") != field.npos || random() % 2 == 0;
        if (&field != &row.front()) text += ',';
        text += quoted ? '"' + written + '"' : written;
      }
      text += random() % 2 == 0 ? "\n" : "\r\n";
    }
    EXPECT_EQ(rows_of(text), rows) << text;
  }
}

}  // namespace
}  // namespace millrace::parse
