// Limits in time, with the real clock: the wheel ticks every 100 ms, so each limit is short and
// each test waits for what must happen, not for a while.
#include "connection_fixture.hpp"

namespace millrace::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kShort{100};

class Timeouts : public testing::Test {
 protected:
  template <class F>
  void on_io_thread(F body) {
    IoThread io(0);
    on_io(io, body);
  }
  WirePipeline pipeline_;
};

TEST_F(Timeouts, ADrippingHeadGets408AtTheAbsoluteDeadline) {
  pipeline_.limits_.head_timeout = milliseconds(300);
  on_io_thread([&]() -> Task<void> {
    Served served(pipeline_);
    const TimePoint began = Clock::now();
    (void)co_await served.client.send("GET /fixed HTTP/1.1\r\nX: ");
    TaskGroup dripping;
    bool stop = false;
    dripping.spawn([](WireClient& client, bool& stop) -> Task<void> {
      while (!stop && co_await client.send("x")) (void)co_await sleep_for(milliseconds(20));
    }(served.client, stop));
    EXPECT_EQ(co_await rest(served.client), refusal(Errc::kHeadTimeout));
    EXPECT_EQ(served.client.ending(), Ending::kClosed);
    EXPECT_GE(Clock::now() - began, milliseconds(300));
    EXPECT_LT(Clock::now() - began, seconds(10));
    stop = true;
    co_await dripping.join();
    served.client.close();
    co_await served.server.join();
  });
  EXPECT_EQ(pipeline_.outcomes, std::vector<std::string>{"head_timeout"});
}

TEST_F(Timeouts, ASecondHeadThatNeverEndsGets408Too) {
  pipeline_.limits_.head_timeout = kShort;
  on_io_thread([&]() -> Task<void> {
    Served served(pipeline_);
    (void)co_await served.client.send(std::string(kGetFixed) + "GET /fix");
    EXPECT_EQ(co_await rest(served.client), answer("hello") + refusal(Errc::kHeadTimeout));
    served.client.close();
    co_await served.server.join();
  });
}

TEST_F(Timeouts, AConnectionThatNeverSaysAWordIsClosedWithoutOne) {
  pipeline_.limits_.head_timeout = kShort;
  on_io_thread([&]() -> Task<void> {
    Served served(pipeline_);
    EXPECT_EQ(co_await rest(served.client), "");
    EXPECT_EQ(served.client.ending(), Ending::kClosed);
    co_await served.server.join();
  });
  EXPECT_TRUE(pipeline_.outcomes.empty());
}

TEST_F(Timeouts, AnIdleConnectionIsClosedSilently) {
  pipeline_.limits_.idle_timeout = kShort;
  on_io_thread([&]() -> Task<void> {
    Served served(pipeline_);
    (void)co_await served.client.send(kGetFixed);
    EXPECT_EQ(co_await rest(served.client), answer("hello"));
    EXPECT_EQ(served.client.ending(), Ending::kClosed);
    co_await served.server.join();
  });
  EXPECT_EQ(pipeline_.outcomes, std::vector<std::string>{"ok"});
}

TEST_F(Timeouts, TheHeadDeadlineDoesNotRunWhileAnAnswerIsMade) {
  pipeline_.limits_.head_timeout = kShort;
  pipeline_.limits_.idle_timeout = kShort;
  on_io_thread([&]() -> Task<void> {
    Served served(pipeline_);
    (void)co_await served.client.send(kGetWait);
    (void)co_await pipeline_.waiting.wait();
    (void)co_await sleep_for(milliseconds(500));
    pipeline_.released.set();
    EXPECT_EQ(co_await next_answer(served.client, answer("hello").size()), answer("hello"));
    served.client.close();
    co_await served.server.join();
  });
}

constexpr std::string_view kPostTen =
    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n";

TEST_F(Timeouts, ABodyBelowTheLeastRateGets408) {
  pipeline_.limits_.body_rate_min = 1'000'000;
  pipeline_.limits_.body_rate_grace = milliseconds(300);
  on_io_thread([&]() -> Task<void> {
    Served served(pipeline_);
    (void)co_await served.client.send(kPostTen);
    TaskGroup dripping;
    bool stop = false;
    dripping.spawn([](WireClient& client, bool& stop) -> Task<void> {
      while (!stop && co_await client.send("x")) (void)co_await sleep_for(milliseconds(20));
    }(served.client, stop));
    EXPECT_EQ(co_await rest(served.client), refusal(Errc::kBodyTooSlow));
    EXPECT_EQ(served.client.ending(), Ending::kClosed);
    stop = true;
    co_await dripping.join();
    served.client.close();
    co_await served.server.join();
  });
  EXPECT_EQ(pipeline_.outcomes, std::vector<std::string>{"body_too_slow"});
}

