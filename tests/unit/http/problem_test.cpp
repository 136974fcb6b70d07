#include "http/problem.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::http {
namespace {

using namespace std::string_literals;

std::string json(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST(Problem, IsWhatTheContractSays) {
  EXPECT_EQ(
      problem_json({.errc = Errc::kNotFound, .instance = "/a"}),
      "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,"
      "\"detail\":\"there is nothing at this path\",\"instance\":\"/a\",\"code\":\"not_found\"}\n");
  EXPECT_EQ(problem_json({.errc = Errc::kBadParameter, .detail = "n: \"x\"", .request_id = "id-1"}),
            "{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,"
            "\"detail\":\"n: \\\"x\\\"\",\"code\":\"bad_parameter\",\"request_id\":\"id-1\"}\n");
}

TEST(Problem, EveryErrcHasATitle) {
  for (const ErrcInfo& row : all_errc_info())
    EXPECT_EQ(problem_json({.errc = row.errc}).find("\"title\":\"\""), std::string::npos)
        << row.code;
}

TEST(JsonString, EscapesAndRepairs) {
  const std::string bad = "\xef\xbf\xbd";
  const std::vector<std::pair<std::string, std::string>> cases{
      {"", "\"\""},
      {"plain /text", "\"plain /text\""},
      {"\"\\", "\"\\\"\\\\\""},
      {"\n\r\t", "\"\\n\\r\\t\""},
      {"\0\x01\x1f\x7f"s, "\"\\u0000\\u0001\\u001f\\u007f\""},
      {"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\""},
      {"\xff", "\"" + bad + "\""},
      {"\x80x", "\"" + bad + "x\""},
      {"\xc0\xaf", "\"" + bad + bad + "\""},
      {"\xc3", "\"" + bad + "\""},
      {"\xe2\x82", "\"" + bad + bad + "\""},
      {"\xe0\x80\x80", "\"" + bad + bad + bad + "\""},
      {"\xed\xa0\x80", "\"" + bad + bad + bad + "\""},
      {"\xf0\x80\x80\x80", "\"" + bad + bad + bad + bad + "\""},
      {"\xf4\x90\x80\x80", "\"" + bad + bad + bad + bad + "\""},
      {"\xf4\x8f\xbf\xbf", "\"\xf4\x8f\xbf\xbf\""},
      {"\xc3\"", "\"" + bad + "\\\"\""},
  };
  for (const auto& [text, expected] : cases)
    EXPECT_EQ(json(text), expected) << testing::PrintToString(text);
}

TEST(ProblemHtml, EscapesWhatTheClientSent) {
  const std::string page = problem_html({.errc = Errc::kNotFound,
                                         .detail = "<script>'x' & \"y\"\x01",
                                         .instance = "/<b>",
                                         .request_id = "r"});
  EXPECT_NE(page.find("<title>404 Not Found</title>"), std::string::npos);
  EXPECT_NE(page.find("&lt;script&gt;&#39;x&#39; &amp; &quot;y&quot; "), std::string::npos);
  EXPECT_NE(page.find("/&lt;b&gt;"), std::string::npos);
  EXPECT_NE(page.find("not_found"), std::string::npos);
  EXPECT_EQ(page.find("<script>"), std::string::npos);
  EXPECT_EQ(page.find('\x01'), std::string::npos);
}

TEST(PrefersHtml, BrowsersDoProgramsDoNot) {
  EXPECT_TRUE(prefers_html("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
  EXPECT_TRUE(prefers_html("text/html"));
  for (const std::string_view no :
       {"", "*/*", "application/json", "application/problem+json, text/html",
        "text/html;q=0.5, application/json", "image/avif,image/webp,*/*"})
    EXPECT_FALSE(prefers_html(no)) << no;
}

}  // namespace
}  // namespace millrace::http
