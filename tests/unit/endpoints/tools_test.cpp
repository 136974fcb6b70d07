#include "unit/endpoints/endpoint_fixture.hpp"

namespace millrace::endpoints::test {
namespace {

Answered get(std::string target, std::string accept = {}) {
  MemoryRequest request{.target = std::move(target), .no_body = true};
  request.route_path = request.target.substr(0, request.target.find('?'));
  if (!accept.empty()) request.fields.emplace_back("Accept", accept);
  return ask("tools", std::move(request));
}

TEST(Echo, KeepsLengthAndType) {
  const Answered a = ask("tools", {.method = Method::kPost,
                                   .target = "/echo",
                                   .body = {"one ", "two"},
                                   .fields = {{"Content-Type", "text/x-test"}}});
  EXPECT_EQ(a->body(), "one two");
  EXPECT_EQ(a->field("Content-Type"), "text/x-test");
  EXPECT_TRUE(a->sent_length().is_known());
  EXPECT_EQ(a->sent_length().bytes, 7U);
}

TEST(Echo, StreamsWhatHasNoLength) {
  const Answered a =
      ask("tools",
          {.method = Method::kPost, .target = "/echo", .body = {"one ", "two"}, .chunked = true});
  EXPECT_EQ(a->body(), "one two");
  EXPECT_EQ(a->sent_length().kind, http::BodyLength::Kind::kUnknown);
}

TEST(Echo, OfNothingIsNothing) {
  const Answered a = get("/echo");
  EXPECT_EQ(a->status(), 200);
  EXPECT_EQ(a->sent_length().bytes, 0U);
  EXPECT_TRUE(a->finished());
}

TEST(Echo, ABodyThatIsRefusedAtOnceHasNoAnswerYet) {
  const Answered a = ask("tools", {.method = Method::kPost,
                                   .target = "/echo",
                                   .announced = 9,
                                   .body_error = Errc::kBodyTooSlow});
  EXPECT_EQ(a.errc(), Errc::kBodyTooSlow);
  EXPECT_FALSE(a->started()) << "so that the client gets 408";
}

TEST(Delay, TakesAtLeastThatLong) {
  const auto began = std::chrono::steady_clock::now();
  const Answered a = get("/delay?ms=30");
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(30));
  EXPECT_EQ(a->body(), "waited 30 ms\n");
}

Task<void> leave(MemoryExchange& exchange) {
  exchange.go_away();
  co_return;
}

TEST(Delay, AMinuteIsTheMost) {
  Endpoints endpoints;
  const Answered most =
      ask(endpoints.context, "tools",
          {.target = "/delay?ms=60000", .route_path = "/delay", .no_body = true}, &leave);
  EXPECT_EQ(most.errc(), Errc::kClientGone) << "it was waiting";
  const Answered over = get("/delay?ms=60001");
  EXPECT_EQ(over.errc(), Errc::kBadParameter);
  EXPECT_TRUE(over->detail.contains("60000")) << over->detail;
}

TEST(Delay, NeedsItsParameter) {
  for (const auto* target : {"/delay", "/delay?ms=", "/delay?ms=x", "/delay?ms=-1", "/delay?ms=%zz",
                             "/delay?ms=1&ms=2"}) {
    const Answered a = get(target);
    EXPECT_EQ(a.errc(), Errc::kBadParameter) << target;
    EXPECT_NE(a->detail, "") << target;
  }
}

TEST(GeneratedBytes, AreAsManyAsAskedForWithoutASeam) {
  constexpr std::size_t kPiece = 64 * 1024;
  for (const std::size_t n :
       {std::size_t{0}, std::size_t{1}, kPiece - 1, kPiece, kPiece + 1, std::size_t{3'000'000}}) {
    const Answered a = get("/bytes?n=" + std::to_string(n));
    ASSERT_EQ(a->body().size(), n);
    EXPECT_TRUE(a->finished());
    for (std::size_t i = 64; i < n; ++i) ASSERT_EQ(a->body()[i], a->body()[i - 64]) << i;
  }
}

TEST(GeneratedBytes, AGibibyteIsTheMost) {
  MemoryRequest head{.method = Method::kHead,
                     .target = "/bytes?n=1073741824",
                     .route_path = "/bytes",
                     .no_body = true};
  const Answered most = ask("tools", std::move(head));
  EXPECT_EQ(most.errc(), Errc::kCount_);
  EXPECT_EQ(most->sent_length().bytes, 1073741824U);
  EXPECT_EQ(get("/bytes?n=1073741825").errc(), Errc::kBadParameter);
}

TEST(Stream, WritesTheFormatThatIsAccepted) {
  EXPECT_EQ(get("/stream?lines=2&interval_ms=0")->body(), "{\"line\":1}\n{\"line\":2}\n");
  const Answered text = get("/stream?lines=2&interval_ms=0", "text/plain");
  EXPECT_EQ(text->body(), "line 1\nline 2\n");
  EXPECT_EQ(text->field("Content-Type"), "text/plain");
  const Answered events = get("/stream?lines=2&interval_ms=0", "text/event-stream");
  EXPECT_EQ(events->body(), "data: line 1\n\ndata: line 2\n\n");
  EXPECT_EQ(events->field("Content-Type"), "text/event-stream");
  EXPECT_EQ(events->sent_length().kind, http::BodyLength::Kind::kUnknown);
}

TEST(Stream, OfNoLinesIsEmptyAndMoreThanAMillionAreRefused) {
  const Answered none = get("/stream?lines=0");
  EXPECT_EQ(none->body(), "");
  EXPECT_TRUE(none->finished());
  EXPECT_EQ(get("/stream?lines=1000001").errc(), Errc::kBadParameter);
}

TEST(Stream, EndsWhenTheClientLeaves) {
  Endpoints endpoints;
  const Answered a = ask(
      endpoints.context, "tools",
      {.target = "/stream?lines=100&interval_ms=60000", .route_path = "/stream", .no_body = true},
      &leave);
  EXPECT_EQ(a.errc(), Errc::kClientGone);
  EXPECT_FALSE(a->finished());
}

}  // namespace
}  // namespace millrace::endpoints::test
