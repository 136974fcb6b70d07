#include "config/routing.hpp"

#include <string>

#include <gtest/gtest.h>

namespace millrace::config {
namespace {

TEST(TextPattern, StarsAtTheEnds) {
  const auto matches = [](std::string_view pattern, std::string_view text) {
    return parse_text_pattern(pattern).value().matches(text);
  };
  EXPECT_TRUE(matches("gold", "gold"));
  EXPECT_FALSE(matches("gold", "golden"));
  EXPECT_FALSE(matches("gold", "Gold"));
  EXPECT_TRUE(matches("gold*", "golden"));
  EXPECT_TRUE(matches("gold*", "gold"));
  EXPECT_FALSE(matches("gold*", "gol"));
  EXPECT_TRUE(matches("*gold", "old gold"));
  EXPECT_FALSE(matches("*gold", "golden"));
  EXPECT_TRUE(matches("*gold*", "a golden age"));
  EXPECT_FALSE(matches("*gold*", "silver"));
  EXPECT_TRUE(matches("*", ""));
  EXPECT_TRUE(matches("", ""));
  EXPECT_FALSE(matches("", "x"));
  for (const char* wrong : {"**", "a*b", "*a*b*"})
    EXPECT_FALSE(parse_text_pattern(wrong).has_value()) << wrong;
}

std::string rewritten(const Rewrite& rewrite, std::string_view pattern, std::string_view path) {
  return rewrite.apply(parse_path_pattern(pattern).value(), path);
}

TEST(Rewrite, Prefixes) {
  const Rewrite strip{.strip_prefix = "/api", .add_prefix = {}, .path = {}};
  EXPECT_EQ(rewritten(strip, "/api/*", "/api/users/7"), "/users/7");
  EXPECT_EQ(rewritten(strip, "/api/*", "/api/"), "/");
  EXPECT_EQ(rewritten(strip, "/api", "/api"), "/");
  EXPECT_EQ(rewritten(strip, "/*", "/apis"), "/apis");
  EXPECT_EQ(rewritten(strip, "/api/*", "/api//evil.com/a"), "/evil.com/a");
  const Rewrite add{.strip_prefix = {}, .add_prefix = "/v2", .path = {}};
  EXPECT_EQ(rewritten(add, "/*", "/users"), "/v2/users");
  EXPECT_EQ(rewritten(add, "/*", "/"), "/v2/");
  const Rewrite both{.strip_prefix = "/a/b", .add_prefix = "/c", .path = {}};
  EXPECT_EQ(rewritten(both, "/a/b/*", "/a/b/x"), "/c/x");
  EXPECT_EQ(rewritten(both, "/a/b", "/a/b"), "/c");
}

TEST(Rewrite, Templates) {
  const Rewrite rewrite{.strip_prefix = {},
                        .add_prefix = {},
                        .path = parse_template("/v{version}/users/{id}/*").value()};
  EXPECT_EQ(rewritten(rewrite, "/u/{id}/{version}/*", "/u/7/2/posts/%20"), "/v2/users/7/posts/%20");
  EXPECT_EQ(rewritten(rewrite, "/u/{id}/{version}/*", "/u/7/2/"), "/v2/users/7/");
  const Rewrite one{.strip_prefix = {}, .add_prefix = {}, .path = parse_template("/x").value()};
  EXPECT_EQ(rewritten(one, "/*", "/a/b"), "/x");
}

TEST(Template, WhatIsNone) {
  for (const char* wrong : {"/{", "/}", "/{}", "/a{b", "/{a}}", "/a}b{c}"})
    EXPECT_FALSE(parse_template(wrong).has_value()) << wrong;
  EXPECT_FALSE(parse_template("/a/b").value().has_places());
  EXPECT_TRUE(parse_template("/*").value().has_places());
  EXPECT_TRUE(parse_template("{uri}").value().has_places());
}

TEST(RouteMatch, CoversOnlyWhereItAsksForNoMore) {
  RouteMatch plain, conditional, narrower;
  conditional.header["X-A"] = TextPattern{"1"};
  narrower.header["X-A"] = TextPattern{"1"};
  narrower.query["b"] = TextPattern{"2"};
  EXPECT_TRUE(covers(plain, conditional));
  EXPECT_FALSE(covers(conditional, plain));
  EXPECT_TRUE(covers(conditional, narrower));
  EXPECT_FALSE(covers(narrower, conditional));
  conditional.header["X-A"] = TextPattern{"*"};
  EXPECT_TRUE(covers(conditional, narrower));
}

}  // namespace
}  // namespace millrace::config
