#include "http/head_scan.hpp"

#include "exact_buffer.hpp"
#include "http/byte_scan.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::http {
namespace {

using namespace std::string_literals;

template <class Match>
void compare_with_portable(std::string_view what) {
  for (int byte = 0; byte < 256; ++byte) {
    for (const std::size_t size : {1U, 7U, 15U, 16U, 17U, 31U, 32U, 40U}) {
      for (std::size_t at = 0; at < size; at += size > 20 ? 5 : 1) {
        std::string text(size, 'a');
        text[at] = static_cast<char>(byte);
        const ExactBuffer exact(text);
        const char* const begin = exact.view().data();
        const char* const end = begin + size;
        for (std::size_t from = 0; from <= size; from += size > 20 ? 3 : 1)
          ASSERT_EQ(find_byte<Match>(begin, begin + from, end),
                    find_bytewise<Match>(begin + from, end))
              << what << " byte " << byte << " at " << at << " of " << size << " from " << from;
      }
    }
  }
}

TEST(ByteScan, FindsWhatThePortableSearchFinds) {
  compare_with_portable<ControlButTab>("control");
  compare_with_portable<NameEnd>("name end");
}

TEST(ByteScan, HasControlAgreesForEveryByteAndLength) {
  for (std::size_t size = 0; size < 40; ++size) {
    const ExactBuffer clean(std::string(size, '\t'));
    EXPECT_FALSE(has_control(clean.view())) << size;
    for (std::size_t at = 0; at < size; ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string text(size, '\xff');
        text[at] = static_cast<char>(byte);
        const ExactBuffer exact(text);
        ASSERT_EQ(has_control(exact.view()), ControlButTab::one(static_cast<unsigned char>(byte)))
            << byte << " at " << at << " of " << size;
      }
    }
  }
}

/// The outcome of one scan over everything at once.
Result<std::size_t> whole(HeadKind kind, const std::string& text, const HeadLimits& limits = {}) {
  const ExactBuffer exact(text);
  HeadScanner scanner(kind, limits);
  return scanner.scan(exact.view());
}

/// The same, byte by byte, each time in a new buffer that ends with the last byte.
Result<std::size_t> dripped(HeadKind kind, const std::string& text, const HeadLimits& limits = {}) {
  HeadScanner scanner(kind, limits);
  for (std::size_t size = 0; size <= text.size(); ++size) {
    const ExactBuffer exact(std::string_view(text).substr(0, size));
    const Result<std::size_t> got = scanner.scan(exact.view());
    if (!got || *got != 0) return got;
  }
  return 0;
}

void expect_size(HeadKind kind, const std::string& text, std::size_t size) {
  for (const auto& got : {whole(kind, text), dripped(kind, text)}) {
    ASSERT_TRUE(got) << text << ": " << got.error().describe();
    EXPECT_EQ(*got, size) << text;
  }
}

void expect_error(HeadKind kind, const std::string& text, Errc errc,
                  const HeadLimits& limits = {}) {
  for (const auto& got : {whole(kind, text, limits), dripped(kind, text, limits)}) {
    ASSERT_FALSE(got) << testing::PrintToString(text.substr(0, 200)) << " gave " << *got;
    EXPECT_EQ(got.error().errc, errc)
        << testing::PrintToString(text.substr(0, 200)) << ": " << got.error().describe();
  }
}

const std::string kMinimal = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

TEST(HeadScan, FindsTheEnd) {
  expect_size(HeadKind::kRequest, kMinimal, kMinimal.size());
  expect_size(HeadKind::kRequest, kMinimal + "GET /next", kMinimal.size());
  expect_size(HeadKind::kRequest, kMinimal + "\0\x01\n\r"s, kMinimal.size());
  expect_size(HeadKind::kRequest, "GET / HTTP/1.0\r\n\r\n", 18);
  expect_size(HeadKind::kResponse, "HTTP/1.1 200 OK\r\nA:b\r\n\r\nbody", 24);
  expect_size(HeadKind::kResponse, "HTTP/1.1 200\r\n\r\n", 16);
}

