#include "http/url.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::http {
namespace {

using namespace std::string_literals;

struct GoodCase {
  std::string_view text;
  Url url;
};

TEST(Url, TakesAbsoluteHttpUrls) {
  using enum HostKind;
  const std::vector<GoodCase> cases{
      {"http://example.com", {false, kName, "example.com", 80, "/"}},
      {"HTTPS://Example.COM/", {true, kName, "example.com", 443, "/"}},
      {"http://example.com:8080/a?b#c", {false, kName, "example.com", 8080, "/a?b"}},
      {"http://example.com:/", {false, kName, "example.com", 80, "/"}},
      {"http://example.com:00080/", {false, kName, "example.com", 80, "/"}},
      {"http://example.com./", {false, kName, "example.com", 80, "/"}},
      {"http://localhost?q", {false, kName, "localhost", 80, "/?q"}},
      {"http://localhost#f", {false, kName, "localhost", 80, "/"}},
      {"http://xn--bcher-kva.example/", {false, kName, "xn--bcher-kva.example", 80, "/"}},
      {"http://1a.example/", {false, kName, "1a.example", 80, "/"}},
      {"http://3com.com/", {false, kName, "3com.com", 80, "/"}},
      {"http://127.0.0.1:65535/", {false, kIpv4, "127.0.0.1", 65535, "/"}},
      {"http://127.0.0.1./", {false, kIpv4, "127.0.0.1", 80, "/"}},
      {"https://[::1]:8443/", {true, kIpv6, "::1", 8443, "/"}},
      {"http://[2001:DB8:0:0::1]/", {false, kIpv6, "2001:db8::1", 80, "/"}},
      {"http://[::ffff:127.0.0.1]/", {false, kIpv6, "::ffff:127.0.0.1", 80, "/"}},
      {"http://a/b/../c/./d?x=../y", {false, kName, "a", 80, "/c/d?x=../y"}},
      {"http://a/../..", {false, kName, "a", 80, "/"}},
      {"http://a/100%/%zz%2e", {false, kName, "a", 80, "/100%/%zz%2e"}},
      {"http://a/\xc3\xa4?\xc3\xb6#\xc3\xbc", {false, kName, "a", 80, "/%C3%A4?%C3%B6"}},
      {"http://a/x@y:z", {false, kName, "a", 80, "/x@y:z"}},
      {"http://a//b", {false, kName, "a", 80, "//b"}},
      {"http://a/?u=http://b/", {false, kName, "a", 80, "/?u=http://b/"}},
      {"http://a/it's|{}^`", {false, kName, "a", 80, "/it's|{}^`"}},
  };
  for (const GoodCase& one : cases) {
    const auto got = parse_url(one.text);
    ASSERT_TRUE(got) << one.text << ": " << got.error().describe();
    EXPECT_EQ(got->text(), one.url.text()) << one.text;
    EXPECT_TRUE(*got == one.url) << one.text;
    EXPECT_TRUE(parse_url(got->text()).value() == one.url) << "not stable: " << one.text;
  }
}

TEST(Url, PolicyRefusesDisguises) {
  for (const std::string_view bad : {"ftp://a/",
                                     "file:///etc/passwd",
                                     "gopher://a/",
                                     "unix://a/",
                                     "ws://a/",
                                     "http://user@a/",
                                     "http://user:pass@a/",
                                     "http://@a/",
                                     "http://a@127.0.0.1/",
                                     "http://127.0.0.1@a/",
                                     "http://0x7f.1/",
                                     "http://0x7f000001/",
                                     "http://017700000001/",
                                     "http://2130706433/",
                                     "http://127.1/",
                                     "http://127.0.1/",
                                     "http://127.0.0.01/",
                                     "http://0177.0.0.1/",
                                     "http://127.0.0.0x1/",
                                     "http://0x/",
                                     "http://0X7F.0.0.1/",
                                     "http://127.0.0.256/",
                                     "http://1.2.3.4.5/",
                                     "http://0/",
                                     "http://a.0/",
                                     "http://example.0x1/",
                                     "http://127.0.0.1.0x/",
                                     "http://1./",
                                     "http://%31%32%37.0.0.1/",
                                     "http://127.0.0.%31/",
                                     "http://a%2eb/",
                                     "http://a%00/",
                                     "http://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1/",
                                     "http://127\xe3\x80\x82"
                                     "0.0.1/",
                                     "http://b\xc3\xbc"
                                     "cher.example/",
                                     "http://\xe2\x91\xa0.example/",
                                     "http://[fe80::1%eth0]/",
                                     "http://[fe80::1%25eth0]/",
                                     "http://[::1%]/"}) {
    const auto got = parse_url(bad);
    ASSERT_FALSE(got) << bad;
    EXPECT_EQ(got.error().errc, Errc::kUrlRefused) << bad;
  }
}

TEST(Url, SyntaxErrorsAreParameterErrors) {
  for (const std::string& bad : {""s,
                                 "example.com"s,
                                 "//a/"s,
                                 "/a"s,
                                 "http:"s,
                                 "http:/a"s,
                                 "http:a"s,
                                 "http://"s,
                                 "http:///a"s,
                                 "://a"s,
                                 "1http://a/"s,
                                 "ht tp://a/"s,
                                 "localhost:8000/x"s,
                                 "http://:80/"s,
                                 "http://?"s,
                                 "http://./"s,
                                 "http://a../"s,
                                 "http://.a/"s,
                                 "http://a..b/"s,
                                 "http://-a/"s,
                                 "http://a-/"s,
                                 "http://a_b/"s,
                                 "http://a,b/"s,
                                 "http://a;b/"s,
                                 "http://a:b/"s,
                                 "http://a:0/"s,
                                 "http://a:65536/"s,
                                 "http://a:000080/"s,
                                 "http://a:80:80/"s,
                                 "http://a:-1/"s,
                                 "http://a:+80/"s,
                                 "http://[::1/"s,
                                 "http://::1/"s,
                                 "http://[]/"s,
                                 "http://[::1]a/"s,
                                 "http://[1.2.3.4]/"s,
                                 "http://[v1.a]/"s,
                                 "http://[::g]/"s,
                                 " http://a/"s,
                                 "http://a/ "s,
                                 "http://a/b c"s,
                                 "http://a/\r\nX: y"s,
                                 "http://a/\0"s,
                                 "http://a\t/"s,
                                 "http://a/\x7f"s,
                                 "http://a\\b/"s,
                                 "http://a/\\b"s,
                                 "http:\\\\a\\"s,
                                 "http://a/\"b"s,
                                 "http://a/<b"s,
                                 "http://a/>"s,
                                 "http://a/#\n"s,
                                 "http://"s + std::string(64, 'a') + "/"}) {
    const auto got = parse_url(bad);
    ASSERT_FALSE(got) << testing::PrintToString(bad);
    EXPECT_EQ(got.error().errc, Errc::kBadParameter) << testing::PrintToString(bad);
  }
}

TEST(Url, LimitsAreExact) {
  const std::string start = "http://a/";
  EXPECT_TRUE(parse_url(start + std::string(kUrlBytesMax - start.size(), 'x')));
  EXPECT_FALSE(parse_url(start + std::string(kUrlBytesMax - start.size() + 1, 'x')));
  EXPECT_TRUE(parse_url("http://" + std::string(63, 'a') + ".b/"));
  std::string name;
  for (int i = 0; i < 126; ++i) name += "a.";
  EXPECT_TRUE(parse_url("http://" + name + "a/"));    // 253
  EXPECT_FALSE(parse_url("http://" + name + "aa/"));  // 254
}

TEST(Url, AuthorityNamesThePortOnlyWhereItMatters) {
  EXPECT_EQ(parse_url("http://a:80/")->authority(), "a");
  EXPECT_EQ(parse_url("https://a:443/")->authority(), "a");
  EXPECT_EQ(parse_url("http://a:443/")->authority(), "a:443");
  EXPECT_EQ(parse_url("https://[::1]:80/")->authority(), "[::1]:80");
}

TEST(Url, ResolvesTheExamplesOfRfc3986) {
  const Url base = parse_url("http://a/b/c/d;p?q").value();
  // Section 5.4.1 and 5.4.2, without the fragments.
  const std::vector<std::pair<std::string_view, std::string_view>> cases{
      {"g", "http://a/b/c/g"},
      {"./g", "http://a/b/c/g"},
      {"g/", "http://a/b/c/g/"},
      {"/g", "http://a/g"},
      {"//g", "http://g/"},
      {"?y", "http://a/b/c/d;p?y"},
      {"g?y", "http://a/b/c/g?y"},
      {"#s", "http://a/b/c/d;p?q"},
      {"g#s", "http://a/b/c/g"},
      {"g?y#s", "http://a/b/c/g?y"},
      {";x", "http://a/b/c/;x"},
      {"g;x", "http://a/b/c/g;x"},
      {"", "http://a/b/c/d;p?q"},
      {".", "http://a/b/c/"},
      {"./", "http://a/b/c/"},
      {"..", "http://a/b/"},
      {"../", "http://a/b/"},
      {"../g", "http://a/b/g"},
      {"../..", "http://a/"},
      {"../../g", "http://a/g"},
      {"../../../g", "http://a/g"},
      {"/./g", "http://a/g"},
      {"/../g", "http://a/g"},
      {"g.", "http://a/b/c/g."},
      {"..g", "http://a/b/c/..g"},
      {"./../g", "http://a/b/g"},
      {"g/./h", "http://a/b/c/g/h"},
      {"g/../h", "http://a/b/c/h"},
      {"g;x=1/../y", "http://a/b/c/y"},
      {"g?y/../x", "http://a/b/c/g?y/../x"},
      // Ours.
      {"https://h:444/x", "https://h:444/x"},
      {"g?u=http://b", "http://a/b/c/g?u=http://b"},
      {"./x:y", "http://a/b/c/x:y"},
  };
  for (const auto& [reference, expected] : cases) {
    const auto got = resolve_url(base, reference);
    ASSERT_TRUE(got) << reference;
    EXPECT_EQ(got->text(), expected) << reference;
  }
  EXPECT_EQ(resolve_url(parse_url("https://a:8443/x").value(), "//b/y")->text(), "https://b/y");
  EXPECT_EQ(resolve_url(parse_url("https://a:8443/x").value(), "y")->text(), "https://a:8443/y");
}

TEST(Url, AReferenceIsJudgedLikeAnyUrl) {
  const Url base = parse_url("http://a/").value();
  const std::vector<std::pair<std::string_view, Errc>> cases{
      {"ftp://b/", Errc::kUrlRefused},       {"//u@b/", Errc::kUrlRefused},
      {"//0x7f.1/", Errc::kUrlRefused},      {"http://2130706433/", Errc::kUrlRefused},
      {"/a b", Errc::kBadParameter},         {"/a\r\nb", Errc::kBadParameter},
      {"\\\\b\\", Errc::kBadParameter},      {"http:g", Errc::kBadParameter},
      {"javascript:x", Errc::kBadParameter}, {"///x", Errc::kBadParameter},
  };
  for (const auto& [reference, errc] : cases) {
    const auto got = resolve_url(base, reference);
    ASSERT_FALSE(got) << reference;
    EXPECT_EQ(got.error().errc, errc) << reference;
  }
}

TEST(Url, OriginsDifferInSchemeHostOrPort) {
  const auto same = [](std::string_view a, std::string_view b) {
    return same_origin(parse_url(a).value(), parse_url(b).value());
  };
  EXPECT_TRUE(same("http://a/x", "http://A:80/y?z"));
  EXPECT_TRUE(same("http://[::1]/", "http://[0:0::1]/"));
  EXPECT_FALSE(same("http://a/", "https://a/"));
  EXPECT_FALSE(same("http://a/", "http://a:81/"));
  EXPECT_FALSE(same("http://a/", "http://b/"));
}

}  // namespace
}  // namespace millrace::http
