#include "net/handshake_gate.hpp"

#include "support/on_io.hpp"
#include "tls_fixture.hpp"

#include <algorithm>
#include <vector>

#include <boost/asio/io_context.hpp>

namespace millrace::test {
namespace {

using namespace std::chrono_literals;
using net::HandshakeGate;

void spin(Duration d) {
  for (const TimePoint until = Clock::now() + d; Clock::now() < until;) {
  }
}

/// What the steps did to whoever shares the thread with them.
struct Flood {
  HandshakeGate gate;
  std::vector<int> order;
  int between = 0;  ///< steps since everybody else had a turn
  int between_max = 0;
  int failed = 0;

  Task<void> step(int number, Duration cost) {
    {
      const auto permit = co_await gate.permit();
      if (!permit) {
        ++failed;
        co_return;
      }
      spin(cost);
    }
    order.push_back(number);
    between_max = std::max(between_max, ++between);
  }

  /// An established connection: a turn of epoll between any two of its own.
  Task<void> others(std::size_t until) {
    while (order.size() < until) {
      Event turn;
      IoThread::current().post([&turn] { turn.set(); });
      (void)co_await turn.wait();
      between = 0;
    }
  }
};

class HandshakeGateTest : public testing::Test {
 protected:
  void run(Flood& flood, int steps, Duration cost) {
    on_io(io_, [&]() -> Task<void> {
      TaskGroup group;
      group.spawn(flood.others(static_cast<std::size_t>(steps)));
      for (int i = 0; i < steps; ++i) group.spawn(flood.step(i, cost));
      co_await group.join();
    });
  }
  IoThread io_{0};
};

TEST_F(HandshakeGateTest, AFloodIsServedInOrderAndInRounds) {
  Flood flood;
  run(flood, 100, 0us);
  ASSERT_EQ(flood.order.size(), 100u);
  EXPECT_TRUE(std::ranges::is_sorted(flood.order));
  EXPECT_LE(flood.between_max, HandshakeGate::kStepsPerRoundMax);
}

TEST_F(HandshakeGateTest, LongStepsMakeShortRounds) {
  Flood flood;
  run(flood, 20, 1500us);
  ASSERT_EQ(flood.order.size(), 20u);
  EXPECT_LE(flood.between_max, 2);
}

TEST_F(HandshakeGateTest, WhoIsCancelledInTheQueueLeavesIt) {
  Flood flood;
  on_io(io_, [&]() -> Task<void> {
    TaskGroup first, cancelled, last;
    for (int i = 0; i < HandshakeGate::kStepsPerRoundMax; ++i) first.spawn(flood.step(i, 0us));
    for (int i = 0; i < 3; ++i) cancelled.spawn(flood.step(100, 0us));
    last.spawn(flood.step(200, 0us));
    co_await yield_now();  // all have asked by now
    cancelled.cancel(Errc::kShuttingDown);
    co_await cancelled.join();
    co_await first.join();
    co_await last.join();
  });
  EXPECT_EQ(flood.failed, 3);
  EXPECT_EQ(flood.order.back(), 200);
}

class GatedHandshakeTest : public TlsFixture {};

TEST_F(GatedHandshakeTest, HandshakesPassIt) {
  const Identity id = ca_.issue({});
  auto server = make_server({&id});
  HandshakeGate gate;
  EXPECT_TRUE(shake(server, client_ssl("origin.test"), &gate).good());
}

TEST_F(GatedHandshakeTest, AClientThatIsSilentTakesNobodysTurnAndTimesOut) {
  const Identity id = ca_.issue({});
  auto server = make_server({&id});
  HandshakeGate gate;
  std::array<int, 2> fds{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()), 0);
  on_io(io_, [&]() -> Task<void> {
    net::Stream silent(fds[0]);
    silent.set_deadline(Direction::kRead, 50ms, Errc::kTlsTimeout);
    EXPECT_EQ(co_await silent.handshake(server.make_ssl(), &gate), fail(Errc::kTlsTimeout));
  });
  ::close(fds[1]);
  EXPECT_TRUE(shake(server, client_ssl("origin.test"), &gate).good());
}

}  // namespace
}  // namespace millrace::test
