// How one connection takes the end of the server.
#include "connection_fixture.hpp"

namespace millrace::test {
namespace {

constexpr std::string_view kLastAnswer =
    "HTTP/1.1 200 OK\r\nDate: <date>\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";

TEST(Drain, AnIdleConnectionGetsCloseWithItsNextAnswer) {
  WirePipeline pipeline;
  IoThread io(0);
  on_io(io, [&]() -> Task<void> {
    Served served(pipeline);
    (void)co_await served.client.send(kGetFixed);
    EXPECT_EQ(co_await next_answer(served.client, answer("hello").size()), answer("hello"));
    pipeline.is_draining = true;
    (void)co_await served.client.send(kGetFixed);
    EXPECT_EQ(co_await rest(served.client), kLastAnswer);
    EXPECT_EQ(served.client.ending(), Ending::kClosed);
    served.client.close();
    co_await served.server.join();
  });
}

TEST(Drain, ARequestThatIsBeingAnsweredGetsCloseToo) {
  WirePipeline pipeline;
  IoThread io(0);
  on_io(io, [&]() -> Task<void> {
    Served served(pipeline);
    (void)co_await served.client.send(kGetWait);
    (void)co_await pipeline.waiting.wait();
    pipeline.is_draining = true;
    pipeline.released.set();
    EXPECT_EQ(co_await rest(served.client), kLastAnswer);
    served.client.close();
    co_await served.server.join();
  });
}

TEST(Drain, AtItsEndIdleConnectionsAreClosed) {
  WirePipeline pipeline;
  IoThread io(0);
  on_io(io, [&]() -> Task<void> {
    Served served(pipeline);
    (void)co_await served.client.send(kGetFixed);
    EXPECT_EQ(co_await next_answer(served.client, answer("hello").size()), answer("hello"));
    served.server.cancel(Errc::kShuttingDown);
    co_await served.server.join();
    EXPECT_EQ(co_await rest(served.client), "");
    EXPECT_EQ(served.client.ending(), Ending::kClosed);
  });
}

TEST(Drain, AtItsEndARunningRequestIsCancelledAndAnswered) {
  WirePipeline pipeline;
  IoThread io(0);
  on_io(io, [&]() -> Task<void> {
    Served served(pipeline);
    (void)co_await served.client.send(kGetWait);
    (void)co_await pipeline.waiting.wait();
    served.server.cancel(Errc::kShuttingDown);
    co_await served.server.join();
    const std::string got = co_await rest(served.client);
    EXPECT_TRUE(got.starts_with("HTTP/1.1 503 Service Unavailable\r\n")) << got;
  });
  EXPECT_EQ(pipeline.outcomes, std::vector<std::string>{"shutting_down"});
}

}  // namespace
}  // namespace millrace::test
