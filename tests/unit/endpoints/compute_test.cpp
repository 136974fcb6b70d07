#include "endpoints/chunk_feed.hpp"
#include "unit/endpoints/endpoint_fixture.hpp"

#include <condition_variable>
#include <mutex>

namespace millrace::endpoints::test {
namespace {

Answered count(std::vector<std::string> body, std::string query = {}) {
  return ask("compute", {.method = Method::kPost,
                         .target = "/wordcount" + query,
                         .route_path = "/wordcount",
                         .body = std::move(body)});
}

Answered sqrt_sum(std::string query) {
  return ask("compute",
             {.target = "/sqrt-sum" + query, .route_path = "/sqrt-sum", .no_body = true});
}

TEST(Wordcount, CountsWhatWcCounts) {
  EXPECT_EQ(count({"so it goes\nça va\n"})->body(),
            "{\"bytes\":18,\"lines\":2,\"words\":5,\"chars\":17}\n");
}

TEST(Wordcount, AnEmptyTextHasNothing) {
  const Answered a = count({});
  EXPECT_EQ(a->body(), "{\"bytes\":0,\"lines\":0,\"words\":0,\"chars\":0}\n");
}

TEST(Wordcount, DoesNotDependOnPiecesOrChunks) {
  // Words of 3 bytes and a blank, cut at odd places and over several chunks.
  std::string text;
  while (text.size() < 3 * ChunkFeed::kChunkBytes + 12345) text += "abc ";
  const std::string words = std::to_string(text.size() / 4);
  std::vector<std::string> pieces;
  for (std::size_t at = 0; at < text.size(); at += 70'001)
    pieces.push_back(text.substr(at, 70'001));
  const std::string expected = "{\"bytes\":" + std::to_string(text.size()) +
                               ",\"lines\":0,\"words\":" + words +
                               ",\"chars\":" + std::to_string(text.size()) + "}\n";
  EXPECT_EQ(count({text})->body(), expected);
  EXPECT_EQ(count(pieces)->body(), expected);
}

TEST(Wordcount, RanksTheWordsWhenAsked) {
  EXPECT_EQ(
      count({"b a b \"c\" b a"}, "?top=3")->body(),
      "{\"bytes\":13,\"lines\":0,\"words\":6,\"chars\":13,\"top\":[{\"word\":\"b\",\"count\":3},"
      "{\"word\":\"a\",\"count\":2},{\"word\":\"\\\"c\\\"\",\"count\":1}]}\n");
  EXPECT_EQ(count({"a"}, "?top=1000").errc(), Errc::kCount_);
  EXPECT_EQ(count({"a"}, "?top=1001").errc(), Errc::kBadParameter);
}

TEST(Wordcount, TellsWhereTheTimeWent) {
  const std::string timing = count({"a"})->field("Server-Timing");
  for (const auto* phase : {"read;dur=", "queue;dur=", "work;dur=", "total;dur="})
    EXPECT_TRUE(timing.contains(phase)) << timing;
}

TEST(SqrtSum, IsTheSumWhateverTheTasks) {
  const Answered one = sqrt_sum("?n=1000000&tasks=1");
  EXPECT_EQ(one->body(), "{\"n\":1000000,\"tasks\":1,\"sum\":666666166.4588221}\n");
  const auto sum = [](const Answered& a) { return a->body().substr(a->body().find("\"sum\"")); };
  EXPECT_EQ(sum(sqrt_sum("?n=1000000&tasks=7")), sum(one));
  EXPECT_EQ(sum(sqrt_sum("?n=1000000&tasks=256")), sum(one));
  EXPECT_EQ(sqrt_sum("?n=0")->body(), "{\"n\":0,\"tasks\":2,\"sum\":0}\n");
}

TEST(SqrtSum, HasLimits) {
  EXPECT_EQ(sqrt_sum("").errc(), Errc::kBadParameter);
  EXPECT_EQ(sqrt_sum("?n=10000000001").errc(), Errc::kBadParameter);
  EXPECT_EQ(sqrt_sum("?n=1&tasks=0").errc(), Errc::kBadParameter);
  EXPECT_EQ(sqrt_sum("?n=1&tasks=256").errc(), Errc::kCount_);
  EXPECT_EQ(sqrt_sum("?n=1&tasks=257").errc(), Errc::kBadParameter);
}

Task<void> leave(MemoryExchange& exchange) {
  exchange.go_away();
  co_return;
}

TEST(SqrtSum, StopsWhenTheClientLeaves) {
  Endpoints endpoints;
  // Ten seconds of work, were it done: the largest n there is.
  const Answered a = ask(
      endpoints.context, "compute",
      {.target = "/sqrt-sum?n=10000000000&tasks=64", .route_path = "/sqrt-sum", .no_body = true},
      &leave);
  EXPECT_EQ(a.errc(), Errc::kClientGone);
  EXPECT_EQ(endpoints.offload.stats().queued, 0U);
  EXPECT_EQ(endpoints.offload.stats().running, 0U);
}

/// Occupies the only thread of a pool until it is told to let go.
class Occupied {
 public:
  Task<void> occupy(Offload& offload) {
    (void)co_await offload.run(0, [this](const CancelToken&) {
      std::unique_lock lock(mutex_);
      released_.wait(lock, [this] { return let_go_; });
      return 0;
    });
  }
  void let_go() {
    const std::scoped_lock lock(mutex_);
    let_go_ = true;
    released_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable released_;
  bool let_go_ = false;
};

TEST(FullPool, RefusesAtOnce) {
  Offload offload({.threads = 1, .queue_max = 0});
  const EndpointContext context{.offload = offload};
  for (const auto* target : {"/wordcount", "/sqrt-sum?n=10&tasks=1"}) {
    Occupied occupied;
    const std::string_view path(target);
    MemoryRequest request{.method = path.contains('?') ? Method::kGet : Method::kPost,
                          .target = target,
                          .route_path = std::string(path.substr(0, path.find('?'))),
                          .body = {"text"}};
    MemoryExchange exchange(std::move(request));
    const auto handler = make_endpoint("compute", context);
    Result<void> outcome;
    IoThread io(0);
    millrace::test::on_io(io, [&]() -> Task<void> {
      TaskGroup others;
      others.spawn(occupied.occupy(offload));
      co_await yield_now();
      outcome = co_await exchange.answer(*handler);
      occupied.let_go();
      co_await others.join();
    });
    ASSERT_FALSE(outcome) << target;
    EXPECT_EQ(outcome.error().errc, Errc::kOffloadFull) << target;
    EXPECT_FALSE(exchange.started());
  }
}

}  // namespace
}  // namespace millrace::endpoints::test