TEST_F(Timeouts, ABodyAboveTheLeastRateOutlivesTheGrace) {
  pipeline_.limits_.body_rate_min = 1;
  pipeline_.limits_.body_rate_grace = milliseconds(100);
  on_io_thread([&]() -> Task<void> {
    Served served(pipeline_);
    (void)co_await served.client.send(
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n");
    for (int i = 0; i < 40; ++i) {  // 1000 bytes per second for 400 ms and more
      (void)co_await served.client.send("x");
      (void)co_await sleep_for(milliseconds(10));
    }
    const std::string expected = answer(std::string(40, 'x'));
    EXPECT_EQ(co_await next_answer(served.client, expected.size()), expected);
    served.client.close();
    co_await served.server.join();
  });
}

TEST_F(Timeouts, ABodyThatStopsIsGivenUpWhateverItsRateWas) {
  pipeline_.limits_.body_rate_min = 1;
  pipeline_.limits_.body_idle_timeout = kShort;
  on_io_thread([&]() -> Task<void> {
    Served served(pipeline_);
    (void)co_await served.client.send(std::string(kPostTen) + std::string(10'000, 'x'));
    EXPECT_EQ(co_await rest(served.client), refusal(Errc::kBodyTooSlow));
    served.client.close();
    co_await served.server.join();
  });
}

TEST_F(Timeouts, AnUnwantedBodyThatStopsEndsTheConnectionAfterTheAnswer) {
  pipeline_.limits_.body_idle_timeout = kShort;
  on_io_thread([&]() -> Task<void> {
    Served served(pipeline_);
    (void)co_await served.client.send(
        "POST /fixed HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    EXPECT_EQ(co_await rest(served.client), answer("hello"));
    EXPECT_EQ(served.client.ending(), Ending::kClosed);
    served.client.close();
    co_await served.server.join();
  });
}

TEST_F(Timeouts, AClientThatTakesNothingIsGivenUp) {
  pipeline_.limits_.write_stall_timeout = kShort;
  on_io_thread([&]() -> Task<void> {
    Served served(pipeline_, 4096);
    (void)co_await served.client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    co_await served.server.join();
    (void)co_await served.client.receive_all();
    EXPECT_LT(served.client.received().size(), std::size_t{1} << 20);
  });
  EXPECT_EQ(pipeline_.outcomes, std::vector<std::string>{"write_stalled"});
}

TEST_F(Timeouts, AClientThatReadsSlowlyGetsEverything) {
  pipeline_.limits_.write_stall_timeout = seconds(1);
  on_io_thread([&]() -> Task<void> {
    Served served(pipeline_, 64 * 1024);
    (void)co_await served.client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    // 100 KiB at a time, with pauses that are shorter than the limit and together longer.
    for (std::size_t size = 0; size < (std::size_t{1} << 20); size += 100 * 1024) {
      EXPECT_TRUE(co_await served.client.receive(size));
      (void)co_await sleep_for(milliseconds(150));
    }
    EXPECT_TRUE(co_await served.client.receive(std::size_t{1} << 20));
    served.client.close();
    co_await served.server.join();
  });
  EXPECT_EQ(pipeline_.outcomes, std::vector<std::string>{"ok"});
}

TEST_F(Timeouts, LingeringEndsWithItsTimeEvenWhenTheClientKeepsSending) {
  pipeline_.limits_.linger_timeout = milliseconds(200);
  on_io_thread([&]() -> Task<void> {
    Served served(pipeline_);
    (void)co_await served.client.send("nonsense\r\n\r\n");
    TaskGroup sending;
    sending.spawn([](WireClient& client) -> Task<void> {
      const std::string block(64 * 1024, 'x');
      while (co_await client.send(block)) continue;
    }(served.client));
    const TimePoint began = Clock::now();
    co_await served.server.join();
    EXPECT_GE(Clock::now() - began, milliseconds(150));
    EXPECT_LT(Clock::now() - began, seconds(10));
    co_await sending.join();
  });
}

TEST_F(Timeouts, LingeringEndsAtOnceWhenTheClientCloses) {
  pipeline_.limits_.linger_timeout = seconds(60);
  on_io_thread([&]() -> Task<void> {
    Served served(pipeline_);
    (void)co_await served.client.send("nonsense\r\n\r\n");
    EXPECT_EQ(co_await rest(served.client), refusal(Errc::kBadMethod));
    served.client.close();
    co_await served.server.join();
  });
}

}  // namespace
}  // namespace millrace::test
