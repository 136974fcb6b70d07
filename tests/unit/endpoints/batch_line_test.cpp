// Results as lines of NDJSON; and the memory that they hold.
#include "endpoints/batch_line.hpp"

#include "base/base64.hpp"
#include "endpoints/text_check.hpp"
#include "support/on_io.hpp"

#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace millrace::endpoints {
namespace {

using nlohmann::json;
using std::chrono::nanoseconds;
using namespace std::string_literals;

class Collected final : public LineSink {
 public:
  Task<Result<void>> write(Bytes bytes) override {
    pieces.push_back(bytes.size());
    text.append(bytes.data(), bytes.size());
    held.push_back(all->held());
    co_return Result<void>{};
  }
  const HeldBytes* all = nullptr;
  std::string text;
  std::vector<std::size_t> pieces;
  std::vector<std::uint64_t> held;  // of the batch's memory, at each write
};

class BatchLine : public testing::Test {
 protected:
  void hold(std::string_view body, BatchResult::Body kind) {
    result_.body_kind = kind;
    millrace::test::on_io(
        io_, [&]() -> Task<void> { EXPECT_TRUE(co_await result_.held.grow(body.size())); });
    result_.body.append(body);
  }
  std::string text(LineReader reader = LineReader::kStranger) {
    sink_.all = &held_;
    millrace::test::on_io(io_, [&]() -> Task<void> {
      EXPECT_TRUE(co_await write_batch_line(result_, reader, sink_));
    });
    EXPECT_EQ(sink_.text.find('\n'), sink_.text.size() - 1) << "one line";
    return sink_.text;
  }
  json line(LineReader reader = LineReader::kStranger) { return json::parse(text(reader)); }

