#include "client/no_proxy.hpp"

#include <cstdint>
#include <string_view>

#include <gtest/gtest.h>

namespace millrace::test {
namespace {

using client::NoProxy;

bool direct(std::string_view list, std::string_view host, std::uint16_t port = 80) {
  return NoProxy::parse(list).matches(host, port);
}

TEST(NoProxy, NamesAndWhatIsBelowThem) {
  for (const char* list :
       {"example.com", ".example.com", "example.com.", "EXAMPLE.com", "*.example.com",
        "other,example.com", "other example.com", " , other ,\texample.com ,"}) {
    EXPECT_TRUE(direct(list, "example.com")) << list;
    EXPECT_TRUE(direct(list, "www.example.com", 8443)) << list;
    EXPECT_FALSE(direct(list, "notexample.com")) << list;
    EXPECT_FALSE(direct(list, "example.com.org")) << list;
    EXPECT_FALSE(direct(list, "com")) << list;
  }
}

TEST(NoProxy, AsteriskIsEverything) {
  EXPECT_TRUE(direct("*", "example.com"));
  EXPECT_TRUE(direct("*", "::1"));
  EXPECT_TRUE(direct("a.test, *", "example.com"));
  EXPECT_FALSE(direct("**", "example.com"));
}

TEST(NoProxy, NothingIsNothing) {
  for (const char* list : {"", " ", ",", ".", "*.", ","}) {
    EXPECT_FALSE(direct(list, "example.com")) << list;
    EXPECT_FALSE(direct(list, "127.0.0.1")) << list;
  }
  EXPECT_FALSE(NoProxy().matches("localhost", 80));
}

TEST(NoProxy, Ports) {
  EXPECT_TRUE(direct("example.com:8080", "example.com", 8080));
  EXPECT_TRUE(direct("example.com:8080", "www.example.com", 8080));
  EXPECT_FALSE(direct("example.com:8080", "example.com", 80));
  EXPECT_TRUE(direct("192.0.2.1:8080", "192.0.2.1", 8080));
  EXPECT_FALSE(direct("192.0.2.1:8080", "192.0.2.1", 80));
  EXPECT_TRUE(direct("[::1]:8080", "::1", 8080));
  EXPECT_FALSE(direct("[::1]:8080", "::1", 80));
  for (const char* list : {"example.com:", "example.com:0", "example.com:65536", "example.com:x"})
    EXPECT_FALSE(direct(list, "example.com", 80)) << list;
}

TEST(NoProxy, Addresses) {
  EXPECT_TRUE(direct("192.0.2.1", "192.0.2.1"));
  EXPECT_FALSE(direct("192.0.2.1", "192.0.2.10"));
  EXPECT_FALSE(direct("2.1", "192.0.2.1"));
  EXPECT_TRUE(direct("::1", "::1"));
  EXPECT_TRUE(direct("[::1]", "::1"));
  EXPECT_TRUE(direct("2001:db8:0:0::1", "2001:db8::1"));
  EXPECT_FALSE(direct("192.0.2.1", "x.192.0.2.1.test"));
}

TEST(NoProxy, Networks) {
  EXPECT_TRUE(direct("10.0.0.0/8", "10.255.255.255"));
  EXPECT_FALSE(direct("10.0.0.0/8", "11.0.0.0"));
  EXPECT_TRUE(direct("192.168.7.9/16", "192.168.1.1"));  // as curl, which masks it
  EXPECT_TRUE(direct("192.0.2.1/32", "192.0.2.1"));
  EXPECT_FALSE(direct("192.0.2.1/32", "192.0.2.2"));
  EXPECT_TRUE(direct("fd00::/8", "fd12::1"));
  EXPECT_FALSE(direct("fd00::/8", "fe80::1"));
  EXPECT_FALSE(direct("0.0.0.0/0", "::1"));
  for (const char* list : {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/x", "fd00::/129", "a.test/8"}) {
    EXPECT_FALSE(direct(list, "10.0.0.0")) << list;
    EXPECT_FALSE(direct(list, "a.test")) << list;
  }
}

}  // namespace
}  // namespace millrace::test
