#include "base/access_log.hpp"

#include <cstdio>
#include <string>

#include <gtest/gtest.h>

namespace millrace::log {
namespace {

AccessRecord record() {
  AccessRecord r;
  r.time = {.tv_sec = 1'795'230'245, .tv_nsec = 678'999'999};  // 2026-11-21T03:04:05
  r.duration_us = 1234;
  r.method = "GET";
  r.path = "/a";
  r.protocol = "HTTP/1.1";
  r.status = 200;
  r.bytes_out = 345;
  r.client = "192.0.2.7";
  return r;
}

std::string line_of(const AccessRecord& r, AccessFormat format) {
  const std::size_t room = access_bytes_max(r);
  std::string out(room, '?');
  LineWriter writer(out.data());
  write_access(writer, r, format);
  EXPECT_LE(writer.written(), room);
  out.resize(writer.written());
  return out;
}

TEST(AccessLine, Json) {
  AccessRecord r = record();
  r.request_id = "id-1";
  r.route = "/v1/*";
  r.user_agent = "curl/8";
  EXPECT_EQ(line_of(r, AccessFormat::kJson),
            R"({"event":"access","time":"2026-11-21T03:04:05.678Z","method":"GET","target":"/a",)"
            R"("protocol":"HTTP/1.1","status":200,"duration_us":1234,"bytes_in":0,"bytes_out":345,)"
            R"("client":"192.0.2.7","request_id":"id-1","route":"/v1/*","user_agent":"curl/8"})"
            "\n");
}

TEST(AccessLine, JsonTellsOfTheUpstreamAndTheCause) {
  AccessRecord r = record();
  r.status = 502;
  r.upstream = "api";
  r.upstream_target = "127.0.0.1:8000";
  r.attempts = 2;
  r.reused = true;
  r.cause = "upstream_reset";
  EXPECT_TRUE(line_of(r, AccessFormat::kJson)
                  .contains(R"("upstream":"api","upstream_target":"127.0.0.1:8000","attempts":2,)"
                            R"("reused":true,"cause":"upstream_reset"})"));
  r.phases = {{{"queue", 0}, {"connect", 120}, {"wait", 4500}}};
  r.wasted_us = 1500;
  EXPECT_TRUE(
      line_of(r, AccessFormat::kJson)
          .contains(R"("reused":true,"connect_us":120,"wait_us":4500,"wasted_us":1500,"cause")"));
}

TEST(AccessLine, Human) {
  EXPECT_EQ(line_of(record(), AccessFormat::kHuman),
            "03:04:05.678 200 GET /a 1.23ms 345B 192.0.2.7\n");
  AccessRecord r = record();
  r.status = 0;
  r.cause = "client_gone";
  r.duration_us = 2'050'000;
  EXPECT_EQ(line_of(r, AccessFormat::kHuman),
            "03:04:05.678 --- GET /a 2.05s 345B 192.0.2.7 cause=client_gone\n");
}

TEST(AccessLine, Combined) {
  AccessRecord r = record();
  EXPECT_EQ(line_of(r, AccessFormat::kCombined),
            "192.0.2.7 - - [21/Nov/2026:03:04:05 +0000] \"GET /a HTTP/1.1\" 200 345 \"-\" \"-\"\n");
  r.referer = "http://x.test/?token=1&page=2";
  r.user_agent = "Mozilla \"5.0\"";
  EXPECT_TRUE(line_of(r, AccessFormat::kCombined)
                  .ends_with("\"http://x.test/?token=***&page=2\" \"Mozilla \\x225.0\\x22\"\n"));
}

TEST(AccessLine, WhatClientsSentCannotForgeALine) {
  AccessRecord r = record();
  r.path = "/a\n\x1b[2J\"\\\xff";
  r.user_agent = "x\r\n{\"event\":\"ready\"}";
  for (const auto format : {AccessFormat::kJson, AccessFormat::kHuman, AccessFormat::kCombined}) {
    const std::string line = line_of(r, format);
    EXPECT_EQ(line.find('\n'), line.size() - 1) << line;
    for (const char c : line.substr(0, line.size() - 1))
      EXPECT_TRUE(c >= 0x20 && c < 0x7f) << static_cast<int>(c);
  }
  EXPECT_TRUE(
      line_of(r, AccessFormat::kJson).contains(R"("target":"/a\u000a\u001b[2J\"\\\u00ff")"));
}

TEST(EscapedText, IsRightForEveryByteAtEveryPlace) {
  const auto escaped = [](std::string_view text, Escape escape) {
    std::string out(text.size() * LineWriter::kEscapedBytesMax, '?');
    LineWriter writer(out.data());
    writer.put_text(text, escape);
    out.resize(writer.written());
    return out;
  };
  for (int c = 0; c < 256; ++c) {
    const char byte = static_cast<char>(c);
    char json[8], plain[8];
    const bool clean = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
    std::snprintf(json, sizeof json, clean ? "%c" : c == '"' || c == '\\' ? "\\%c" : "\\u%04x", c);
    std::snprintf(plain, sizeof plain, clean ? "%c" : "\\x%02x", c);
    for (std::size_t at = 0; at < 20; ++at) {
      std::string text(20, 'a');
      text[at] = byte;
      const std::string before(at, 'a'), after(19 - at, 'a');
      ASSERT_EQ(escaped(text, Escape::kJson), before + json + after) << c << " at " << at;
      ASSERT_EQ(escaped(text, Escape::kPlain), before + plain + after) << c << " at " << at;
    }
  }
}

TEST(AccessLine, SecretsOfTheQueryAreHidden) {
  const auto shown = [](std::string_view query) {
    AccessRecord r = record();
    r.query = query;
    r.has_query = true;
    const std::string line = line_of(r, AccessFormat::kHuman);
    const std::size_t from = line.find("/a?") + 3;
    return line.substr(from, line.find(' ', from) - from);
  };
  EXPECT_EQ(shown("page=2&x=1"), "page=2&x=1");
  EXPECT_EQ(shown("token=abc&page=2"), "token=***&page=2");
  EXPECT_EQ(shown("a=1&API_KEY=abc"), "a=1&API_KEY=***");
  EXPECT_EQ(shown("X-Amz-Signature=abc"), "X-Amz-Signature=***");
  EXPECT_EQ(shown("%74oken=abc"), "%74oken=***");
  EXPECT_EQ(shown("password=a=b"), "password=***");
  EXPECT_EQ(shown("token="), "token=");
  EXPECT_EQ(shown("token"), "token");
  EXPECT_EQ(shown("url=http://h/p?sig=1&x=2"), "url=http://h/p?***&x=2");
  EXPECT_EQ(shown("url=http%3A%2F%2Fh%2Fp%3fsig%3D1"), "url=http%3A%2F%2Fh%2Fp%3f***");
  EXPECT_EQ(shown(""), "");
}

TEST(AccessLine, LongTextsAreCut) {
  AccessRecord r = record();
  const std::string path(kTargetShownMax + 1, 'p');
  const std::string agent(kTextShownMax + 1, 'u');
  r.path = path;
  r.user_agent = agent;
  const std::string line = line_of(r, AccessFormat::kJson);
  EXPECT_TRUE(line.contains("\"" + path.substr(1) + "\""));
  EXPECT_TRUE(line.contains("\"" + agent.substr(1) + "\""));
}

TEST(AccessLine, TheRoomIsEnoughForTheWorst) {
  const std::string worst(100'000, '\x01');
  AccessRecord r;
  r.time = {.tv_sec = 253'402'300'799, .tv_nsec = 999'999'999};
  r.duration_us = r.bytes_in = r.bytes_out = UINT64_MAX;
  r.status = r.upstream_status = 999;
  r.attempts = UINT32_MAX;
  r.has_query = true;
  for (auto* text : {&r.method, &r.path, &r.query, &r.protocol, &r.client, &r.request_id, &r.route,
                     &r.user_agent, &r.referer, &r.cause, &r.upstream, &r.upstream_target})
    *text = worst;
  for (const auto format : {AccessFormat::kJson, AccessFormat::kHuman, AccessFormat::kCombined})
    EXPECT_GT(line_of(r, format).size(), 1000U);
  // Many short pairs grow most: a one-byte value becomes three.
  const std::string secrets = [] {
    std::string out;
    while (out.size() < 100'000) out += "sig=1&";
    return out;
  }();
  r.path = "/";
  r.query = secrets;
  EXPECT_TRUE(line_of(r, AccessFormat::kJson).contains("sig=***&sig=***"));
}

}  // namespace
}  // namespace millrace::log
