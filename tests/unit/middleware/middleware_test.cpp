#include "base/metrics.hpp"
#include "middleware/table.hpp"
#include "support/memory_exchange.hpp"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>
#include <unistd.h>

namespace millrace::middleware {
namespace {

using metrics::Metric;
using millrace::test::MemoryExchange;
using millrace::test::MemoryRequest;

std::unique_ptr<Middleware> make(std::string_view name, const Context& context = {}) {
  for (const Entry& entry : table())
    if (entry.name == name) return entry.make(context);
  ADD_FAILURE() << name;
  return nullptr;
}

MemoryExchange with_id(std::string id) {
  return MemoryExchange(MemoryRequest{.fields = {{"X-Request-Id", std::move(id)}}});
}

TEST(RequestId, IsGeneratedWhereThereIsNone) {
  const auto middleware = make("request_id");
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) {
    MemoryExchange exchange({});
    middleware->request(exchange);
    const std::string id(exchange.request_id);
    EXPECT_EQ(id.size(), 20U);
    EXPECT_TRUE(std::ranges::all_of(id, [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'v');
    })) << id;
    EXPECT_TRUE(ids.insert(id).second);
    EXPECT_EQ(exchange.request.fields.value_or(http::FieldId::kXRequestId, {}), id)
        << "so that upstreams see it";
    middleware->finished(exchange);
  }
}

TEST(RequestId, IsTheSameForEveryoneWhileTheExchangeLives) {
  const auto middleware = make("request_id");
  std::vector<std::unique_ptr<MemoryExchange>> open;
  std::vector<std::string> ids;
  for (int i = 0; i < 2000; ++i) {
    open.push_back(std::make_unique<MemoryExchange>(MemoryRequest{}));
    middleware->request(*open.back());
    ids.emplace_back(open.back()->request_id);
  }
  // Those that end give their place to others, and to nobody else's.
  for (std::size_t i = 0; i < open.size(); i += 2) {
    middleware->finished(*open[i]);
    open[i] = std::make_unique<MemoryExchange>(MemoryRequest{});
    middleware->request(*open[i]);
    ids[i] = open[i]->request_id;
  }
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), ids.size());
  for (std::size_t i = 0; i < open.size(); ++i) ASSERT_EQ(open[i]->request_id, ids[i]);
  for (const auto& exchange : open) middleware->finished(*exchange);
}

TEST(RequestId, IsKeptWhereItIsUsable) {
  const auto middleware = make("request_id");
  for (const std::string& id :
       {std::string("a"), std::string("A-z_0.9"), std::string(128, 'x'), std::string(32, 'f')}) {
    MemoryExchange exchange = with_id(id);
    middleware->request(exchange);
    EXPECT_EQ(exchange.request_id, id);
    EXPECT_EQ(exchange.request.fields.count(http::FieldId::kXRequestId), 1U);
    middleware->finished(exchange);
  }
}

TEST(RequestId, IsReplacedWhereItIsNot) {
  const auto middleware = make("request_id");
  for (const std::string& id : {std::string(), std::string(129, 'x'), std::string("a b"),
                                std::string("a\"b"), std::string("caf\xc3\xa9")}) {
    MemoryExchange exchange = with_id(id);
    middleware->request(exchange);
    EXPECT_EQ(exchange.request_id.size(), 20U) << id;
    EXPECT_EQ(exchange.request.fields.count(http::FieldId::kXRequestId), 1U);
    EXPECT_EQ(exchange.request.fields.value_or(http::FieldId::kXRequestId, {}),
              exchange.request_id);
    middleware->finished(exchange);
  }
  MemoryExchange twice(MemoryRequest{.fields = {{"X-Request-Id", "one"}, {"X-Request-Id", "two"}}});
  middleware->request(twice);
  EXPECT_EQ(twice.request_id.size(), 20U);
  EXPECT_EQ(twice.request.fields.count(http::FieldId::kXRequestId), 1U);
  middleware->finished(twice);
}

