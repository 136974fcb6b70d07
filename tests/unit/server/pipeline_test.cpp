#include "server/pipeline.hpp"

#include "fake_exchange.hpp"
#include "runtime/task_group.hpp"

#include <string>

#include <gtest/gtest.h>

namespace millrace::server {
namespace {

using http::Method;
using test::FakeExchange;

/// Answers, or fails with an error, as told.
class Told final : public Handler {
 public:
  Task<Result<void>> handle(Exchange& exchange) override {
    if (starts) {
      http::ResponseHead head;
      exchange.start(head);
    }
    if (finishes) (void)exchange.finish();
    co_return result;
  }
  bool starts = true;
  bool finishes = true;
  Result<void> result;
};

/// Writes down when it was called, and adds a field.
class Recording final : public Middleware {
 public:
  Recording(std::string name, std::vector<std::string>& calls)
      : name_(std::move(name)), calls_(calls) {}
  void request(Exchange&) override { calls_.push_back(name_ + " request"); }
  void response_head(Exchange&, http::ResponseHead& head) override {
    calls_.push_back(name_ + " head");
    head.fields.add("X-Seen-By", name_);
  }
  void finished(Exchange& exchange) override {
    calls_.push_back(name_ + " finished " + std::to_string(exchange.status()));
  }

 private:
  const std::string name_;
  std::vector<std::string>& calls_;
};

Task<void> run_handler(Handler& handler, Exchange& exchange, Result<void>& outcome) {
  outcome = co_await handler.handle(exchange);
}

class PipelineTest : public testing::Test {
 protected:
  PipelineTest() {
    std::vector<std::unique_ptr<Middleware>> middlewares;
    middlewares.push_back(std::make_unique<Recording>("first", calls_));
    middlewares.push_back(std::make_unique<Recording>("second", calls_));
    Router router;
    router.add({.path = config::parse_path_pattern("/get").value(), .method = {Method::kGet}},
               told_);
    router.add({.path = config::parse_path_pattern("/any/*").value()}, told_);
    pipeline_ = std::make_unique<ServerPipeline>(ConnectionLimits{}, std::move(router),
                                                 std::move(middlewares));
  }

  /// What a codec does with an exchange whose head passed.
  void serve(Exchange& exchange) {
    Handler& handler = pipeline_->begin(exchange);
    Result<void> outcome;
    TaskGroup group;
    group.spawn(run_handler(handler, exchange, outcome));
    ReadyQueue::current().drain(1000);
    pipeline_->end(exchange, outcome);
  }

  std::vector<std::string> calls_;
  Told told_;
  std::unique_ptr<ServerPipeline> pipeline_;
};

TEST_F(PipelineTest, HooksRunInOrderAndBack) {
  FakeExchange exchange("GET", "/get");
  serve(exchange);
  EXPECT_EQ(exchange.status(), 200);
  EXPECT_EQ(exchange.cause, Errc::kCount_);
  EXPECT_EQ(calls_,
            (std::vector<std::string>{"first request", "second request", "second head",
                                      "first head", "second finished 200", "first finished 200"}));
  EXPECT_EQ(exchange.field("X-Seen-By"), "second");
}

TEST_F(PipelineTest, OneHandlerMayHaveEverything) {
  ServerPipeline pipeline(ConnectionLimits{}, Router(), {}, &told_);
  for (const auto& [method, target] : {std::pair("GET", "/x"),
                                       {"GET", "http://b/x"},
                                       {"OPTIONS", "*"},
                                       {"CONNECT", "b:443"},
                                       {"TRACE", "/"}}) {
    FakeExchange exchange(method, target);
    ASSERT_TRUE(exchange.passed) << target;
    EXPECT_EQ(&pipeline.begin(exchange), &told_) << method;
    EXPECT_NE(&pipeline_->begin(exchange), &told_) << method;
  }
}

TEST_F(PipelineTest, RefusedHeadsPassTheHooksToo) {
  FakeExchange exchange("GET", "/get");
  pipeline_->refuse(exchange, Errc::kBadHost);
  EXPECT_EQ(exchange.status(), 400);
  EXPECT_EQ(exchange.cause, Errc::kBadHost);
  EXPECT_EQ(calls_.size(), 6u);
  EXPECT_EQ(calls_.back(), "first finished 400");
}

/// A connection that was made for one authority.
class MadeFor final : public ServedCertificate {
 public:
  explicit MadeFor(std::string_view authority) : authority_(authority) {}
  bool admits(std::string_view authority) override { return authority == authority_; }