TEST(HeadScan, ValuesMayBeEmptyHighOrHoldTabs) {
  for (const std::string value : {"", " ", "\t", "a\tb", "\xff\x80", ":", " a: b "}) {
    const std::string head = "GET / HTTP/1.1\r\nX:" + value + "\r\n\r\n";
    expect_size(HeadKind::kRequest, head, head.size());
  }
}

TEST(HeadScan, EveryPrefixIsIncomplete) {
  for (std::size_t size = 0; size < kMinimal.size(); ++size) {
    const auto got = whole(HeadKind::kRequest, kMinimal.substr(0, size));
    ASSERT_TRUE(got) << size;
    EXPECT_EQ(*got, 0U) << size;
  }
}

TEST(HeadScan, ToleratesOneEmptyLineBeforeARequest) {
  HeadScanner scanner(HeadKind::kRequest);
  EXPECT_EQ(scanner.scan("\r\n" + kMinimal).value(), kMinimal.size() + 2);
  EXPECT_EQ(scanner.start(), 2U);
  scanner.reset();
  EXPECT_EQ(scanner.scan(kMinimal).value(), kMinimal.size());
  EXPECT_EQ(scanner.start(), 0U);
  EXPECT_EQ(scanner.fields(), 1U);
  expect_size(HeadKind::kRequest, "\r\n" + kMinimal, kMinimal.size() + 2);
  expect_error(HeadKind::kRequest, "\r\n\r\n" + kMinimal, Errc::kBadRequestLine);
  expect_error(HeadKind::kRequest, "\n" + kMinimal, Errc::kBadRequestLine);
  expect_error(HeadKind::kRequest, "\r" + kMinimal, Errc::kBadRequestLine);
  expect_error(HeadKind::kResponse, "\r\nHTTP/1.1 200 OK\r\n\r\n", Errc::kUpstreamBadMessage);
}