  IoThread io_{0};
  HeldBytes held_{1 << 20};
  BatchResult result_{held_};
  Collected sink_;
};

TEST_F(BatchLine, AnAnswer) {
  result_.index = 7;
  result_.url = "http://a/";
  result_.status = 203;
  result_.fields.add("ETag", "\"x\\y\"");
  result_.fields.add("X", "");
  result_.attempts = 2;
  result_.reused = true;
  hold("hello", BatchResult::Body::kText);
  EXPECT_EQ(text(),
            R"({"index":7,"url":"http://a/","status":203,"headers":[["ETag","\"x\\y\""],["X",""]],)"
            R"("body":"hello","timing_us":{"queue":0,"dns":0,"connect":0,"tls":0,"send":0,)"
            R"("wait":0,"receive":0,"total":0},"connection":{"reused":true,"protocol":"http/1.1"},)"
            R"("attempts":2})"
            "\n");
}

TEST_F(BatchLine, NewConnectionsSayWhereTheAddressCameFrom) {
  result_.status = 200;
  result_.dns_source = "cache";
  hold("", BatchResult::Body::kText);
  EXPECT_NE(text().find(R"("connection":{"reused":false,"protocol":"http/1.1","dns":"cache"})"),
            std::string::npos);
}

TEST_F(BatchLine, EveryCharacterComesBack) {
  std::string body;
  for (char c = 0; c != 0x7f; ++c) body += c;
  body += "\x7f größe \u20ac \U0001f600 \u2028";
  hold(body, BatchResult::Body::kText);
  EXPECT_EQ(line()["body"], body);
}

TEST_F(BatchLine, LargeTextsGoOutInPiecesAndGiveTheirMemoryBack) {
  std::string body;
  while (body.size() < 500'000) body += "\x01\"größe\n";
  hold(body, BatchResult::Body::kText);
  EXPECT_EQ(line()["body"], body);
  for (const std::size_t piece : sink_.pieces) EXPECT_LT(piece, 128U * 1024);
  EXPECT_LT(sink_.held[sink_.held.size() / 2], body.size() * 2 / 3);
  EXPECT_EQ(held_.held(), 0U);
}

TEST_F(BatchLine, BinaryBodiesOfEverySizeAreBase64) {
  for (const std::size_t size : {0U, 1U, 2U, 3U, 4095U, 4096U, 4097U, 12'289U, 70'000U, 70'001U}) {
    std::string body;
    while (body.size() < size) body += static_cast<char>(body.size() * 7 + (body.size() >> 8));
    hold(body, BatchResult::Body::kBinary);
    sink_ = {};
    EXPECT_EQ(decode_base64(line()["body_base64"].get<std::string>()), body) << size;
  }
}

TEST_F(BatchLine, SelectedValuesAreNotQuoted) {
  hold(R"([1,{"a":null}])", BatchResult::Body::kSelected);
  result_.matched = 2;
  const json told = line();
  EXPECT_EQ(told["selected"], json::parse(R"([1,{"a":null}])"));
  EXPECT_EQ(told["matched"], 2);
  EXPECT_FALSE(told.contains("body"));
}

TEST_F(BatchLine, HeadersThatAreNoUtf8AreTakenForLatin1) {
  result_.fields.add("A", "gr\xfc\xdf\x80");
  result_.fields.add("B", "gr\u00fc\u00df");
  const json told = line();
  EXPECT_EQ(told["headers"][0][1], "gr\u00fc\u00df\u0080");
  EXPECT_EQ(told["headers"][1][1], "gr\u00fc\u00df");
}

TEST_F(BatchLine, PhasesSumToTheTotalWhateverTheirFractions) {
  TimePoint at{std::chrono::hours(1)};
  result_.timings.begin(at);
  std::uint64_t step = 1;
  for (int phase = 0; phase < static_cast<int>(Phase::kCount_); ++phase) {
    step = step * 2'654'435'761 % 7'919'777;
    result_.timings.end(static_cast<Phase>(phase), at += nanoseconds(step));
  }
  const json told = line()["timing_us"];
  std::uint64_t sum = 0;
  for (const char* name : {"queue", "dns", "connect", "tls", "send", "wait", "receive"})
    sum += told[name].get<std::uint64_t>();
  EXPECT_EQ(told["total"], sum);
  EXPECT_EQ(told["total"],
            std::chrono::duration_cast<std::chrono::microseconds>(result_.timings.total()).count());
  EXPECT_EQ(told.size(), 8U);
}

TEST_F(BatchLine, StrangersLearnOfFailuresNothingButCodeAndTime) {
  result_.index = 3;
  result_.url = "http://secret/";
  result_.errc = Errc::kTlsFailed;
  result_.cause = "certificate has expired";
  result_.attempts = 1;
  result_.timings.begin(TimePoint{std::chrono::hours(1)});
  result_.timings.end(Phase::kConnect, TimePoint{std::chrono::hours(1)} + nanoseconds(5'000'999));
  const json told = line();
  EXPECT_EQ(told.size(), 3U);
  EXPECT_EQ(told["index"], 3);
  EXPECT_EQ(told["error"]["code"], "tls_failed");
  EXPECT_EQ(told["error"]["status"], 502);
  EXPECT_EQ(told["timing_us"], json::parse(R"({"total":5000})"));
}

TEST_F(BatchLine, OperatorsLearnAll) {
  result_.url = "http://mine/";
  result_.errc = Errc::kTlsFailed;
  result_.cause = "certificate has expired";
  const json told = line(LineReader::kOperator);
  EXPECT_EQ(told["url"], "http://mine/");
  EXPECT_EQ(told["error"]["detail"], "certificate has expired");
  EXPECT_TRUE(told["timing_us"].contains("connect"));
  EXPECT_TRUE(told.contains("attempts"));
}

TEST_F(BatchLine, Summary) {
  BatchSummary summary;
  result_.received = 10;
  result_.attempts = 1;
  for (const auto& [status, errc] :
       {std::pair(200, Errc::kCount_), std::pair(399, Errc::kCount_), std::pair(400, Errc::kCount_),
        std::pair(0, Errc::kDeadline)}) {
    result_.status = status;
    result_.errc = errc;
    summary.add(result_);
  }
  EXPECT_EQ(summary_line(summary, std::chrono::milliseconds(2)),
            R"({"summary":{"count":4,"succeeded":2,"failed":2,"errors":1,"bytes":40,)"
            R"("wall_us":2000}})"
            "\n");
}

// --- text or not ---

TEST(TextCheck, ValidTextsCutAnywhere) {
  const std::string text = "plain ASCII text, größe, \u20ac, \U0001f600, \u07ff\u0800\ud7ff\uffff.";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    TextCheck check;
    check.feed(std::string_view(text).substr(0, cut));
    check.feed(std::string_view(text).substr(cut));
    EXPECT_TRUE(check.whole()) << cut;
  }
}

TEST(TextCheck, WhatIsNone) {
  for (const char* text :
       {"\x80", "a\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xc3", "\xe2\x82", "\xf0\x9f\x98", "\xc3(",
        "\xe2(\xa1", "12345678\xfe"}) {
    TextCheck check;
    check.feed(text);
    EXPECT_FALSE(check.whole()) << text;
  }
}

// --- memory ---

Task<void> grow(HeldBytes::Share& share, std::uint64_t bytes, HeldBytes::Overrun overrun,
                std::string& log, char name) {
  const auto grown = co_await share.grow(bytes, overrun);
  log += grown ? name : '!';
}

TEST(HeldBytes, TheLimitIsExactAndOneMayGoOver) {
  IoThread io(0);
  millrace::test::on_io(io, []() -> Task<void> {
    constexpr auto kNo = HeldBytes::Overrun::kNo;
    constexpr auto kYes = HeldBytes::Overrun::kYes;
    HeldBytes all(10);
    std::string log;
    TaskGroup group;
    HeldBytes::Share patient(all), second(all);
    auto first = std::make_unique<HeldBytes::Share>(all);
    co_await grow(*first, 10, kNo, log, 'a');  // just fits
    group.spawn(grow(patient, 1, kNo, log, 'p'));
    co_await yield_now();
    co_await grow(*first, 5, kYes, log, 'b');  // the one that may go over
    co_await grow(*first, 5, kYes, log, 'c');  // and over
    group.spawn(grow(second, 1, kYes, log, 's'));
    co_await yield_now();
    EXPECT_EQ(log, "abc");
    EXPECT_EQ(all.held(), 20U);
    first->shrink(10);
    co_await yield_now();
    EXPECT_EQ(log, "abc");  // still full
    first.reset();
    co_await group.join();
    EXPECT_EQ(log, "abcps");
    EXPECT_EQ(all.held(), 2U);
  });
}

TEST(HeldBytes, WhoWaitsCanBeCancelled) {
  IoThread io(0);
  millrace::test::on_io(io, []() -> Task<void> {
    HeldBytes all(1);
    std::string log;
    HeldBytes::Share share(all);
    TaskGroup group;
    group.spawn(grow(share, 2, HeldBytes::Overrun::kNo, log, 'a'));
    co_await yield_now();
    group.cancel();
    co_await group.join();
    EXPECT_EQ(log, "!");
    EXPECT_EQ(all.held(), 0U);
  });
}

}  // namespace
}  // namespace millrace::endpoints
