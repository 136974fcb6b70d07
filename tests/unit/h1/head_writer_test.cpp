#include "h1/head_writer.hpp"

#include <string>

#include <gtest/gtest.h>

namespace millrace::h1 {
namespace {

using http::BodyLength;
using http::FieldId;
using http::Fields;
using http::ResponseHead;

std::string response(const ResponseHead& head, const ResponseFraming& framing = {}) {
  ByteBuffer out;
  write_response_head(out, head, framing);
  return std::string(out.view());
}

/// With a Date of its own, so that the text is known.
ResponseHead dated(int status, BodyLength body = {}) {
  ResponseHead head;
  head.status = status;
  head.body = body;
  head.fields.add(FieldId::kDate, "then");
  return head;
}

TEST(ResponseHeadWriter, KnownLength) {
  EXPECT_EQ(response(dated(200, BodyLength::known(5))),
            "HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(response(dated(404, BodyLength::known(UINT64_MAX))),
            "HTTP/1.1 404 Not Found\r\nDate: then\r\nContent-Length: 18446744073709551615\r\n\r\n");
}

TEST(ResponseHeadWriter, Framing) {
  EXPECT_EQ(response(dated(200), {.chunked = true}),
            "HTTP/1.1 200 OK\r\nDate: then\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(response(dated(200), {.zero_length = true}),
            "HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(response(dated(200), {.close = true}),
            "HTTP/1.1 200 OK\r\nDate: then\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(response(dated(200), {.keep_alive = true}),
            "HTTP/1.1 200 OK\r\nDate: then\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(response(dated(200), {.close = true, .keep_alive = true}),
            "HTTP/1.1 200 OK\r\nDate: then\r\nConnection: close\r\n\r\n");
}

TEST(ResponseHeadWriter, StatusesWithoutALength) {
  EXPECT_EQ(response(dated(204, BodyLength::known(0))),
            "HTTP/1.1 204 No Content\r\nDate: then\r\n\r\n");
  EXPECT_EQ(response(dated(304, BodyLength::known(0))),
            "HTTP/1.1 304 Not Modified\r\nDate: then\r\n\r\n");
  EXPECT_EQ(response(dated(304, BodyLength::known(7))),
            "HTTP/1.1 304 Not Modified\r\nDate: then\r\nContent-Length: 7\r\n\r\n");
}

TEST(ResponseHeadWriter, FramingFieldsOfTheHeadAreLeftOut) {
  ResponseHead head = dated(200, BodyLength::known(1));
  head.fields.add("content-length", "99");
  head.fields.add("Transfer-Encoding", "gzip");
  head.fields.add("Connection", "x");
  head.fields.add("Keep-Alive", "timeout=1");
  head.fields.add("Proxy-Connection", "close");
  head.fields.add("X", "y");
  EXPECT_EQ(response(head), "HTTP/1.1 200 OK\r\nDate: then\r\nX: y\r\nContent-Length: 1\r\n\r\n");
}

TEST(ResponseHeadWriter, ADateIsAddedOnce) {
  ResponseHead head;
  const std::string text = response(head);
  const std::size_t at = text.find("\r\nDate: ");
  ASSERT_NE(at, std::string::npos) << text;
  EXPECT_EQ(text.find("Date:", at + 8), std::string::npos);
  EXPECT_EQ(text.substr(at + 8 + 25, 6), " GMT\r\n");
}

TEST(ResponseHeadWriter, UnknownStatusesAndEmptyValues) {
  ResponseHead head = dated(799);
  head.fields.add("X", {});
  EXPECT_EQ(response(head), "HTTP/1.1 799 \r\nDate: then\r\nX: \r\n\r\n");
}

TEST(ResponseHeadWriter, ManyLargeFields) {
  ResponseHead head = dated(200);
  const std::string value(10'000, 'v');
  for (int i = 0; i < 100; ++i) head.fields.add("X-Large", value);
  const std::string text = response(head);
  EXPECT_EQ(text.size(),
            std::string_view("HTTP/1.1 200 OK\r\nDate: then\r\n\r\n").size() + 100 * (10'000 + 11));
}

TEST(ResponseHeadWriter, AppendsToWhatIsThere) {
  ByteBuffer out;
  out.append("before");
  write_response_head(out, dated(200), {});
  EXPECT_EQ(out.view(), "beforeHTTP/1.1 200 OK\r\nDate: then\r\n\r\n");
}

TEST(InterimHeadWriter, NeitherFramingNorDate) {
  Fields fields;
  fields.add("Link", "</a>");
  fields.add("Content-Length", "3");
  ByteBuffer out;
  write_interim_head(out, 103, fields);
  write_interim_head(out, 100, {});
  EXPECT_EQ(out.view(),
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n");
}

std::string request(const RequestLine& line, const Fields& fields, BodyLength body,
                    bool expects_body) {
  ByteBuffer out;
  write_request_head(out, line, fields, body, expects_body);
  return std::string(out.view());
}

TEST(RequestHeadWriter, HostIsTheOneThatWasGiven) {
  Fields fields;
  fields.add("host", "other");
  fields.add("X", "y");
  EXPECT_EQ(request({"GET", "/a?b", "h:1"}, fields, BodyLength::none(), false),
            "GET /a?b HTTP/1.1\r\nHost: h:1\r\nX: y\r\n\r\n");
}

TEST(RequestHeadWriter, Framing) {
  EXPECT_EQ(request({"POST", "/", "h"}, {}, BodyLength::none(), true),
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(request({"GET", "/", "h"}, {}, BodyLength::known(3), false),
            "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(request({"PUT", "/", "h"}, {}, BodyLength::unknown(), true),
            "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
}

TEST(RequestHeadWriter, FramingFieldsAreGenerated) {
  Fields fields;
  fields.add("Content-Length", "99");
  fields.add("Transfer-Encoding", "chunked");
  fields.add("Connection", "keep-alive");
  EXPECT_EQ(request({"POST", "/", "h"}, fields, BodyLength::known(3), true),
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n");
}

TEST(ChunkLineWriter, Hexadecimal) {
  ByteBuffer out;
  write_chunk_line(out, 1);
  write_chunk_line(out, 0x1a2b);
  write_chunk_line(out, SIZE_MAX);
  EXPECT_EQ(out.view(), "1\r\n1a2b\r\nffffffffffffffff\r\n");
}

}  // namespace
}  // namespace millrace::h1
