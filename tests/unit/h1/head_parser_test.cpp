#include "h1/head_parser.hpp"

#include "h1/request_head.hpp"

#include <string>

#include <gtest/gtest.h>

namespace millrace::h1 {
namespace {

using http::Fields;
using http::RawRequest;
using http::Version;

Errc request_error(std::string_view head) {
  RawRequest raw;
  Fields fields;
  const auto parsed = parse_request(head, raw, fields);
  return parsed ? Errc::kCount_ : parsed.error().errc;
}

TEST(RequestParser, SplitsWithoutCopying) {
  const std::string head = "PATCH /a?b HTTP/1.1\r\nHost: h\r\nx-y:\t z \r\nEmpty:\r\n\r\n";
  RawRequest raw;
  Fields fields;
  ASSERT_TRUE(parse_request(head, raw, fields).has_value());
  EXPECT_EQ(raw.method_text, "PATCH");
  EXPECT_EQ(raw.target, "/a?b");
  EXPECT_EQ(raw.version, Version::kHttp11);
  ASSERT_EQ(fields.size(), 3u);
  EXPECT_EQ(fields.value_or(http::FieldId::kHost, ""), "h");
  EXPECT_EQ(fields.find("X-Y")->value, "z");
  EXPECT_EQ(fields.find("Empty")->value, "");
  for (const http::Field& f : fields) {
    EXPECT_GE(f.name.data(), head.data());
    EXPECT_LT(f.name.data(), head.data() + head.size());
  }
}

TEST(RequestParser, Versions) {
  RawRequest raw;
  Fields fields;
  ASSERT_TRUE(parse_request("GET / HTTP/1.0\r\n\r\n", raw, fields).has_value());
  EXPECT_EQ(raw.version, Version::kHttp10);
  for (const char* version : {"HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "HTTP/9.9"})
    EXPECT_EQ(request_error("GET / " + std::string(version) + "\r\n\r\n"), Errc::kBadVersion)
        << version;
  for (const char* version :
       {"HTTP/1.x", "HTTP/1", "HTTP/1.10", "http/1.1", "HTTP/1.1 ", "HTP/1.1", "x"})
    EXPECT_EQ(request_error("GET / " + std::string(version) + "\r\n\r\n"), Errc::kBadRequestLine)
        << version;
}

TEST(RequestParser, Errors) {
  EXPECT_EQ(request_error("G@T / HTTP/1.1\r\n\r\n"), Errc::kBadMethod);
  EXPECT_EQ(request_error("GET  / HTTP/1.1\r\n\r\n"), Errc::kBadTarget);
  EXPECT_EQ(request_error(" / HTTP/1.1\r\n\r\n"), Errc::kBadMethod);
  EXPECT_EQ(request_error("GET\r\n\r\n"), Errc::kBadMethod);
  EXPECT_EQ(request_error("GET /\r\n\r\n"), Errc::kBadTarget);
  EXPECT_EQ(request_error("GET / HTTP/1.1 \r\n\r\n"), Errc::kBadRequestLine);
  EXPECT_EQ(request_error("GET /  HTTP/1.1\r\n\r\n"), Errc::kBadRequestLine);
}

TEST(ResponseParser, SplitsWithoutCopying) {
  const std::string head =
      "HTTP/1.0 404 Not Found\r\nServer: s\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n";
  RawResponse raw;
  Fields fields;
  ASSERT_TRUE(parse_response(head, raw, fields).has_value());
  EXPECT_EQ(raw.status, 404);
  EXPECT_EQ(raw.version, Version::kHttp10);
  EXPECT_EQ(fields.size(), 3u);
  EXPECT_EQ(fields.count(http::FieldId::kSetCookie), 2u);
}

TEST(ResponseParser, Errors) {
  for (const char* line :
       {"HTTP/2.0 200 OK", "HTTP/1.1 20 OK", "HTTP/1.1 020 OK", "HTTP/1.1 099 OK",
        "HTTP/1.1 000 OK", "HTTP/1.1 1000 OK", "HTTP/1.1 abc OK", "ICY 200 OK", ""}) {
    RawResponse raw;
    Fields fields;
    const auto parsed = parse_response(std::string(line) + "\r\n\r\n", raw, fields);
    ASSERT_FALSE(parsed.has_value()) << line;
    EXPECT_EQ(parsed.error().errc, Errc::kUpstreamBadMessage) << line;
  }
}

}  // namespace
}  // namespace millrace::h1
