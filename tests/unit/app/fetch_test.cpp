// The pure parts of `millrace fetch`: file names, retries, ranges, the progress line.
#include "app/download.hpp"
#include "app/file_name.hpp"
#include "app/progress.hpp"
#include "app/retry.hpp"

#include <string>

#include <gtest/gtest.h>

namespace millrace::app {
namespace {

using endpoints::BatchResult;
using endpoints::HeldBytes;
using http::FieldId;
using http::Method;
using std::chrono::milliseconds;
using std::chrono::seconds;

// --- names ---

TEST(FileName, IsTheLastSegment) {
  const std::pair<std::string_view, std::string_view> names[] = {
      {"/a/b/photo.jpg", "photo.jpg"},
      {"/photo.jpg?size=1/2", "photo.jpg"},
      {"/", "index.html"},
      {"/a/?b", "index.html"},
      {"/gr%C3%B6%C3%9Fe.txt", "gr\u00f6\u00dfe.txt"},
      {"/100%", "100%"},
      {"/a%2", "a%2"},
      {"/a%zz", "a%zz"},
      {"/%ff%fe", "__"},
  };
  for (const auto& [target, name] : names) EXPECT_EQ(file_name_of(target), name) << target;
}

TEST(FileName, CannotLeaveTheFolder) {
  const std::pair<std::string_view, std::string_view> names[] = {
      {"/..%2f..%2fetc%2fpasswd", "___.._etc_passwd"},
      {"/%2e%2e", "__"},
      {"/..", "__"},
      {"/.", "_"},
      {"/%2e%2e%2f", "___"},
      {"/.bashrc", "_bashrc"},
      {"/%00a", "_a"},
      {"/a%0ab%1bc%7f", "a_b_c_"},
      {"/c:%5ca", "c__a"},
      {"/a%20.%20", "a"},
      {"/a.part", "a.part_"},
      {"/a.part.note", "a.part.note_"},
  };
  for (const auto& [target, name] : names) {
    const std::string made = file_name_of(target);
    EXPECT_EQ(made.find('/'), std::string::npos);
    EXPECT_EQ(made, name) << target;
  }
}

TEST(FileName, IsShortEnoughAndKeepsItsExtension) {
  const std::string fits(kFileNameBytesMax - 4, 'a');
  EXPECT_EQ(file_name_of("/" + fits + ".txt"), fits + ".txt");
  EXPECT_EQ(file_name_of("/" + fits + "b.txt"), fits + ".txt");
  std::string wide;
  while (wide.size() < 400) wide += "\u00f6";
  const std::string cut = file_name_of("/x" + wide);
  EXPECT_LE(cut.size(), kFileNameBytesMax);
  EXPECT_EQ(cut, "x" + wide.substr(0, cut.size() - 1));
  EXPECT_EQ(cut.size() % 2, 1U) << "a character was cut";
}

TEST(FileName, TwoAreNeverTheSame) {
  FileNames names;
  EXPECT_EQ(names.claim("/x/a.txt"), "a.txt");
  EXPECT_EQ(names.claim("/y/a.txt"), "a-2.txt");
  EXPECT_EQ(names.claim("/a-2.txt"), "a-2-2.txt");
  EXPECT_EQ(names.claim("/a.txt?z"), "a-3.txt");
  EXPECT_EQ(names.claim("/"), "index.html");
  EXPECT_EQ(names.claim("/x/"), "index-2.html");
}

// --- retries ---

struct Retries : testing::Test {
  std::optional<Duration> pause(Method method = Method::kGet, unsigned attempt = 0,
                                std::uint64_t random = 0) {
    return retry_pause(method, result, attempt, random, now);
  }
  const std::chrono::sys_seconds now{seconds(784'111'777)};  // Sun, 06 Nov 1994 08:49:37 GMT
  HeldBytes held{1000};
  BatchResult result{held};
};

TEST_F(Retries, OnlyWhatMayPass) {
  for (const auto& [status, again] :
       {std::pair(200, false), std::pair(404, false), std::pair(429, true), std::pair(500, false),
        std::pair(502, true), std::pair(503, true), std::pair(504, true)}) {
    result.status = status;
    EXPECT_EQ(pause().has_value(), again) << status;
  }
  for (const auto& [errc, again] :
       {std::pair(Errc::kConnectRefused, true), std::pair(Errc::kUpstreamTruncated, true),
        std::pair(Errc::kTotalTimeout, false), std::pair(Errc::kTlsFailed, false),
        std::pair(Errc::kUrlRefused, false), std::pair(Errc::kUpstreamTooLarge, false),
        std::pair(Errc::kIo, false), std::pair(Errc::kCancelled, false)}) {
    result.errc = errc;
    EXPECT_EQ(pause().has_value(), again) << info(errc).code;
  }
}

TEST_F(Retries, OnlyWhatMayBeSentTwice) {
  result.status = 503;
  for (const Method method : {Method::kGet, Method::kHead, Method::kPut, Method::kDelete})
    EXPECT_TRUE(pause(method));
  for (const Method method : {Method::kPost, Method::kPatch}) EXPECT_FALSE(pause(method));
}

TEST_F(Retries, PausesDoubleWithJitterUpToAMost) {
  result.status = 503;
  EXPECT_EQ(pause(Method::kGet, 0, 0), Duration::zero());
  for (const auto& [attempt, most] :
       {std::pair(0U, Duration(std::chrono::milliseconds(500))),
        std::pair(3U, Duration(seconds(4))), std::pair(99U, Duration(seconds(30)))}) {
    const auto range = static_cast<std::uint64_t>(most.count());
    EXPECT_EQ(pause(Method::kGet, attempt, range), most);
    EXPECT_EQ(pause(Method::kGet, attempt, range + 1), Duration::zero());
  }
}

TEST_F(Retries, ServersMaySayWhen) {
  result.status = 429;
  result.fields.set(FieldId::kRetryAfter, "0");
  EXPECT_EQ(pause(), Duration::zero());
  result.fields.set(FieldId::kRetryAfter, "120");
  EXPECT_EQ(pause(), seconds(120));
  result.fields.set(FieldId::kRetryAfter, "121");
  EXPECT_EQ(pause(), std::nullopt);
  result.fields.set(FieldId::kRetryAfter, "99999999999999999999");
  EXPECT_EQ(pause(), std::nullopt);
  result.fields.set(FieldId::kRetryAfter, "Sun, 06 Nov 1994 08:49:40 GMT");
  EXPECT_EQ(pause(), seconds(3));
  result.fields.set(FieldId::kRetryAfter, "Sun, 06 Nov 1994 08:49:30 GMT");
  EXPECT_EQ(pause(), Duration::zero());
  result.fields.set(FieldId::kRetryAfter, "soon");
  EXPECT_EQ(pause(), Duration::zero());
}

// --- ranges ---

TEST(Download, ContentRange) {
  const auto range = parse_content_range("bytes 5-9/10");
  ASSERT_TRUE(range);
  EXPECT_EQ(range->first, 5U);
  EXPECT_EQ(range->last, 9U);
  EXPECT_EQ(range->whole, 10U);
  EXPECT_EQ(parse_content_range("Bytes 0-0/*")->whole, std::nullopt);
  for (const char* value :
       {"", "bytes", "bytes 5-9", "bytes 9-5/10", "bytes 5-10/10", "bytes */10", "bytes 5/9-10",
        "bytes a-9/10", "items 5-9/10", "bytes -9/10", "bytes 5-9/x", "bytes 5-9/", "bytes=5-9/10"})
    EXPECT_FALSE(parse_content_range(value)) << value;
}

TEST(Download, ValidatorsThatIfRangeCanRelyOn) {
  const std::chrono::sys_seconds now{seconds(784'111'777)};
  const auto of = [&](std::string_view etag, std::string_view modified, std::string_view date) {
    http::Fields fields;
    if (!etag.empty()) fields.add(FieldId::kETag, etag);
    if (!modified.empty()) fields.add(FieldId::kLastModified, modified);
    if (!date.empty()) fields.add(FieldId::kDate, date);
    return std::string(strong_validator(fields, now));
  };
  const std::string old = "Sun, 06 Nov 1994 08:49:36 GMT", fresh = "Sun, 06 Nov 1994 08:49:37 GMT";
  EXPECT_EQ(of("\"a\"", old, fresh), "\"a\"");
  EXPECT_EQ(of("W/\"a\"", "", ""), "");
  EXPECT_EQ(of("W/\"a\"", old, fresh), old);
  EXPECT_EQ(of("", fresh, fresh), "");
  EXPECT_EQ(of("", old, ""), "");
  EXPECT_EQ(of("a", "", fresh), "");
}

// --- progress ---

TEST(Progress, Line) {
  ProgressState state{.done = 25, .failed = 2, .bytes = 3'500'000, .total = 100};
  EXPECT_EQ(progress_text(state, seconds(10), 1'200'000, 200),
            "25/100 [======>                 ] 3.3 MiB  1.1 MiB/s  ETA 0:30  2 failed");
  state.total.reset();
  EXPECT_EQ(progress_text(state, seconds(10), 0, 200), "25/? 3.3 MiB  0 B/s  2 failed");
  EXPECT_EQ(progress_text(state, seconds(10), 0, 6), "25/? 3");
  state = {.done = 4, .failed = 0, .bytes = 0, .total = 4};
  EXPECT_EQ(progress_text(state, seconds(1), 0, 200), "4/4 [========================] 0 B  0 B/s");
  state = {.done = 0, .failed = 0, .bytes = 0, .total = 0};
  EXPECT_EQ(progress_text(state, seconds(1), 0, 200), "0/0 0 B  0 B/s");
}

TEST(Progress, Bytes) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(1024), "1.0 KiB");
  EXPECT_EQ(bytes_text(5.0 * 1024 * 1024 * 1024 * 1024 * 1024), "5120.0 TiB");
}

}  // namespace
}  // namespace millrace::app
