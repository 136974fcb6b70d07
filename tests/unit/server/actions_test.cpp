#include "server/actions.hpp"

#include "fake_exchange.hpp"
#include "runtime/task_group.hpp"

#include <gtest/gtest.h>

namespace millrace::server {
namespace {

using test::FakeExchange;

Task<void> run_handler(Handler& handler, Exchange& exchange, Result<void>& outcome) {
  outcome = co_await handler.handle(exchange);
}

Result<void> handle(Handler& handler, Exchange& exchange) {
  Result<void> outcome;
  TaskGroup group;
  group.spawn(run_handler(handler, exchange, outcome));
  ReadyQueue::current().drain(1000);
  return outcome;
}

TEST(Respond, StatusBodyAndFields) {
  RespondHandler handler({.status = 418, .body = "teapot", .headers = {{"X-A", "b"}}});
  FakeExchange exchange;
  EXPECT_TRUE(handle(handler, exchange).has_value());
  EXPECT_EQ(exchange.status(), 418);
  EXPECT_EQ(exchange.body, "teapot");
  EXPECT_EQ(exchange.field("X-A"), "b");
  EXPECT_EQ(exchange.field("Content-Type"), "text/plain; charset=utf-8");
}

TEST(Respond, ItsOwnTypeWins) {
  RespondHandler handler({.body = "{}", .headers = {{"content-type", "application/json"}}});
  FakeExchange exchange;
  EXPECT_TRUE(handle(handler, exchange).has_value());
  EXPECT_EQ(exchange.field("content-type"), "application/json");
  EXPECT_EQ(exchange.field("Content-Type"), "");
}

TEST(Respond, NoBodyHasNoType) {
  RespondHandler handler({.status = 204});
  FakeExchange exchange;
  EXPECT_TRUE(handle(handler, exchange).has_value());
  EXPECT_EQ(exchange.field("Content-Type"), "");
}

TEST(Respond, LargeBodiesAreStreamed) {
  RespondHandler handler({.body = std::string(Exchange::kRespondBytesMax + 1, 'x')});
  FakeExchange exchange;
  EXPECT_TRUE(handle(handler, exchange).has_value());
  EXPECT_EQ(exchange.body.size(), Exchange::kRespondBytesMax + 1);
  EXPECT_TRUE(exchange.finished());
}

TEST(Redirect, LocationAndStatus) {
  RedirectHandler handler(
      {.to = config::parse_template("https://example.com/a").value(), .status = 301},
      config::PathPattern{});
  FakeExchange exchange;
  EXPECT_TRUE(handle(handler, exchange).has_value());
  EXPECT_EQ(exchange.status(), 301);
  EXPECT_EQ(exchange.field("Location"), "https://example.com/a");
}

TEST(Fail, IsTheError) {
  FailHandler handler(Errc::kNotFound);
  FakeExchange exchange;
  EXPECT_EQ(handle(handler, exchange), Result<void>(fail(Errc::kNotFound)));
  EXPECT_FALSE(exchange.started());
}

}  // namespace
}  // namespace millrace::server
