#include "h1/head_parser.hpp"

#include <string>
#include <utility>
#include <vector>

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
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

TEST(ResponseParser, ReasonPhrases) {
  for (const char* line : {"HTTP/1.1 200", "HTTP/1.1 200 ", "HTTP/1.1 200 OK", "HTTP/1.1 200 a  b ",
                           "HTTP/1.1 200 caf\xc3\xa9"}) {
    RawResponse raw;
    Fields fields;
    ASSERT_TRUE(parse_response(std::string(line) + "\r\nA: b\r\n\r\n", raw, fields)) << line;
    EXPECT_EQ(raw.status, 200);
    EXPECT_EQ(fields.size(), 1u);
  }
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

// What another parser makes of the same head.
Pairs beast_fields(const std::string& head, int& status) {
  boost::beast::http::response_parser<boost::beast::http::string_body> parser;
  boost::system::error_code ec;
  parser.put(boost::asio::buffer(head), ec);
  EXPECT_FALSE(ec) << ec.message();
  status = parser.get().result_int();
  Pairs out;
  for (const auto& field : parser.get().base())
    out.emplace_back(std::string(field.name_string()), std::string(field.value()));
  return out;
}

TEST(ResponseParser, SeesWhatBeastSees) {
  const std::string heads[] = {
      "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sun, 22 Nov 2026 00:00:00 GMT\r\n"
      "Content-Type: text/html; charset=utf-8\r\nContent-Length: 0\r\nConnection: "
      "keep-alive\r\n\r\n",
      "HTTP/1.0 404 Not Found\r\n\r\n",
      "HTTP/1.1 500 \r\nA:b\r\nEmpty:\r\nTabs:\t x\ty \t\r\nColons: a:b:c\r\n\r\n",
      "HTTP/1.1 301 Moved\r\nLocation: https://example.com/?a=b&c=%20\r\nSet-Cookie: a=1\r\n"
      "set-cookie: b=2\r\nX-Odd!#$%&'*+-.^_`|~: \xff\x80\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 999 Odd\r\nTransfer-Encoding: chunked\r\n\r\n",
  };
  for (const std::string& head : heads) {
    RawResponse raw;
    Fields fields;
    ASSERT_TRUE(parse_response(head, raw, fields)) << head;
    int status = 0;
    const Pairs expected = beast_fields(head, status);
    EXPECT_EQ(raw.status, status) << head;
    Pairs seen;
    for (const http::Field& field : fields) seen.emplace_back(field.name, field.value);
    EXPECT_EQ(seen, expected) << head;
  }
}

TEST(ResponseParser, Errors) {
  for (const char* line :
       {"HTTP/2.0 200 OK", "HTTP/1.1 20 OK", "HTTP/1.1  200 OK", "HTTP/1.1 200OK", "HTTP/1.1 2000",
        "HTTP/1.1\t200 OK", "http/1.1 200 OK", "HTTP/1.1 -20 OK", "HTTP/1.1 200\tOK",
        "HTTP/1.1 020 OK", "HTTP/1.1 099 OK", "HTTP/1.1 000 OK", "HTTP/1.1 1000 OK",
        "HTTP/1.1 abc OK", "ICY 200 OK", ""}) {
    RawResponse raw;
    Fields fields;
    const auto parsed = parse_response(std::string(line) + "\r\n\r\n", raw, fields);
    ASSERT_FALSE(parsed.has_value()) << line;
    EXPECT_EQ(parsed.error().errc, Errc::kUpstreamBadMessage) << line;
  }
}

}  // namespace
}  // namespace millrace::h1
