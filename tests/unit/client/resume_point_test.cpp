#include "client/resume_point.hpp"

#include <chrono>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::test {
namespace {

using namespace std::chrono_literals;
using client::ResumePoint;
using http::BodyLength;
using http::Method;
using List = std::vector<std::pair<std::string_view, std::string_view>>;

// Sun, 06 Nov 1994 08:49:37 GMT
constexpr std::chrono::sys_seconds kNow{784111777s};
constexpr std::string_view kThen = "Sun, 06 Nov 1994 08:49:37 GMT";

http::Fields fields_of(const List& list) {
  http::Fields fields;
  for (const auto& [name, value] : list) fields.add(name, value);
  return fields;
}

std::optional<ResumePoint> point(const List& list, int status = 200,
                                 BodyLength length = BodyLength::known(10),
                                 Method method = Method::kGet) {
  const http::Fields fields = fields_of(list);
  return ResumePoint::of(method, {status, fields, length}, kNow);
}

TEST(ResumePoint, NeedsAStrongValidator) {
  EXPECT_TRUE(point({{"ETag", "\"v1\""}}));
  EXPECT_TRUE(point({{"ETag", "\"\""}}));
  EXPECT_FALSE(point({}));
  for (const char* etag : {"W/\"v1\"", "v1", "\"", "\"v1", "\"a\"b\"", "\"a b\"", ""})
    EXPECT_FALSE(point({{"ETag", etag}})) << etag;
  EXPECT_FALSE(point({{"ETag", "\"a\""}, {"ETag", "\"a\""}}));
}

TEST(ResumePoint, TakesALastModifiedThatIsAMinuteOld) {
  EXPECT_TRUE(point({{"Last-Modified", "Sun, 06 Nov 1994 08:48:37 GMT"}, {"Date", kThen}}));
  EXPECT_FALSE(point({{"Last-Modified", "Sun, 06 Nov 1994 08:48:38 GMT"}, {"Date", kThen}}));
  EXPECT_FALSE(point({{"Last-Modified", "Sun, 06 Nov 1994 08:48:37 GMT"}}));
  EXPECT_FALSE(point({{"Last-Modified", "yesterday"}, {"Date", kThen}}));
  // Who has an ETag must not be asked by date (RFC 9110 section 13.1.5).
  EXPECT_FALSE(point(
      {{"Last-Modified", "Sun, 06 Nov 1994 07:00:00 GMT"}, {"Date", kThen}, {"ETag", "W/\"v\""}}));
}

TEST(ResumePoint, NotWhereRangesAreRefused) {
  EXPECT_FALSE(point({{"ETag", "\"v1\""}, {"Accept-Ranges", "none"}}));
  EXPECT_TRUE(point({{"ETag", "\"v1\""}, {"Accept-Ranges", "bytes"}}));
}

TEST(ResumePoint, OnlyForGet) {
  for (const Method method : {Method::kPost, Method::kHead, Method::kPut})
    EXPECT_FALSE(point({{"ETag", "\"v1\""}}, 200, BodyLength::known(10), method));
}

TEST(ResumePoint, OfWhichStatus) {
  for (const int status : {201, 203, 206, 404, 500})
    EXPECT_FALSE(point({{"ETag", "\"v1\""}}, status)) << status;
  const auto partial = [](const char* range, BodyLength length) {
    return point({{"ETag", "\"v1\""}, {"Content-Range", range}}, 206, length);
  };
  EXPECT_TRUE(partial("bytes 5-9/10", BodyLength::known(5)));
  EXPECT_TRUE(partial("bytes 5-9/10", BodyLength::unknown()));
  EXPECT_FALSE(partial("bytes 5-9/10", BodyLength::known(4)));
  EXPECT_FALSE(partial("bytes 5-8/10", BodyLength::known(4)));
  EXPECT_FALSE(partial("bytes 5-9/*", BodyLength::known(5)));
}

TEST(ResumePoint, AsksForWhatIsMissing) {
  const auto whole = point({{"ETag", "\"v1\""}});
  EXPECT_EQ(whole->validator(), "\"v1\"");
  EXPECT_EQ(whole->range_from(0), "bytes=0-");
  EXPECT_EQ(whole->range_from(7), "bytes=7-");
  EXPECT_EQ(whole->body_bytes(), 10u);
  const auto rest =
      point({{"ETag", "\"v1\""}, {"Content-Range", "bytes 5-9/10"}}, 206, BodyLength::known(5));
  EXPECT_EQ(rest->range_from(2), "bytes=7-");
  EXPECT_EQ(rest->body_bytes(), 5u);
  EXPECT_EQ(point({{"ETag", "\"v1\""}}, 200, BodyLength::unknown())->body_bytes(), std::nullopt);
  const auto dated = point({{"Last-Modified", "Sun, 06 Nov 1994 07:00:00 GMT"}, {"Date", kThen}});
  EXPECT_EQ(dated->validator(), "Sun, 06 Nov 1994 07:00:00 GMT");
}

TEST(ResumePoint, KnowsTheRestFromEverythingElse) {
  const auto continues = [](const List& list, int status = 206,
                            BodyLength length = BodyLength::known(5),
                            BodyLength begun = BodyLength::known(10)) {
    auto from = point({{"ETag", "\"v1\""}, {"Content-Encoding", "gzip"}}, 200, begun);
    const http::Fields fields = fields_of(list);
    return from->is_continued_by({status, fields, length}, 5);
  };
  const std::pair<std::string_view, std::string_view> gzip{"Content-Encoding", "gzip"};
  const std::pair<std::string_view, std::string_view> rest{"Content-Range", "bytes 5-9/10"};
  EXPECT_TRUE(continues({gzip, rest}));
  EXPECT_TRUE(continues({gzip, rest, {"ETag", "\"v1\""}}));
  EXPECT_TRUE(continues({gzip, rest}, 206, BodyLength::unknown()));
  EXPECT_TRUE(continues({gzip, {"Content-Range", "bytes 5-19/20"}}, 206, BodyLength::known(15),
                        BodyLength::unknown()));
  EXPECT_FALSE(continues({gzip, rest}, 200));
  EXPECT_FALSE(continues({gzip, rest}, 416));
  EXPECT_FALSE(continues({gzip}));
  EXPECT_FALSE(continues({rest}));
  EXPECT_FALSE(continues({gzip, rest, rest}));
  EXPECT_FALSE(continues({gzip, rest, {"ETag", "\"v2\""}}));
  EXPECT_FALSE(continues({gzip, rest, {"ETag", "W/\"v1\""}}));
  EXPECT_FALSE(continues({gzip, rest}, 206, BodyLength::known(6)));
  for (const char* range : {"bytes 4-9/10", "bytes 6-9/10", "bytes 5-8/10", "bytes 5-10/11",
                            "bytes 5-9/*", "bytes */10"})
    EXPECT_FALSE(continues({gzip, {"Content-Range", range}}, 206, BodyLength::unknown())) << range;
}

TEST(ResumePoint, LearnsTheTotal) {
  auto from = point({{"ETag", "\"v1\""}}, 200, BodyLength::unknown());
  const http::Fields first = fields_of({{"Content-Range", "bytes 5-9/10"}});
  EXPECT_TRUE(from->is_continued_by({206, first, BodyLength::known(5)}, 5));
  EXPECT_EQ(from->body_bytes(), 10u);
  const http::Fields other = fields_of({{"Content-Range", "bytes 7-10/11"}});
  EXPECT_FALSE(from->is_continued_by({206, other, BodyLength::known(4)}, 7));
}

}  // namespace
}  // namespace millrace::test
