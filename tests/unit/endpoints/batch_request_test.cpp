// What a batch asks for, and what is wrong with it.
#include "endpoints/batch_request.hpp"

#include <string>

#include <gtest/gtest.h>

namespace millrace::endpoints {
namespace {

using http::Method;
using std::chrono::milliseconds;

/// The only item of a line that is good.
BatchItem item(const std::string& line) {
  auto parsed = parse_batch_item(line, {});
  if (!parsed) {
    ADD_FAILURE() << line << ": " << parsed.error().detail;
    return {};
  }
  return std::move(**parsed);
}

std::string item_fault(const std::string& line) {
  const auto parsed = parse_batch_item(line, {});
  return parsed ? "none" : parsed.error().detail;
}

std::string batch_fault(const std::string& text, const BatchLimits& limits = {}) {
  const auto parsed = parse_batch(text, limits);
  return parsed ? "none" : parsed.error().detail;
}

TEST(BatchItem, OnlyTheUrlIsNeeded) {
  const BatchItem one = item(R"({"url": "http://a/"})");
  EXPECT_EQ(one.url, "http://a/");
  EXPECT_EQ(one.method, Method::kGet);
  EXPECT_TRUE(one.headers.empty());
  EXPECT_FALSE(one.body);
  EXPECT_FALSE(one.timeout);
  EXPECT_FALSE(one.has_select);
}

TEST(BatchItem, Everything) {
  const BatchItem one =
      item(R"({"url":"http://a/","method":"put","headers":[["X-A","1"],["Cookie"," b\u00e9 "]],)"
           R"("body":"gr\u00f6\u00dfe","timeout":"250ms","select":"/a/0"})");
  EXPECT_EQ(one.method, Method::kPut);
  ASSERT_EQ(one.headers.size(), 2U);
  EXPECT_EQ(one.headers[0], (std::pair<std::string, std::string>("X-A", "1")));
  EXPECT_EQ(one.headers[1], (std::pair<std::string, std::string>("Cookie", "b\u00e9")));
  EXPECT_EQ(one.body, "gr\u00f6\u00dfe");
  EXPECT_EQ(one.timeout, milliseconds(250));
  EXPECT_EQ(one.select, "/a/0");
}

TEST(BatchItem, OtherSpellings) {
  EXPECT_EQ(item(R"({"url":"u","body":""})").method, Method::kPost);
  EXPECT_EQ(item(R"({"method":"GET","body":"x","url":"u"})").method, Method::kGet);
  EXPECT_EQ(item(R"({"url":"u","body_base64":"AP8="})").body, std::string("\0\xff", 2));
  EXPECT_EQ(item(R"({"url":"u","timeout":2})").timeout, milliseconds(2000));
  EXPECT_EQ(item(R"({"url":"u","timeout":0.5})").timeout, milliseconds(500));
  EXPECT_EQ(item(R"({"url":"u","headers":{"A":"1","B":"2"}})").headers.size(), 2U);
  EXPECT_TRUE(item(R"({"url":"u","select":""})").has_select);
  const BatchItem none = item(R"({"url":"u","method":null,"headers":null,"body":null,)"
                              R"("body_base64":null,"timeout":null,"select":null})");
  EXPECT_EQ(none.method, Method::kGet);
  EXPECT_FALSE(none.body);
}

TEST(BatchItem, FaultsNameTheMember) {
  const std::pair<const char*, const char*> faults[] = {
      {"{}", "url: is missing."},
      {R"({"url":""})", "url: is missing."},
      {R"({"url":null})", "url: expected a string, got null."},
      {R"({"url":7})", "url: expected a string, got a number."},
      {R"({"url":{}})", "url: expected a string, got an object."},
      {R"({"url":["u"]})", "url: expected a string, got an array."},
      {R"({"url":"u","url":"u"})", "url: stands twice."},
      {R"({"url":"u","method":"BREW"})",
       "method: expected GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS."},
      {R"({"url":"u","method":"CONNECT"})",
       "method: expected GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS."},
      {R"({"url":"u","body":"a","body_base64":"AA=="})",
       "body: expected body or body_base64, not both."},
      {R"({"url":"u","body_base64":"A"})", "body_base64: expected padded base64."},
      {R"({"url":"u","body":{"a":1}})", "body: expected a string, got an object."},
      {R"({"url":"u","timeout":0})", "timeout: expected 1ms to 1h."},
      {R"({"url":"u","timeout":-1})", "timeout: expected 1ms to 1h."},
      {R"({"url":"u","timeout":"61m"})", "timeout: expected 1ms to 1h."},
      {R"({"url":"u","timeout":true})",
       "timeout: expected a time such as \"5s\", or seconds, got a boolean."},
      {R"({"url":"u","headers":["a"]})", "headers: expected [name, value] pairs, got a string."},
      {R"({"url":"u","headers":[["a"]]})", "headers: expected [name, value], got less."},
      {R"({"url":"u","headers":[["a","b","c"]]})", "headers: expected [name, value], got more."},
      {R"({"url":"u","headers":[["a",1]]})", "headers: expected a string, got a number."},
      {R"({"url":"u","headers":{"a":null}})", "headers: expected a string, got null."},
      {R"({"url":"u","headers":[["a","b\r\nc: d"]]})",
       "headers: the value of a has control characters."},
      {R"(["url"])", "expected an object, got an array."},
      {R"("url")", "expected an object, got a string."},
      {R"({"requests":[]})",
       "unknown member \"requests\", expected url, method, headers, body, body_base64, timeout or "
       "select."},
  };
  for (const auto& [line, text] : faults) EXPECT_EQ(item_fault(line), text) << line;
}

TEST(BatchItem, WhatIsNoJson) {
  for (const char* line : {"", "{", R"({"url":"u"}})", R"({"url":"u"} x)", R"({"url":'u'})",
                           "{\"url\":\"\xff\"}", R"({"url":"u",})", "[[[[[[[[[[", "nul"}) {
    EXPECT_NE(item_fault(line), "none") << line;
  }
  EXPECT_TRUE(item_fault("{\"url\":").starts_with("not JSON from byte "))
      << item_fault("{\"url\":");
  EXPECT_NE(item_fault(std::string(1'000'000, '[')), "none");
}

TEST(BatchItem, FramingAndIdentityCannotBeChosen) {
  for (const char* name :
       {"Host", "content-length", "Transfer-Encoding", "Connection", "Upgrade", "TE", "Expect",
        "X-Forwarded-For", "Forwarded", "Via", "Proxy-Authorization", "", "a b", "a\\r\\nb"}) {
    const std::string line = std::string(R"({"url":"u","headers":[[")") + name + R"(","x"]]})";
    EXPECT_TRUE(item_fault(line).ends_with("is not a field that may be chosen.")) << line;
  }
  EXPECT_EQ(item_fault(R"({"url":"u","headers":{"Authorization":"x","Cookie":"y"}})"), "none");
}

TEST(BatchItem, HeaderLimitsAreExact) {
  const auto with = [](std::size_t count, std::size_t bytes) {
    std::string line = R"({"url":"u","headers":[)";
    for (std::size_t i = 0; i < count; ++i) {
      if (i != 0) line += ',';
      line += R"(["a",")" + std::string(i == 0 ? bytes - count : 0, 'v') + "\"]";
    }
    return line + "]}";
  };
  EXPECT_EQ(item_fault(with(kItemHeadersMax, 1000)), "none");
  EXPECT_NE(item_fault(with(kItemHeadersMax + 1, 1000)), "none");
  EXPECT_EQ(item_fault(with(1, kItemHeaderBytesMax)), "none");
  EXPECT_NE(item_fault(with(1, kItemHeaderBytesMax + 1)), "none");
}

TEST(BatchRequest, ItemsInOrder) {
  const auto batch = parse_batch(
      R"({"parallel":3,"requests":[{"url":"a"},{"url":"b","headers":[["X","1"]]},{"url":"c"}]})",
      {});
  ASSERT_TRUE(batch) << batch.error().detail;
  EXPECT_EQ(batch->parallel, 3U);
  ASSERT_EQ(batch->items.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(batch->items[i]->index, i);
    EXPECT_EQ(batch->items[i]->url, std::string(1, static_cast<char>('a' + i)));
  }
  const auto empty = parse_batch(R"({"requests":[]})", {});
  ASSERT_TRUE(empty);
  EXPECT_TRUE(empty->items.empty());
  EXPECT_FALSE(empty->parallel);
}

TEST(BatchRequest, FaultsNameTheItem) {
  const std::pair<const char*, const char*> faults[] = {
      {R"({"requests":[{"url":"a"},{"url":"b"},{"url":"c","timeout":[]}]})",
       "requests[2].timeout: expected a time such as \"5s\", or seconds, got an array."},
      {R"({"requests":[{"url":"a"},{}]})", "requests[1].url: is missing."},
      {R"({"requests":[{"uri":"a"}]})",
       "requests[0]: unknown member \"uri\", expected url, method, headers, body, body_base64, "
       "timeout or select."},
      {R"({"requests":["a"]})", "requests: expected objects, got a string."},
      {R"({"requests":{}})", "requests: expected an array, got an object."},
      {R"({"requests":null})", "requests: expected an array, got null."},
      {R"({})", "requests: is missing."},
      {R"({"parallel":2})", "requests: is missing."},
      {R"({"requests":[],"requests":[]})", "requests: stands twice."},
      {R"({"requests":[],"parallel":"2"})",
       "parallel: expected a number from 1 to 256, got a string."},
      {R"({"url":"a"})", "unknown member \"url\", expected requests or parallel."},
      {R"([])", "expected an object, got an array."},
  };
  for (const auto& [text, fault] : faults) EXPECT_EQ(batch_fault(text), fault) << text;
}

TEST(BatchRequest, ParallelLimitsAreExact) {
  for (const char* good : {"1", "256", "2.0"})
    EXPECT_EQ(batch_fault(std::string(R"({"requests":[],"parallel":)") + good + "}"), "none");
  for (const char* bad : {"0", "257", "-1", "1.5", "1e300"})
    EXPECT_EQ(batch_fault(std::string(R"({"requests":[],"parallel":)") + bad + "}"),
              "parallel: expected a number from 1 to 256.")
        << bad;
}

TEST(BatchRequest, ItemLimitIsExact) {
  BatchLimits limits;
  limits.items_max = 2;
  EXPECT_EQ(batch_fault(R"({"requests":[{"url":"a"},{"url":"b"}]})", limits), "none");
  const auto over = parse_batch(R"({"requests":[{"url":"a"},{"url":"b"},{"url":"c"}]})", limits);
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().errc, Errc::kBodyTooLarge);
  EXPECT_TRUE(over.error().detail.contains("fetch.batch.items_max"));
}

}  // namespace
}  // namespace millrace::endpoints