 private:
  const std::string_view authority_;
};

TEST_F(PipelineTest, RequestsOfOtherConnectionsAreMisdirected) {
  MadeFor here("example.com"), elsewhere("example.org");
  FakeExchange welcome("GET", "/get");
  welcome.serve_with(here);
  serve(welcome);
  EXPECT_EQ(welcome.status(), 200);
  FakeExchange misdirected("GET", "/get");
  misdirected.serve_with(elsewhere);
  serve(misdirected);
  EXPECT_EQ(misdirected.status(), 421);
  EXPECT_EQ(misdirected.cause, Errc::kMisdirected);
}

TEST_F(PipelineTest, NotFound) {
  FakeExchange exchange("GET", "/nowhere");
  serve(exchange);
  EXPECT_EQ(exchange.status(), 404);
  EXPECT_EQ(exchange.field("Content-Type"), "application/problem+json");
  EXPECT_NE(exchange.body.find("\"code\":\"not_found\""), std::string::npos) << exchange.body;
  EXPECT_NE(exchange.body.find("\"instance\":\"/nowhere\""), std::string::npos) << exchange.body;
  EXPECT_EQ(exchange.field("Allow"), "");
}

TEST_F(PipelineTest, MethodNotAllowedNamesTheMethods) {
  FakeExchange exchange("DELETE", "/get");
  serve(exchange);
  EXPECT_EQ(exchange.status(), 405);
  EXPECT_EQ(exchange.field("Allow"), "GET, HEAD, OPTIONS");
}

TEST_F(PipelineTest, OptionsOfARouteThatDoesNotTakeIt) {
  FakeExchange exchange("OPTIONS", "/get");
  serve(exchange);
  EXPECT_EQ(exchange.status(), 204);
  EXPECT_EQ(exchange.field("Allow"), "GET, HEAD, OPTIONS");
  FakeExchange taken("OPTIONS", "/any/x");
  serve(taken);
  EXPECT_EQ(taken.status(), 200);
}

TEST_F(PipelineTest, OptionsOfTheWholeServer) {
  FakeExchange exchange("OPTIONS", "*");
  ASSERT_TRUE(exchange.passed);
  serve(exchange);
  EXPECT_EQ(exchange.status(), 204);
  EXPECT_EQ(exchange.body, "");
}

TEST_F(PipelineTest, TraceAndConnectAreNotImplemented) {
  FakeExchange trace("TRACE", "/any/x");
  serve(trace);
  EXPECT_EQ(trace.status(), 501);
  FakeExchange connect("CONNECT", "example.com:443", "example.com:443");
  ASSERT_TRUE(connect.passed);
  serve(connect);
  EXPECT_EQ(connect.status(), 501);
}

TEST_F(PipelineTest, AnErrorBeforeTheAnswerBecomesADocument) {
  told_.starts = told_.finishes = false;
  told_.result = fail(Errc::kUpstreamClosed);
  FakeExchange exchange("POST", "/any/x");
  exchange.request_id = "an-id";
  serve(exchange);
  EXPECT_EQ(exchange.status(), 502);
  EXPECT_EQ(exchange.cause, Errc::kUpstreamClosed);
  EXPECT_NE(exchange.body.find("an-id"), std::string::npos) << exchange.body;
  EXPECT_TRUE(exchange.finished());
}

TEST_F(PipelineTest, TheDetailOfTheExchangeIsInTheDocument) {
  told_.starts = told_.finishes = false;
  told_.result = fail(Errc::kBadParameter);
  FakeExchange exchange("GET", "/any/x");
  exchange.detail = "ms must be a number";
  serve(exchange);
  EXPECT_NE(exchange.body.find("ms must be a number"), std::string::npos) << exchange.body;
}

TEST_F(PipelineTest, HtmlForThoseWhoPreferIt) {
  FakeExchange exchange("GET", "/<nowhere>");
  exchange.request.path = "/<nowhere>";  // the gate would not have let it pass
  exchange.request.fields.add("Accept", "text/html,application/xhtml+xml,*/*;q=0.8");
  serve(exchange);
  EXPECT_EQ(exchange.field("Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(exchange.body.find("<nowhere>"), std::string::npos) << exchange.body;
}

TEST_F(PipelineTest, ServiceUnavailableSaysWhenToComeBack) {
  told_.starts = told_.finishes = false;
  told_.result = fail(Errc::kOffloadFull);
  FakeExchange exchange("GET", "/any/x");
  serve(exchange);
  EXPECT_EQ(exchange.status(), 503);
  EXPECT_EQ(exchange.field("Retry-After"), "1");
}

TEST_F(PipelineTest, AnErrorAfterTheAnswerBeganOnlyHasACause) {
  told_.finishes = false;
  told_.result = fail(Errc::kUpstreamTruncated);
  FakeExchange exchange("GET", "/get");
  serve(exchange);
  EXPECT_EQ(exchange.heads, 1);
  EXPECT_EQ(exchange.status(), 200);
  EXPECT_EQ(exchange.cause, Errc::kUpstreamTruncated);
  EXPECT_FALSE(exchange.finished());
}

TEST_F(PipelineTest, AHandlerThatAnswersNothingIsABugOfOurs) {
  told_.starts = told_.finishes = false;
  FakeExchange exchange("GET", "/get");
  serve(exchange);
  EXPECT_EQ(exchange.status(), 500);
  EXPECT_EQ(exchange.cause, Errc::kInternal);
}

TEST_F(PipelineTest, AHandlerThatDoesNotFinishAbortsItsAnswer) {
  told_.finishes = false;
  FakeExchange exchange("GET", "/get");
  serve(exchange);
  EXPECT_EQ(exchange.cause, Errc::kInternal);
  EXPECT_FALSE(exchange.finished());
}

TEST_F(PipelineTest, IdleConnectionsThatEndAreNoAnswer) {
  FakeExchange exchange("GET", "/get");
  pipeline_->refuse(exchange, Errc::kIdleTimeout);
  EXPECT_EQ(exchange.heads, 0);
  EXPECT_EQ(calls_.back(), "first finished 0");
}

TEST_F(PipelineTest, Draining) {
  EXPECT_FALSE(pipeline_->draining());
  pipeline_->set_draining();
  EXPECT_TRUE(pipeline_->draining());
}

/// Rules of one configuration that tells when nobody uses it.
class Generation final : public RulesInUse {
 public:
  explicit Generation(Handler& everything)
      : rules(ConnectionLimits{}, Router(), {}, &everything, this) {}
  PipelineRules rules;
  int left = 0;

 private:
  void unused() noexcept override { ++left; }
};

TEST_F(PipelineTest, AnExchangeEndsWithTheRulesThatItBeganWith) {
  Told other;
  Generation before(told_), after(other);
  ServerPipeline pipeline(before.rules);
  FakeExchange old_one, new_one;
  EXPECT_EQ(&pipeline.begin(old_one), &told_);
  pipeline.use(after.rules);
  before.retire();
  EXPECT_EQ(&pipeline.begin(new_one), &other);
  EXPECT_EQ(&PipelineRules::of(old_one), &before.rules);
  EXPECT_TRUE(before.in_use());
  EXPECT_EQ(before.left, 0);
  pipeline.end(old_one, fail(Errc::kInternal));
  EXPECT_EQ(before.left, 1);
  EXPECT_FALSE(before.in_use());
  pipeline.end(new_one, fail(Errc::kInternal));
  EXPECT_EQ(after.left, 0) << "it still serves";
}

TEST_F(PipelineTest, RulesThatNobodyUsesEndAtOnce) {
  Generation before(told_), after(told_);
  ServerPipeline pipeline(before.rules);
  FakeExchange refused;
  pipeline.refuse(refused, Errc::kBadHost);
  pipeline.use(after.rules);
  before.retire();
  EXPECT_EQ(before.left, 1);
}

TEST_F(PipelineTest, AListenerThatGoesKeepsItsRules) {
  Generation before(told_);
  {
    ServerPipeline pipeline(before.rules);
    pipeline.keep_rules();
    pipeline.keep_rules();
    before.retire();
    EXPECT_EQ(before.left, 0);
    FakeExchange exchange;
    EXPECT_EQ(&pipeline.begin(exchange), &told_);
    pipeline.end(exchange, fail(Errc::kInternal));
    EXPECT_EQ(before.left, 0);
  }
  EXPECT_EQ(before.left, 1);
}

}  // namespace
}  // namespace millrace::server
