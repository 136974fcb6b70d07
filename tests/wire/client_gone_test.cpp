// The client goes away while its request is being answered: the handler hears of it, within a
// second.
#include "connection_fixture.hpp"

namespace millrace::test {
namespace {

using std::chrono::seconds;

const std::vector<std::string> kGone{"client_gone"};

/// Sends `request` to a handler that waits, then lets `leave` end the client.
template <class Leave>
void expect_gone(std::string_view request, Leave leave) {
  WirePipeline pipeline;
  IoThread io(0);
  on_io(io, [&]() -> Task<void> {
    Served served(pipeline);
    (void)co_await served.client.send(request);
    EXPECT_TRUE((co_await pipeline.waiting.wait()).has_value());
    const TimePoint left = Clock::now();
    leave(served.client);
    co_await served.server.join();
    EXPECT_LT(Clock::now() - left, seconds(2));
  });
  EXPECT_EQ(pipeline.outcomes, kGone);
}

constexpr auto kClose = [](WireClient& client) { client.close(); };
constexpr auto kReset = [](WireClient& client) { client.reset(); };
constexpr auto kHalfClose = [](WireClient& client) { client.finish_sending(); };

TEST(ClientGone, AClose) {
  expect_gone(kGetWait, kClose);
}
TEST(ClientGone, AReset) {
  expect_gone(kGetWait, kReset);
}
TEST(ClientGone, AHalfCloseCountsAsInNginx) {
  expect_gone(kGetWait, kHalfClose);
}

TEST(ClientGone, ACloseBehindAPipelinedRequest) {
  expect_gone(std::string(kGetWait) + std::string(kGetFixed), kClose);
}

TEST(ClientGone, ACloseBehindAPipelinedRequestThatCameLater) {
  expect_gone(kGetWait, [](WireClient& client) {
    (void)client.stream().write_some(kGetFixed);
    client.close();
  });
}

TEST(ClientGone, ACloseBehindABodyThatNobodyReads) {
  expect_gone("POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nsome of it", kClose);
}

TEST(ClientGone, AResetBehindAWholeBodyThatNobodyReads) {
  expect_gone("POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nwhole", kReset);
}

TEST(ClientGone, BeforeItsTunnelIsOpen) {
  expect_gone("CONNECT slow:443 HTTP/1.1\r\nHost: slow:443\r\n\r\n", kClose);
}

TEST(ClientGone, BehindEarlyBytesOfItsTunnel) {
  expect_gone("CONNECT slow:443 HTTP/1.1\r\nHost: slow:443\r\n\r\nearly", kClose);
}

TEST(ClientGone, APatientClientIsNotTakenForGone) {
  WirePipeline pipeline;
  IoThread io(0);
  on_io(io, [&]() -> Task<void> {
    Served served(pipeline);
    // A pipelined request makes the watch fall back to asking TCP, every 500 ms.
    (void)co_await served.client.send(std::string(kGetWait) + std::string(kGetFixed));
    (void)co_await pipeline.waiting.wait();
    (void)co_await sleep_for(std::chrono::milliseconds(800));
    pipeline.released.set();
    const std::string both = answer("hello") + answer("hello");
    (void)co_await served.client.receive(both.size() + 46);
    hide_dates(served.client.received());
    EXPECT_EQ(served.client.received(), both);
    served.client.close();
    co_await served.server.join();
  });
  EXPECT_EQ(pipeline.outcomes, (std::vector<std::string>{"ok", "ok"}));
}

TEST(ClientGone, AClientThatLeavesInMidBodyIsATruncatedBody) {
  WirePipeline pipeline;
  IoThread io(0);
  on_io(io, [&]() -> Task<void> {
    Served served(pipeline);
    (void)co_await served.client.send(
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
    served.client.finish_sending();
    EXPECT_EQ(co_await rest(served.client), refusal(Errc::kBodyTruncated));
    served.client.close();
    co_await served.server.join();
  });
  EXPECT_EQ(pipeline.outcomes, std::vector<std::string>{"body_truncated"});
}

TEST(ClientGone, AClientThatLeavesInMidAnswerEndsTheWriting) {
  WirePipeline pipeline;
  IoThread io(0);
  on_io(io, [&]() -> Task<void> {
    Served served(pipeline, 4096);
    (void)co_await served.client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_TRUE(co_await served.client.receive(1000));
    served.client.reset();
    co_await served.server.join();
  });
  EXPECT_EQ(pipeline.outcomes, kGone);
}

// The rest of a request that nobody reads, then a head that is not whole: the watch for the
// client's end must not be in the way of reading it.
TEST(ClientGone, AnUnwantedBodyBeforeHalfAHead) {
  WirePipeline pipeline;
  IoThread io(0);
  on_io(io, [&]() -> Task<void> {
    Served served(pipeline);
    (void)co_await served.client.send(
        "POST /fixed HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nwholeGET /fixed HTT");
    EXPECT_EQ(co_await next_answer(served.client, answer("hello").size()), answer("hello"));
    for (int turn = 0; turn < 10; ++turn) (void)co_await WireClient::next_turn();
    (void)co_await served.client.send("P/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(co_await next_answer(served.client, answer("hello").size()), answer("hello"));
    served.client.close();
    co_await served.server.join();
  });
}

}  // namespace
}  // namespace millrace::test
