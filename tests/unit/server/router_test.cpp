#include "server/router.hpp"

#include "fake_exchange.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

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
  if (!config::match_path(config::parse_path_pattern(pattern).value(), path, rest)) return "no";
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

/// Routes with the paths `patterns`, and which of them `path` finds; -1: none.
int found_among(const std::vector<const char*>& patterns, std::string_view path) {
  static Named handler;
  Router router;
  for (const char* pattern : patterns) router.add(match(pattern), handler);
  FakeExchange exchange("GET", path);
  const Router::Found found = router.find(exchange);
  return found.handler == nullptr ? -1 : static_cast<int>(found.index);
}

TEST(Router, LiteralsAndParametersAreBothTried) {
  EXPECT_EQ(found_among({"/a/{x}/c", "/a/b/d"}, "/a/b/c"), 0);
  EXPECT_EQ(found_among({"/a/{x}/c", "/a/b/d"}, "/a/b/d"), 1);
  EXPECT_EQ(found_among({"/{x}/b", "/a/{y}"}, "/a/b"), 0);
  EXPECT_EQ(found_among({"/a/{y}", "/{x}/b"}, "/a/b"), 0);
  EXPECT_EQ(found_among({"/{x}/{y}/z", "/a/*", "/a/b/c"}, "/a/b/c"), 1);
  EXPECT_EQ(found_among({"/a/b", "/a/{x}/*"}, "/a/b/"), 1);
  EXPECT_EQ(found_among({"/a/{x}"}, "/a/"), -1);
  EXPECT_EQ(found_among({"/a/{x}", "/a/"}, "/a/"), 1);
}

TEST(Router, AgreesWithOneRouteAfterTheOther) {
  const std::vector<const char*> segments = {"a", "b", "{z}", ""};
  std::vector<std::string> texts;
  for (const char* first : {"a", "b", "{x}"})
    for (const char* second : segments)
      for (const char* last : {"", "/*", "/a", "/{y}"})
        if (*second != '\0' || *last == '\0')
          texts.push_back(std::string("/") + first + "/" + second + last);
  for (unsigned shift = 0; shift < texts.size(); shift += 5) {
    std::ranges::rotate(texts, texts.begin() + 5);
    std::vector<const char*> patterns;
    for (const std::string& text : texts) patterns.push_back(text.c_str());
    for (const char* path : {"/", "/a", "/a/", "/a/b", "/a/b/", "/b/b/a", "/c/c/c", "/a/a/a/a"}) {
      int expected = -1;
      std::string_view rest;
      for (std::size_t i = 0; i < patterns.size() && expected < 0; ++i)
        if (config::match_path(config::parse_path_pattern(patterns[i]).value(), path, rest))
          expected = static_cast<int>(i);
      EXPECT_EQ(found_among(patterns, path), expected) << path << " after " << texts.front();
    }
  }
}

TEST(Router, HostsAndPathsGoInFileOrder) {
  Named everywhere, here;
  Router router;
  router.add(match("/a/*"), everywhere);
  router.add(match("/*", {}, "example.com"), here);
  router.add(match("/b"), everywhere);
  FakeExchange a("GET", "/a/x"), b("GET", "/b");
  EXPECT_EQ(router.find(a).index, 0U);
  EXPECT_EQ(router.find(b).index, 1U);
}

TEST(Router, OnlySomeHostsOrNoRoutesAtAll) {
  Named handler;
  Router router;
  FakeExchange exchange("GET", "/");
  EXPECT_EQ(router.find(exchange).handler, nullptr);
  EXPECT_EQ(router.allowed(exchange), "");
  router.add(match("/*", {}, "a.example"), handler);
  EXPECT_EQ(router.find(exchange).handler, nullptr);
  FakeExchange there("GET", "/", "a.example");
  EXPECT_EQ(router.find(there).handler, &handler);
}

TEST(Router, FieldsAndParameters) {
  Named gold, debug, rest;
  Router router;
  config::RouteMatch by_field = match("/*");
  by_field.header["x-plan"] = config::parse_text_pattern("gold*").value();
  by_field.header["Accept"] = config::parse_text_pattern("*json*").value();
  config::RouteMatch by_query = match("/*", {Method::kGet});
  by_query.query["debug"] = config::parse_text_pattern("*").value();
  router.add(by_field, gold);
  router.add(by_query, debug);
  router.add(match("/*", {Method::kPut}), rest);
  const auto handler_of = [&](std::string_view target, std::string_view plan, const char* method) {
    FakeExchange exchange(method, target);
    exchange.request.fields.add("X-Plan", "silver");
    exchange.request.fields.add("X-PLAN", plan);
    exchange.request.fields.add("Accept", "application/json");
    const Router::Found found = router.find(exchange);
    return std::pair(found.handler, found.other_method);
  };
  EXPECT_EQ(handler_of("/", "golden", "GET").first, &gold);
  EXPECT_EQ(handler_of("/", "Gold", "PUT").first, &rest);
  EXPECT_EQ(handler_of("/?debug", "x", "GET").first, &debug);
  EXPECT_EQ(handler_of("/?a=1&d%65bug=2", "x", "GET").first, &debug);
  EXPECT_EQ(handler_of("/?Debug=1", "x", "PUT").first, &rest);
  // One that has the path and the parameter, but not the method, makes it a 405.
  EXPECT_EQ(handler_of("/?debug=1", "x", "POST"), std::pair(static_cast<Handler*>(nullptr), true));
  // A broken escape hides nothing.
  EXPECT_EQ(handler_of("/?a=%zz&debug=100%", "x", "GET").first, &debug);
}

}  // namespace
}  // namespace millrace::server