TEST(RequestId, GoesBackWithTheResponse) {
  const auto middleware = make("request_id");
  MemoryExchange exchange = with_id("mine");
  middleware->request(exchange);
  http::ResponseHead head;
  head.fields.add(http::FieldId::kXRequestId, "the upstream's");
  middleware->response_head(exchange, head);
  EXPECT_EQ(head.fields.count(http::FieldId::kXRequestId), 1U);
  EXPECT_EQ(head.fields.value_or(http::FieldId::kXRequestId, {}), "mine");
  middleware->finished(exchange);
}

TEST(RequestId, OfAForwardProxyIsForTheLogAlone) {
  const auto middleware = make("request_id", {.forward_proxy = true});
  for (const char* sent : {"", "usable", "not usable"}) {
    MemoryRequest request;
    if (*sent != 0) request.fields.emplace_back("X-Request-Id", sent);
    MemoryExchange exchange(request);
    middleware->request(exchange);
    EXPECT_EQ(exchange.request.fields.value_or(http::FieldId::kXRequestId, {}), sent);
    EXPECT_EQ(exchange.request_id == sent, std::string_view(sent) == "usable");
    EXPECT_FALSE(exchange.request_id.empty());

    http::ResponseHead given;
    given.fields.add(http::FieldId::kXRequestId, "the origin's");
    middleware->response_head(exchange, given);
    EXPECT_EQ(given.fields.value_or(http::FieldId::kXRequestId, {}), "the origin's");
    http::ResponseHead bare;
    middleware->response_head(exchange, bare);
    EXPECT_EQ(bare.fields.value_or(http::FieldId::kXRequestId, {}), exchange.request_id);
    middleware->finished(exchange);
  }
}

TEST(Metrics, CountsTheExchange) {
  const auto middleware = make("metrics");
  const std::uint64_t requests = metrics::total(Metric::kRequests);
  const std::uint64_t durations = metrics::total(Metric::kRequestDuration);
  const std::uint64_t bytes = metrics::total(Metric::kResponseBytes);
  const std::uint64_t aborted = metrics::total(Metric::kRequestsAborted);
  {
    MemoryExchange exchange({});
    http::ResponseHead head;
    exchange.respond(head, "12345");
    middleware->finished(exchange);
  }
  EXPECT_EQ(metrics::total(Metric::kRequests) - requests, 1U);
  EXPECT_EQ(metrics::total(Metric::kRequestDuration) - durations, 1U);
  EXPECT_EQ(metrics::total(Metric::kResponseBytes) - bytes, 5U);
  EXPECT_EQ(metrics::total(Metric::kRequestsAborted) - aborted, 0U);
  {
    MemoryExchange exchange({});
    http::ResponseHead head;
    exchange.start(head);
    middleware->finished(exchange);
  }
  EXPECT_EQ(metrics::total(Metric::kRequestsAborted) - aborted, 1U);
}

TEST(AccessLog, WritesALine) {
  int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  std::string line(4096, '\0');
  {
    const auto logger = log::Logger::open({.stderr_fd = fds[1]}).value();
    const auto middleware = make("access_log", {.log = logger.get()});
    MemoryExchange exchange(MemoryRequest{.target = "/a?token=1"});
    exchange.request_id = "id-1";
    exchange.cause = Errc::kUpstreamReset;
    http::ResponseHead head;
    head.status = 502;
    exchange.respond(head, "12345");
    middleware->finished(exchange);
  }
  line.resize(static_cast<std::size_t>(::read(fds[0], line.data(), line.size())));
  ::close(fds[0]);
  ::close(fds[1]);
  for (const auto* part :
       {"\"target\":\"/a?token=***\"", "\"request_id\":\"id-1\"", "\"status\":502",
        "\"bytes_out\":5", "\"cause\":\"upstream_reset\"", "\"client\":\"127.0.0.1\""})
    EXPECT_TRUE(line.contains(part)) << part << " in " << line;
}

TEST(AccessLog, IsLeftOutWhenItIsOff) {
  EXPECT_EQ(make("access_log"), nullptr);
  EXPECT_EQ(make_all({}).size(), table().size() - 1);
}

TEST(Table, TheIdComesFirst) {
  ASSERT_FALSE(table().empty());
  EXPECT_EQ(table().front().name, "request_id") << "everything else names requests by it";
}

}  // namespace
}  // namespace millrace::middleware
