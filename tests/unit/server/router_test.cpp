#include "server/router.hpp"

#include "fake_exchange.hpp"

#include <string>

#include <gtest/gtest.h>

namespace millrace::server {
namespace {

using http::Method;
using test::FakeExchange;

class Named final : public Handler {
 public:
  Task<Result<void>> handle(Exchange&) override { co_return Result<void>{}; }
};

config::RouteMatch match(std::string_view path, std::vector<Method> methods = {},
                         std::string_view host = "*") {
  return {.host = config::parse_host_pattern(host).value(),
          .path = config::parse_path_pattern(path).value(),
          .method = std::move(methods)};
}

/// What lies behind the fixed part, or "no".
std::string rest_of(std::string_view pattern, std::string_view path) {
  std::string_view rest;
  if (!match_path(config::parse_path_pattern(pattern).value(), path, rest)) return "no";
  return std::string(rest);
}

TEST(MatchPath, Exact) {
  EXPECT_EQ(rest_of("/a", "/a"), "");
  EXPECT_EQ(rest_of("/a/b", "/a/b"), "");
  EXPECT_EQ(rest_of("/", "/"), "");
  EXPECT_EQ(rest_of("/a/", "/a/"), "");
  for (const char* path : {"/", "/a/", "/ab", "/A", "/b", "/a/b", "a", "", "*"})
    EXPECT_EQ(rest_of("/a", path), "no") << path;
  EXPECT_EQ(rest_of("/a/", "/a"), "no");
  EXPECT_EQ(rest_of("/", "/a"), "no");
  EXPECT_EQ(rest_of("/", "//"), "no");
}

TEST(MatchPath, WildcardTakesWhatIsBelowAndNotTheFolderItself) {
  EXPECT_EQ(rest_of("/a/*", "/a/"), "/");
  EXPECT_EQ(rest_of("/a/*", "/a/b"), "/b");
  EXPECT_EQ(rest_of("/a/*", "/a/b/c/"), "/b/c/");
  EXPECT_EQ(rest_of("/a/*", "/a"), "no");
  EXPECT_EQ(rest_of("/a/*", "/ab"), "no");
  EXPECT_EQ(rest_of("/*", "/"), "/");
  EXPECT_EQ(rest_of("/*", "/x/y"), "/x/y");
  EXPECT_EQ(rest_of("/*", "*"), "no");
}

TEST(MatchPath, ParametersAreOneSegmentThatIsNotEmpty) {
  EXPECT_EQ(rest_of("/users/{id}", "/users/7"), "");
  EXPECT_EQ(rest_of("/users/{id}/posts", "/users/7/posts"), "");
  EXPECT_EQ(rest_of("/users/{id}/*", "/users/7/x"), "/x");
  EXPECT_EQ(rest_of("/users/{id}", "/users/"), "no");
  EXPECT_EQ(rest_of("/users/{id}", "/users"), "no");
  EXPECT_EQ(rest_of("/users/{id}", "/users/7/"), "no");
  EXPECT_EQ(rest_of("/users/{id}", "/users/7/8"), "no");
  EXPECT_EQ(rest_of("/{a}/{b}", "/x/y"), "");
}

TEST(Router, TheFirstMatchWins) {
  Named first, second, rest;
  Router router;
  router.add(match("/a/*"), first);
  router.add(match("/a/b"), second);
  router.add(match("/*"), rest);
  FakeExchange ab("GET", "/a/b"), b("GET", "/b");
  EXPECT_EQ(router.find(ab).handler, &first);
  EXPECT_EQ(ab.route_name, "/a/*");
  EXPECT_EQ(ab.route_path, "/b");
  EXPECT_EQ(router.find(b).handler, &rest);
  EXPECT_EQ(b.route_path, "/b");
}

TEST(Router, NothingMatches) {
  Named handler;
  Router router;
  router.add(match("/a"), handler);
  FakeExchange b("GET", "/b");
  const Router::Found found = router.find(b);
  EXPECT_EQ(found.handler, nullptr);
  EXPECT_FALSE(found.other_method);
  EXPECT_EQ(b.route_name, "");
}

TEST(Router, MethodsPickARouteAndHeadGoesWithGet) {
  Named get, post;
  Router router;
  router.add(match("/a", {Method::kGet}), get);
  router.add(match("/a", {Method::kPost, Method::kPut}), post);
  for (const auto& [method, handler] : std::initializer_list<std::pair<const char*, Handler*>>{
           {"GET", &get}, {"HEAD", &get}, {"POST", &post}, {"PUT", &post}}) {
    FakeExchange exchange(method, "/a");
    EXPECT_EQ(router.find(exchange).handler, handler) << method;
  }
  FakeExchange other("DELETE", "/a");
  const Router::Found found = router.find(other);
  EXPECT_EQ(found.handler, nullptr);
  EXPECT_TRUE(found.other_method);
  EXPECT_EQ(router.allowed(other), "GET, HEAD, POST, PUT, OPTIONS");
}

TEST(Router, AllowedNamesEachMethodOnceAndOnlyOfRoutesThatMatch) {
  Named handler;
  Router router;
  router.add(match("/a", {Method::kGet, Method::kHead}), handler);
  router.add(match("/*", {Method::kGet}), handler);
  router.add(match("/b", {Method::kDelete}), handler);
  FakeExchange exchange("POST", "/a");
  EXPECT_EQ(router.allowed(exchange), "GET, HEAD, OPTIONS");
}

TEST(Router, Hosts) {
  Named exact, below, address, other;
  Router router;
  router.add(match("/*", {}, "example.com"), exact);
  router.add(match("/*", {}, "*.example.com"), below);
  router.add(match("/*", {}, "::1"), address);
  router.add(match("/*"), other);
  for (const auto& [host, handler] :
       std::initializer_list<std::pair<const char*, Handler*>>{{"example.com", &exact},
                                                               {"EXAMPLE.com:8080", &exact},
                                                               {"example.com.", &exact},
                                                               {"a.example.com", &below},
                                                               {"a.b.example.com:1", &below},
                                                               {"notexample.com", &other},
                                                               {"[::1]", &address},
                                                               {"[::1]:80", &address},
                                                               {"127.0.0.1", &other}}) {
    FakeExchange exchange("GET", "/", host);
    ASSERT_TRUE(exchange.passed) << host;
    EXPECT_EQ(router.find(exchange).handler, handler) << host;
  }
}

TEST(Router, AHostThatNoNameCanBeMatchesOnlyTheWildcard) {
  Named named, other;
  Router router;
  router.add(match("/*", {}, "*.example.com"), named);
  router.add(match("/*"), other);
  const std::string host = std::string(300, 'a') + ".example.com";
  FakeExchange exchange("GET", "/", "a");
  exchange.request.authority = host;
  EXPECT_EQ(router.find(exchange).handler, &other);
}

}  // namespace
}  // namespace millrace::server
