#include "http/target.hpp"

#include "http/ascii.hpp"
#include "http/ip_literal.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::http {
namespace {

struct AuthorityCase {
  std::string_view text;
  std::string_view host;
  HostKind kind;
  int port;  ///< -1: none
};

TEST(Authority, TakesNamesAndAddresses) {
  const std::vector<AuthorityCase> cases{
      {"example.com", "example.com", HostKind::kName, -1},
      {"example.com.", "example.com.", HostKind::kName, -1},
      {"Example.COM:8080", "Example.COM", HostKind::kName, 8080},
      {"my_service~1", "my_service~1", HostKind::kName, -1},
      {"a:", "a", HostKind::kName, -1},
      {"a:0", "a", HostKind::kName, 0},
      {"a:65535", "a", HostKind::kName, 65535},
      {"127.0.0.1:80", "127.0.0.1", HostKind::kIpv4, 80},
      {"127.0.0.256", "127.0.0.256", HostKind::kName, -1},
      {"[::1]", "::1", HostKind::kIpv6, -1},
      {"[2001:db8::7:1]:443", "2001:db8::7:1", HostKind::kIpv6, 443},
      {"[::ffff:1.2.3.4]:", "::ffff:1.2.3.4", HostKind::kIpv6, -1},
  };
  for (const AuthorityCase& one : cases) {
    const auto got = parse_authority(one.text);
    ASSERT_TRUE(got) << one.text;
    EXPECT_TRUE(is_authority(one.text)) << one.text;
    EXPECT_EQ(got->host, one.host);
    EXPECT_EQ(got->kind, one.kind) << one.text;
    EXPECT_EQ(got->port ? static_cast<int>(*got->port) : -1, one.port) << one.text;
  }
  EXPECT_TRUE(parse_authority(std::string(255, 'a')));
}

TEST(Authority, RefusesTheRest) {
  for (const std::string_view bad :
       {"",         ":80",         ".",     ".a",      "a..b",       "a,b",          "a@b",
        "u:p@b",    "a/b",         "a b",   " a",      "a ",         "a:80:90",      "a:65536",
        "a:000080", "a:8x",        "a:-1",  "a:+1",    "a: 80",      "a%20b",        "%61",
        "a;b",      "a*b",         "a'b",   "a\\b",    "a#b",        "a?b",          "\xc3\xa4",
        "[::1",     "::1",         "[]",    "[::1]80", "[::1%eth0]", "[::1%25eth0]", "[1.2.3.4]",
        "[v1.x]",   "[::1]:65536", "[::g]", "[:::]"}) {
    const auto got = parse_authority(bad);
    ASSERT_FALSE(got) << bad;
    EXPECT_EQ(got.error().errc, Errc::kBadHost);
    EXPECT_FALSE(is_authority(bad)) << bad;
  }
  EXPECT_FALSE(parse_authority(std::string(256, 'a')));
  EXPECT_FALSE(parse_authority(std::string_view("[::1\0]", 6)));
}

TEST(IpLiteral, OnlyTheCleanForms) {
  EXPECT_EQ(parse_ipv4("1.2.3.255"), (std::array<std::uint8_t, 4>{1, 2, 3, 255}));
  for (const std::string_view bad :
       {"", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.04", "0x1.2.3.4", "1..3.4",
        "1.2.3.", ".1.2.3", "1.2.3.4 ", "1.2.3.+4"})
    EXPECT_FALSE(parse_ipv4(bad)) << bad;
  EXPECT_EQ(parse_ipv6("::ffff:1.2.3.4")->at(15), 4);
  for (const std::string_view bad : {"", ":", "1", "::1%1", "1:2:3:4:5:6:7:8:9", "::1 "})
    EXPECT_FALSE(parse_ipv6(bad)) << bad;
  EXPECT_FALSE(parse_ipv6(std::string(100, ':')));
}

struct TargetCase {
  Method method;
  std::string_view text;
  TargetForm form;
  std::string_view authority;
  std::string_view path;
  std::string_view query;
  bool has_query;
};

TEST(Target, TakesTheFourForms) {
  using enum Method;
  using enum TargetForm;
  const std::vector<TargetCase> cases{
      {kGet, "/", kOrigin, "", "/", "", false},
      {kGet, "/a/b?c=d?e", kOrigin, "", "/a/b", "c=d?e", true},
      {kGet, "/?", kOrigin, "", "/", "", true},
      {kGet, "//a//b", kOrigin, "", "//a//b", "", false},
      {kGet, "/it's/a|b^{c}[d]`~$&", kOrigin, "", "/it's/a|b^{c}[d]`~$&", "", false},
      {kGet, "http://h:8080/p?q", kAbsolute, "h:8080", "/p", "q", true},
      {kGet, "HTTPS://[::1]/p", kAbsolute, "[::1]", "/p", "", false},
      {kGet, "http://h", kAbsolute, "h", "/", "", false},
      {kGet, "http://h?q=/", kAbsolute, "h", "/", "q=/", true},
      {kOptions, "http://h", kAbsolute, "h", "*", "", false},
      {kOptions, "http://h?q", kAbsolute, "h", "/", "q", true},
      {kOptions, "*", kAsterisk, "", "*", "", false},
      {kConnect, "h:443", kAuthority, "h:443", "", "", false},
      {kConnect, "[::1]:443", kAuthority, "[::1]:443", "", "", false},
      {kOther, "/a", kOrigin, "", "/a", "", false},
  };
  for (const TargetCase& one : cases) {
    const auto got = parse_target(one.method, one.text);
    ASSERT_TRUE(got) << one.text;
    EXPECT_EQ(got->form, one.form) << one.text;
    EXPECT_EQ(got->authority, one.authority) << one.text;
    EXPECT_EQ(got->path, one.path) << one.text;
    EXPECT_EQ(got->query, one.query) << one.text;
    EXPECT_EQ(got->has_query, one.has_query) << one.text;
  }
}

TEST(Target, RefusesTheRest) {
  const std::vector<std::tuple<Method, std::string_view, Errc>> cases{
      {Method::kGet, "", Errc::kBadTarget},
      {Method::kGet, "*", Errc::kBadTarget},
      {Method::kGet, "a", Errc::kBadTarget},
      {Method::kGet, "?q", Errc::kBadTarget},
      {Method::kGet, "h:443", Errc::kBadTarget},
      {Method::kGet, "ftp://h/", Errc::kBadTarget},
      {Method::kGet, "http:/h/", Errc::kBadTarget},
      {Method::kGet, "://h/", Errc::kBadTarget},
      {Method::kGet, "http:///p", Errc::kBadHost},
      {Method::kGet, "http://u@h/", Errc::kBadHost},
      {Method::kGet, "http://a,b/", Errc::kBadHost},
      {Method::kGet, "http://h:99999/", Errc::kBadHost},
      {Method::kOptions, "**", Errc::kBadTarget},
      {Method::kConnect, "h", Errc::kBadTarget},
      {Method::kConnect, "h:", Errc::kBadTarget},
      {Method::kConnect, "h:0", Errc::kBadTarget},
      {Method::kConnect, "/", Errc::kBadHost},
      {Method::kConnect, "http://h:80/", Errc::kBadHost},
      {Method::kConnect, "u@h:80", Errc::kBadHost},
  };
  for (const auto& [method, text, errc] : cases) {
    const auto got = parse_target(method, text);
    ASSERT_FALSE(got) << text;
    EXPECT_EQ(got.error().errc, errc) << text;
  }
}

TEST(Target, JudgesEveryByteInPathAndQuery) {
  for (int c = 0; c < 256; ++c) {
    const std::string byte(1, static_cast<char>(c));
    const bool good =
        c > 0x20 && c < 0x7f && std::string_view("#\"<>\\").find(byte) == std::string::npos;
    EXPECT_EQ(parse_target(Method::kGet, "/a" + byte).has_value(), good) << c;
    EXPECT_EQ(parse_target(Method::kGet, "/?" + byte + "b").has_value(), good) << c;
  }
}

TEST(NormalisePath, OneSpellingPerResource) {
  const std::vector<std::pair<std::string_view, std::string_view>> cases{
      {"/", "/"},
      {"/a/b", "/a/b"},
      {"/a.b/.c/..d/e./...", "/a.b/.c/..d/e./..."},
      {"//a//", "//a//"},
      {"*", "*"},
      {"", ""},
      {"/%7Euser/%61%2d%5F%2E", "/~user/a-_."},
      {"/a%2fb%3f%c3%a4%25", "/a%2Fb%3F%C3%A4%25"},
      {"/%2561", "/%2561"},
      {"/a/./b", "/a/b"},
      {"/a/../b", "/b"},
      {"/a/..", "/"},
      {"/a/b/..", "/a/"},
      {"/a/.", "/a/"},
      {"/.", "/"},
      {"/..", "/"},
      {"/../../etc/passwd", "/etc/passwd"},
      {"/a/b/c/./../../g", "/a/g"},
      {"/a//../b", "/a/b"},
      {"/a/%2e%2E/b", "/b"},
      {"/a/.%2e/%2e./b", "/b"},
      {"/a/%2e", "/a/"},
      {"/static/..%2f..%2fetc", "/static/..%2F..%2Fetc"},
      {"/a/..;/b", "/a/..;/b"},
      {"/a/..%5cb", "/a/..%5Cb"},
  };
  for (const auto& [path, expected] : cases) {
    TextArena arena;
    const auto got = normalise_path(path, arena);
    ASSERT_TRUE(got) << path;
    EXPECT_EQ(*got, expected) << path;
    const std::string once(*got);
    EXPECT_EQ(normalise_path(once, arena).value(), once) << "not idempotent: " << path;
  }
}

TEST(NormalisePath, ANormalPathIsNotCopied) {
  TextArena arena;
  const std::string_view path = "/v1/image/grayscale.jpg";
  EXPECT_EQ(normalise_path(path, arena)->data(), path.data());
}

TEST(NormalisePath, RefusesBrokenEscapesAndNul) {
  TextArena arena;
  for (const std::string_view bad :
       {"/%", "/%4", "/%4g", "/%g4", "/%%41", "/a%00b", "/%u0041", "a", "a/b"}) {
    const auto got = normalise_path(bad, arena);
    ASSERT_FALSE(got) << bad;
    EXPECT_EQ(got.error().errc, Errc::kBadTarget) << bad;
  }
}

}  // namespace
}  // namespace millrace::http
