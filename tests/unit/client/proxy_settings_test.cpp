#include "client/proxy_settings.hpp"

#include <expected>
#include <map>
#include <optional>
#include <string>

#include <gtest/gtest.h>

namespace millrace::test {
namespace {

using client::ForwardProxy;
using client::parse_proxy;
using client::ProxySettings;
using Environment = std::map<std::string, std::string>;

std::expected<ProxySettings, std::string> settings_of(const Environment& environment) {
  return ProxySettings::from_environment([&](const char* name) -> const char* {
    const auto found = environment.find(name);
    return found != environment.end() ? found->second.c_str() : nullptr;
  });
}

/// "host:port" of the proxy, "" for none, "error".
std::string proxy_for(const Environment& environment, const char* url) {
  const auto settings = settings_of(environment);
  if (!settings) return "error";
  const ForwardProxy* proxy = settings->for_url(http::parse_url(url).value());
  return proxy != nullptr ? proxy->host + ":" + std::to_string(proxy->port) : "";
}

TEST(ParseProxy, HostAndPort) {
  EXPECT_EQ(parse_proxy("http://proxy.test:3128"),
            (ForwardProxy{.host = "proxy.test", .port = 3128}));
  EXPECT_EQ(parse_proxy("proxy.test:3128/"), (ForwardProxy{.host = "proxy.test", .port = 3128}));
  EXPECT_EQ(parse_proxy("PROXY.test"), (ForwardProxy{.host = "proxy.test", .port = 1080}));
  EXPECT_EQ(parse_proxy("HTTPS://proxy.test"),
            (ForwardProxy{.tls = true, .host = "proxy.test", .port = 443}));
  EXPECT_EQ(parse_proxy("http://[::1]:8080"), (ForwardProxy{.host = "::1", .port = 8080}));
  EXPECT_EQ(parse_proxy("http://[::1]"), (ForwardProxy{.host = "::1", .port = 1080}));
  EXPECT_EQ(parse_proxy("http://192.0.2.1:80"), (ForwardProxy{.host = "192.0.2.1", .port = 80}));
}

TEST(ParseProxy, Credentials) {
  const auto authorization = [](const char* text) { return parse_proxy(text)->authorization; };
  // RFC 7617 section 2.
  EXPECT_EQ(authorization("http://Aladdin:open%20sesame@proxy.test:3128"),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  EXPECT_EQ(authorization("http://user@proxy.test"), "Basic dXNlcjo=");      // user:
  EXPECT_EQ(authorization("http://u:p:q@proxy.test"), "Basic dTpwOnE=");     // u:p:q
  EXPECT_EQ(authorization("http://u:p@q%2f@proxy.test"), "Basic dTpwQHEv");  // u:p@q/
  EXPECT_EQ(authorization("http://proxy.test"), "");
}

TEST(ParseProxy, AnythingElseIsRefused) {
  for (const char* text :
       {"", "http://", "http://:3128", "socks5://proxy.test:1080", "ftp://proxy.test",
        "http://proxy.test:0", "http://proxy.test:65536",
        "http://proxy.test:", "http://proxy.test/path", "http://proxy.test?x", "http://pro xy.test",
        "http://0x7f.1", "http://a%3Ab:c@proxy.test", "http://a:%0d%0aX@proxy.test",
        "http://a:%4@proxy.test", "http://a:%zz@proxy.test", "http://a\r\n:b@proxy.test"})
    EXPECT_EQ(parse_proxy(text), std::nullopt) << text;
  EXPECT_EQ(parse_proxy("http://" + std::string(http::kUrlBytesMax, 'a') + ":b@proxy.test"),
            std::nullopt);
}

TEST(ProxySettings, TheSchemeDecides) {
  const Environment both{{"http_proxy", "a.test:1"}, {"https_proxy", "b.test:2"}};
  EXPECT_EQ(proxy_for(both, "http://x.test/"), "a.test:1");
  EXPECT_EQ(proxy_for(both, "https://x.test/"), "b.test:2");
  EXPECT_EQ(proxy_for({{"http_proxy", "a.test:1"}}, "https://x.test/"), "");
  EXPECT_EQ(proxy_for({}, "http://x.test/"), "");
  EXPECT_EQ(ProxySettings().for_url(http::parse_url("http://x.test/").value()), nullptr);
}

TEST(ProxySettings, AllProxyStandsBehindTheOthers) {
  const Environment environment{{"all_proxy", "c.test:3"}, {"http_proxy", "a.test:1"}};
  EXPECT_EQ(proxy_for(environment, "http://x.test/"), "a.test:1");
  EXPECT_EQ(proxy_for(environment, "https://x.test/"), "c.test:3");
  EXPECT_EQ(proxy_for({{"ALL_PROXY", "c.test:3"}}, "http://x.test/"), "c.test:3");
}

TEST(ProxySettings, LowerCaseWins) {
  EXPECT_EQ(
      proxy_for({{"https_proxy", "a.test:1"}, {"HTTPS_PROXY", "b.test:2"}}, "https://x.test/"),
      "a.test:1");
  EXPECT_EQ(proxy_for({{"HTTPS_PROXY", "b.test:2"}}, "https://x.test/"), "b.test:2");
  EXPECT_EQ(proxy_for({{"all_proxy", "a.test:1"}, {"ALL_PROXY", "b.test:2"}}, "https://x.test/"),
            "a.test:1");
  EXPECT_EQ(proxy_for({{"HTTPS_PROXY", "b.test:2"}, {"no_proxy", ""}, {"NO_PROXY", "*"}},
                      "https://x.test/"),
            "b.test:2");
}

TEST(ProxySettings, EmptyMeansDirectly) {
  EXPECT_EQ(proxy_for({{"http_proxy", ""}, {"HTTP_PROXY", "b.test:2"}, {"all_proxy", "c.test:3"}},
                      "http://x.test/"),
            "");
}

TEST(ProxySettings, HttpProxyInUpperCaseIsTheClientsInCgi) {
  EXPECT_EQ(proxy_for({{"HTTP_PROXY", "evil.test:1"}}, "http://x.test/"), "evil.test:1");
  Environment cgi{{"HTTP_PROXY", "evil.test:1"}, {"REQUEST_METHOD", "GET"}};
  EXPECT_EQ(proxy_for(cgi, "http://x.test/"), "");
  cgi["HTTPS_PROXY"] = "b.test:2";
  EXPECT_EQ(proxy_for(cgi, "https://x.test/"), "b.test:2");
  cgi["http_proxy"] = "a.test:1";
  EXPECT_EQ(proxy_for(cgi, "http://x.test/"), "a.test:1");
}

TEST(ProxySettings, NoProxyIsAskedFirst) {
  const Environment environment{{"all_proxy", "c.test:3"}, {"NO_PROXY", "direct.test,10.0.0.0/8"}};
  EXPECT_EQ(proxy_for(environment, "https://direct.test/"), "");
  EXPECT_EQ(proxy_for(environment, "http://10.1.2.3:8080/"), "");
  EXPECT_EQ(proxy_for(environment, "http://other.test/"), "c.test:3");
}

TEST(ProxySettings, AnErrorNamesTheVariableAndKeepsTheSecret) {
  for (const char* name : {"http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"}) {
    const auto settings = settings_of({{name, "socks5://user:secret@proxy.test"}});
    ASSERT_FALSE(settings) << name;
    EXPECT_TRUE(settings.error().starts_with(name)) << settings.error();
    EXPECT_EQ(settings.error().find("secret"), std::string::npos);
  }
}

TEST(ProxyTargets, AbsoluteAndAuthorityForm) {
  EXPECT_EQ(client::absolute_form("x.test:8080", "/a?b"), "http://x.test:8080/a?b");
  EXPECT_EQ(client::absolute_form("x.test", "*"), "http://x.test");
  EXPECT_EQ(client::authority_form("x.test", 443), "x.test:443");
  EXPECT_EQ(client::authority_form("::1", 8443), "[::1]:8443");
}

}  // namespace
}  // namespace millrace::test