TEST(HeadScan, RefusesWhatNoParserMaySee) {
  const std::vector<std::pair<std::string, Errc>> cases{
      {"GET / HTTP/1.1\nHost: a\r\n\r\n", Errc::kBadRequestLine},
      {"GET / HTTP/1.1\rHost: a\r\n\r\n", Errc::kBadRequestLine},
      {"GET /\0 HTTP/1.1\r\n\r\n"s, Errc::kBadRequestLine},
      {"GET /\x7f HTTP/1.1\r\n\r\n", Errc::kBadRequestLine},
      {"GET / HTTP/1.1\r\nHost: a\n\r\n", Errc::kBadField},
      {"GET / HTTP/1.1\r\nHost: a\r\n\n", Errc::kBadField},
      {"GET / HTTP/1.1\r\nHost: a\r\n\rX", Errc::kBadField},
      {"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", Errc::kBadField},
      {"GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n"s, Errc::kBadField},
      {"GET / HTTP/1.1\r\nTransfer-Encoding: \x0b"
       "chunked\r\n\r\n",
       Errc::kBadField},
      {"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\0\r\n\r\n"s, Errc::kBadField},
      {"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", Errc::kBadField},
      {"GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n", Errc::kBadField},
      {"GET / HTTP/1.1\r\n A: b\r\n\r\n", Errc::kBadField},
      {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", Errc::kBadField},
      {"GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", Errc::kBadField},
      {"GET / HTTP/1.1\r\nHo st: a\r\n\r\n", Errc::kBadField},
      {"GET / HTTP/1.1\r\n: a\r\n\r\n", Errc::kBadField},
      {"GET / HTTP/1.1\r\nHost\r\n\r\n", Errc::kBadField},
      {"GET / HTTP/1.1\r\nHost\nA: b\r\n\r\n", Errc::kBadField},
      {"GET / HTTP/1.1\r\nH\xc3\xb6st: a\r\n\r\n", Errc::kBadField},
      {"GET / HTTP/1.1\r\nA\0: b\r\n\r\n"s, Errc::kBadField},
  };
  for (const auto& [text, errc] : cases) expect_error(HeadKind::kRequest, text, errc);
}

TEST(HeadScan, AResponseOfTheSameKindIsTheUpstreamsFault) {
  for (const std::string bad :
       {"HTTP/1.1 200 OK\n\r\n", "HTTP/1.1 200 OK\r\nA: b\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "HTTP/1.1 200 OK\r\nA\r\n\r\n"})
    expect_error(HeadKind::kResponse, bad, Errc::kUpstreamBadMessage);
}

TEST(HeadScan, EveryControlIsRefusedInEveryPlace) {
  for (int c = 0; c < 256; ++c) {
    const bool control = (c < 0x20 && c != '\t') || c == 0x7f;
    const std::string byte(1, static_cast<char>(c));
    const std::string value =
        "GET / HTTP/1.1\r\nA-rather-long-name: some value " + byte + " x\r\n\r\n";
    const auto got = whole(HeadKind::kRequest, value);
    EXPECT_EQ(!got, control) << c;
    EXPECT_EQ(dripped(HeadKind::kRequest, value).has_value(), got.has_value()) << c;
  }
}

TEST(HeadScan, TheHeadLimitIsExact) {
  const auto head_of = [](std::size_t size) {
    std::string head = "GET / HTTP/1.1\r\nA:";
    head.append(size - head.size() - 4, 'x');
    return head + "\r\n\r\n";
  };
  const HeadLimits limits{.head_bytes_max = 200};
  EXPECT_EQ(whole(HeadKind::kRequest, head_of(200), limits).value(), 200U);
  EXPECT_EQ(dripped(HeadKind::kRequest, head_of(200), limits).value(), 200U);
  expect_error(HeadKind::kRequest, head_of(201), Errc::kHeadTooLarge, limits);
  expect_error(HeadKind::kResponse, head_of(201), Errc::kUpstreamHeadTooLarge, limits);
  EXPECT_EQ(whole(HeadKind::kRequest, head_of(199), limits).value(), 199U);
}

TEST(HeadScan, TheFieldLimitIsExact) {
  const HeadLimits limits{.fields_max = 3};
  const std::string three = "GET / HTTP/1.1\r\nA:1\r\nB:2\r\nC:3\r\n";
  EXPECT_TRUE(whole(HeadKind::kRequest, three + "\r\n", limits));
  expect_error(HeadKind::kRequest, three + "D:4\r\n\r\n", Errc::kTooManyFields, limits);
  expect_error(HeadKind::kResponse, three + "D:4\r\n\r\n", Errc::kUpstreamHeadTooLarge, limits);
}

TEST(HeadScan, AnEndlessRequestLineIsATargetThatIsTooLong) {
  const HeadLimits limits{.target_bytes_max = 100};
  const std::string fits = "GET /" + std::string(99, 'a') + " HTTP/1.1\r\n\r\n";
  EXPECT_TRUE(whole(HeadKind::kRequest, fits, limits));
  expect_error(HeadKind::kRequest, "GET /" + std::string(300, 'a'), Errc::kTargetTooLong, limits);
  EXPECT_TRUE(whole(HeadKind::kResponse, "HTTP/1.1 200 " + std::string(300, 'a'), limits));
  expect_error(HeadKind::kRequest, "GET /" + std::string(70000, 'a'), Errc::kTargetTooLong);
}

TEST(HeadScan, ABufferMayMoveBetweenCalls) {
  HeadScanner scanner(HeadKind::kRequest);
  std::string moving;
  for (const char c : kMinimal.substr(0, kMinimal.size() - 1)) {
    moving.push_back(c);
    std::string elsewhere = moving;
    EXPECT_EQ(scanner.scan(elsewhere).value(), 0U);
    elsewhere.assign(elsewhere.size(), '\0');
  }
  EXPECT_EQ(scanner.scan(kMinimal).value(), kMinimal.size());
}

}  // namespace
}  // namespace millrace::http
