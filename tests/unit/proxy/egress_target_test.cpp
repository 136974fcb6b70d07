#include "proxy/egress_target.hpp"

#include "http/target.hpp"

#include <gtest/gtest.h>

namespace millrace::proxy {
namespace {

using http::Method;
using http::Url;

std::string text(const Result<Url>& url) {
  return url ? url->text() : std::string(url.error().info().code);
}
std::string gateway(std::string_view target) {
  return text(parse_gateway_target(target));
}
std::string absolute(std::string_view target, Method method = Method::kGet) {
  return text(parse_absolute_target(method, target));
}

TEST(EgressTarget, GatewayForm) {
  EXPECT_EQ(gateway("/https/api.example.com/v1/x?y=z"), "https://api.example.com/v1/x?y=z");
  EXPECT_EQ(gateway("/http/API.example.com.:8080/"), "http://api.example.com:8080/");
  EXPECT_EQ(gateway("/https/a.test"), "https://a.test/");
  EXPECT_EQ(gateway("/https/a.test?q"), "https://a.test/?q");
  EXPECT_EQ(gateway("/https/a.test:443/"), "https://a.test/");
  EXPECT_EQ(gateway("/https/[2001:DB8::1]:8443/x"), "https://[2001:db8::1]:8443/x");
  EXPECT_EQ(gateway("/http/192.0.2.1/x"), "http://192.0.2.1/x");
  // A host may be called so.
  EXPECT_EQ(gateway("/https/https/x"), "https://https/x");
}

TEST(EgressTarget, EverythingElseIsNotFound) {
  for (const char* target : {"/", "/https", "/http", "/HTTPS/a.test/", "//https/a.test/",
                             "/httpsx/a.test/", "/ftp/a.test/", "/x", "*", "/%68ttps/a.test/"})
    EXPECT_EQ(gateway(target), "not_found") << target;
}

TEST(EgressTarget, HostsThatAreNone) {
  for (const char* target :
       {"/https/", "/https//x", "/https/?q", "/https/.", "/https/..", "/https/../x", "/https/:443/",
        "/https/host:0/", "/https/host:65536/", "/https/host:+1/", "/https/host:1:2/",
        "/https/[::1/x", "/https/[::1]x/", "/https/a..b/", "/https/-a/", "/https/a_b/",
        "/https/a,b/", "/https/a;b/"})
    EXPECT_EQ(gateway(target), "bad_parameter") << target;
  for (const char* target :
       {"/https/user@host/", "/https/u:p@host/", "/https/@host/", "/https/a.test@b.test/x",
        "/https/host%2Fx/", "/https/host%2fx", "/https/%68ost/", "/https/host%3A80/",
        "/https/0x7f.1/", "/https/2130706433/", "/https/127.1/", "/https/017700000001/",
        "/https/[fe80::1%25lo]/"})
    EXPECT_EQ(gateway(target), "url_refused") << target;
}

TEST(EgressTarget, PathAndQueryAreTheClients) {
  for (const char* path : {"/a/../b", "/../x", "/./x/.", "/%41%7e", "/a%2Fb", "/a//b", "/a?b=/../c",
                           "/?x=https://c.test/@", "/{}|^`[]", "/a@b:c"}) {
    EXPECT_EQ(gateway("/https/a.test" + std::string(path)), "https://a.test" + std::string(path));
    EXPECT_EQ(absolute("http://a.test" + std::string(path)), "http://a.test" + std::string(path));
  }
}

TEST(EgressTarget, AbsoluteForm) {
  EXPECT_EQ(absolute("http://a.test"), "http://a.test/");
  EXPECT_EQ(absolute("HTTP://A.test:80/X"), "http://a.test/X");
  EXPECT_EQ(absolute("https://a.test:8443?q"), "https://a.test:8443/?q");
  EXPECT_EQ(absolute("http://127.0.0.1:1/"), "http://127.0.0.1:1/");
  EXPECT_EQ(absolute("ftp://a.test/"), "bad_target");
  EXPECT_EQ(absolute("http://0x7f.1/"), "url_refused");
  EXPECT_EQ(absolute("http://a.test:0/"), "bad_parameter");
}

TEST(EgressTarget, OptionsOfAWholeServer) {
  const auto target = [](std::string_view text) {
    return parse_absolute_target(Method::kOptions, text).value().target;
  };
  EXPECT_EQ(target("http://a.test"), "*");
  EXPECT_EQ(target("http://a.test:81"), "*");
  EXPECT_EQ(target("http://a.test/"), "/");
  EXPECT_EQ(target("http://a.test?"), "/?");
}

TEST(EgressTarget, Connect) {
  const auto url = parse_connect_target("API.test.:8443");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "api.test");
  EXPECT_EQ(url->port, 8443);
  EXPECT_EQ(parse_connect_target("[2001:db8::1]:443").value().host, "2001:db8::1");
  EXPECT_EQ(text(parse_connect_target("127.1:443")), "url_refused");
  EXPECT_EQ(text(parse_connect_target("2130706433:443")), "url_refused");
  EXPECT_EQ(text(parse_connect_target("a_b:443")), "bad_parameter");
}

TEST(EgressTarget, LocationsLeadThroughTheGateway) {
  const Url at = parse_gateway_target("/https/a.test:8443/dir/page?q").value();
  EXPECT_EQ(gateway_location(at, "https://a.test:8443/x?y#z"), "/https/a.test:8443/x?y#z");
  EXPECT_EQ(gateway_location(at, "http://b.test"), "");
  EXPECT_EQ(gateway_location(at, "http://a.test:8443/x"), "");
  EXPECT_EQ(gateway_location(at, "https://a.test/x"), "");
  EXPECT_EQ(gateway_location(at, "//a.test:8443/x"), "/https/a.test:8443/x");
  EXPECT_EQ(gateway_location(at, "/x"), "/https/a.test:8443/x");
  EXPECT_EQ(gateway_location(at, "next"), "/https/a.test:8443/dir/next");
  EXPECT_EQ(gateway_location(at, "../../../up"), "/https/a.test:8443/up");
  EXPECT_EQ(gateway_location(at, "?p=2"), "/https/a.test:8443/dir/page?p=2");
  EXPECT_EQ(gateway_location(at, "#end"), "/https/a.test:8443/dir/page?q#end");
}

TEST(EgressTarget, OtherLocationsStay) {
  const Url at = parse_gateway_target("/https/a.test/").value();
  for (const char* location : {"", "mailto:x@a.test", "app://callback?code=1",
                               "https://user@b.test/", "http://b.test:0/", "http://0x7f.1/"})
    EXPECT_EQ(gateway_location(at, location), "") << location;
}

}  // namespace
}  // namespace millrace::proxy
