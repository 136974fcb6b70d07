#include "config/pattern.hpp"

#include <gtest/gtest.h>

namespace millrace::config {
namespace {

PathPattern path(std::string_view text) {
  return parse_path_pattern(text).value();
}
HostPattern host(std::string_view text) {
  return parse_host_pattern(text).value();
}

TEST(PathPattern, IsTakenApartAtSlashes) {
  using Segments = std::vector<PathPattern::Segment>;
  EXPECT_EQ(path("/").segments, (Segments{{"", false}}));
  EXPECT_FALSE(path("/").wildcard);
  EXPECT_EQ(path("/*").segments, Segments{});
  EXPECT_TRUE(path("/*").wildcard);
  EXPECT_EQ(path("/a/").segments, (Segments{{"a", false}, {"", false}}));
  EXPECT_EQ(path("/users/{id}/*").segments, (Segments{{"users", false}, {"id", true}}));
  EXPECT_EQ(path("/a%20b").segments, (Segments{{"a%20b", false}}));
}

TEST(PathPattern, DefaultIsTheCatchAll) {
  EXPECT_EQ(PathPattern{}, path("/*"));
}

TEST(PathPattern, CoversWhatItMatchesAllOf) {
  const auto covered = [](std::string_view outer, std::string_view inner) {
    return covers(path(outer), path(inner));
  };
  EXPECT_TRUE(covered("/*", "/"));
  EXPECT_TRUE(covered("/*", "/a/b"));
  EXPECT_TRUE(covered("/*", "/*"));
  EXPECT_TRUE(covered("/a/*", "/a/"));
  EXPECT_TRUE(covered("/a/*", "/a/b/*"));
  EXPECT_TRUE(covered("/{x}", "/a"));
  EXPECT_TRUE(covered("/{x}", "/{y}"));
  EXPECT_TRUE(covered("/{x}/*", "/a/b"));
  EXPECT_FALSE(covered("/a/*", "/a")) << "/a/* needs the slash";
  EXPECT_FALSE(covered("/a/b/*", "/a/*"));
  EXPECT_FALSE(covered("/a", "/{x}"));
  EXPECT_FALSE(covered("/a", "/a/"));
  EXPECT_FALSE(covered("/{x}", "/")) << "a parameter is not empty";
  EXPECT_FALSE(covered("/{x}", "/a/*"));
  EXPECT_FALSE(covered("/a", "/a/*"));
}

TEST(HostPattern, MatchesNamesBelowTheStar) {
  EXPECT_TRUE(host("*").matches("anything"));
  EXPECT_TRUE(host("Example.COM.").matches("example.com"));
  EXPECT_FALSE(host("example.com").matches("www.example.com"));
  EXPECT_TRUE(host("*.example.com").matches("a.b.example.com"));
  EXPECT_FALSE(host("*.example.com").matches("example.com"));
  EXPECT_FALSE(host("*.example.com").matches(".example.com"));
  EXPECT_FALSE(host("*.example.com").matches("badexample.com"));
  EXPECT_TRUE(host("[0::1]").matches("::1"));
}

TEST(HostPattern, CoversWhatItMatchesAllOf) {
  const auto covered = [](std::string_view outer, std::string_view inner) {
    return covers(host(outer), host(inner));
  };
  EXPECT_TRUE(covered("*", "*"));
  EXPECT_TRUE(covered("*", "*.example.com"));
  EXPECT_TRUE(covered("*.example.com", "a.example.com"));
  EXPECT_TRUE(covered("*.example.com", "*.a.example.com"));
  EXPECT_TRUE(covered("*.example.com", "*.example.com"));
  EXPECT_FALSE(covered("*.example.com", "example.com"));
  EXPECT_FALSE(covered("*.a.example.com", "*.example.com"));
  EXPECT_FALSE(covered("example.com", "*"));
}

}  // namespace
}  // namespace millrace::config
