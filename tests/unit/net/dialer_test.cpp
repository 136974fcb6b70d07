#include "net/dialer.hpp"

#include "support/on_io.hpp"
#include "support/raw_origin.hpp"

#include <chrono>
#include <filesystem>
#include <vector>

#include <gtest/gtest.h>
#include <sys/un.h>

namespace millrace::test {
namespace {

using namespace std::chrono_literals;
using net::AddressGuard;
using net::DialOptions;
using net::DialReport;
using net::SocketAddress;
using net::Stream;

SocketAddress loopback(std::uint16_t port) {
  return {net::IpAddress::loopback(net::Family::kV4), port};
}

/// A listener on loopback that never accepts and whose queue is full: connections to it hang.
class BlackHole {
 public:
  BlackHole() {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(listener_, raw, size), 0);
    EXPECT_EQ(::listen(listener_, 0), 0);
    ::getsockname(listener_, raw, &size);
    port_ = ntohs(address.sin_port);
    for (int i = 0; i < 4; ++i) {
      const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      (void)::connect(fd, raw, size);
      fillers_.push_back(fd);
    }
  }
  ~BlackHole() {
    for (const int fd : fillers_) ::close(fd);
    ::close(listener_);
  }
  [[nodiscard]] SocketAddress address() const { return loopback(port_); }

 private:
  int listener_;
  std::uint16_t port_ = 0;
  std::vector<int> fillers_;
};

class DialerTest : public ::testing::Test {
 protected:
  Result<void> dial(const std::vector<SocketAddress>& addresses, const DialOptions& options = {}) {
    Result<void> result = fail(Errc::kInternal);
    const TimePoint began = Clock::now();
    on_io(io_, [&]() -> Task<void> {
      const Result<Stream> stream = co_await net::dial(addresses, options, report_);
      if (stream) result = {};
      if (!stream) result = fail(stream.error());
    });
    took_ = Clock::now() - began;
    return result;
  }
  static SocketAddress refused() {
    RawOrigin origin([](RawOrigin::Peer&, int) {});
    return loopback(origin.port());
  }

  IoThread io_{0};
  DialReport report_;
  Duration took_{};
  RawOrigin origin_{[](RawOrigin::Peer& peer, int) { peer.read_to_end(); }};
  const SocketAddress good_ = loopback(origin_.port());
};

TEST_F(DialerTest, ConnectsToTheOnlyAddress) {
  EXPECT_TRUE(dial({good_}));
  EXPECT_EQ(report_.peer, good_);
}

TEST_F(DialerTest, RefusedAndTimedOut) {
  EXPECT_EQ(dial({refused()}), fail(Errc::kConnectRefused));
  const BlackHole hole;
  EXPECT_EQ(dial({hole.address()}, {.connect_timeout = 50ms}), fail(Errc::kConnectTimeout));
  EXPECT_GE(took_, 50ms);
  EXPECT_LT(took_, 5s);
  EXPECT_EQ(dial({}), fail(Errc::kConnectFailed));
}

TEST_F(DialerTest, ARefusalMovesOnAtOnce) {
  EXPECT_TRUE(dial({refused(), good_}, {.stagger = 10s}));
  EXPECT_EQ(report_.peer, good_);
  EXPECT_LT(took_, 5s);
}

TEST_F(DialerTest, ASilentAddressIsOvertaken) {
  const BlackHole hole;
  EXPECT_TRUE(dial({hole.address(), good_}, {.stagger = 30ms}));
  EXPECT_EQ(report_.peer, good_);
  EXPECT_GE(took_, 30ms);
  EXPECT_LT(took_, 5s);
}

TEST_F(DialerTest, TheNextDialBeginsWithWhatConnected) {
  const BlackHole hole;
  net::DialMemory memory;
  const DialOptions options{.stagger = 30ms, .memory = &memory};
  const SocketAddress bad = refused();
  EXPECT_TRUE(dial({hole.address(), bad, good_}, options));
  EXPECT_EQ(memory.size(), 3u);
  std::vector<SocketAddress> list{hole.address(), bad, good_};
  memory.order(list, Clock::now());
  EXPECT_EQ(list.front(), good_);
  // The silent one would take all the time there is, if it were tried first.
  EXPECT_TRUE(
      dial({hole.address(), good_}, {.connect_timeout = 20s, .stagger = 20s, .memory = &memory}));
  EXPECT_LT(took_, 10s);
}

TEST_F(DialerTest, WhoeverTheTimeIsUpForHasFailed) {
  const BlackHole one;
  const BlackHole two;
  net::DialMemory memory;
  const DialOptions options{.connect_timeout = 50ms, .stagger = 10s, .memory = &memory};
  EXPECT_EQ(dial({one.address(), two.address()}, options), fail(Errc::kConnectTimeout));
  std::vector<SocketAddress> list{one.address(), two.address()};
  memory.order(list, Clock::now());
  EXPECT_EQ(list, (std::vector{two.address(), one.address()})) << "the second was not tried";
}

TEST_F(DialerTest, AllSilentIsATimeout) {
  const BlackHole one;
  const BlackHole two;
  EXPECT_EQ(dial({one.address(), two.address()}, {.connect_timeout = 80ms, .stagger = 10ms}),
            fail(Errc::kConnectTimeout));
}

TEST_F(DialerTest, AllRefusedSaysSo) {
  EXPECT_EQ(dial({refused(), refused(), refused()}), fail(Errc::kConnectRefused));
}

TEST_F(DialerTest, OnlySoManyAddressesAreTried) {
  EXPECT_EQ(dial({refused(), refused(), good_}, {.attempts_max = 2}), fail(Errc::kConnectRefused));
  EXPECT_TRUE(dial({refused(), refused(), good_}, {.attempts_max = 3}));
}

TEST_F(DialerTest, TheGuardJudgesThePeerOfTheSocket) {
  const AddressGuard guard;
  EXPECT_EQ(dial({good_}, {.guard = &guard}), fail(Errc::kUrlRefused));
  const AddressGuard lenient({.allow_networks = {*net::Network::parse("127.0.0.0/8")}});
  EXPECT_TRUE(dial({good_}, {.guard = &lenient}));
}

TEST_F(DialerTest, UnixSockets) {
  const std::string path =
      std::filesystem::temp_directory_path() / ("millrace_dial_" + std::to_string(::getpid()));
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto address = SocketAddress::unix_path(path);
  ASSERT_TRUE(address);
  EXPECT_EQ(dial({*address}), fail(Errc::kConnectRefused));
  const auto raw = address->to_raw();
  ASSERT_EQ(::bind(listener, raw.get(), raw.length), 0);
  ASSERT_EQ(::listen(listener, 0), 0);
  EXPECT_TRUE(dial({*address}));
  // The queue takes one more; then it is full, and nothing tells when it is not any more.
  Result<void> waited = dial({*address}, {.connect_timeout = 50ms});
  for (int i = 0; i < 4 && waited; ++i) waited = dial({*address}, {.connect_timeout = 50ms});
  EXPECT_EQ(waited, fail(Errc::kConnectTimeout));
  ::close(listener);
  std::filesystem::remove(path);
}

TEST_F(DialerTest, BeingCancelledLeavesNothingBehind) {
  const BlackHole one;
  const BlackHole two;
  on_io(io_, [&]() -> Task<void> {
    DeadlineScope limit(Errc::kTotalTimeout, 20ms);
    const std::vector<SocketAddress> addresses{one.address(), two.address()};
    const Result<Stream> stream = co_await in_scope(
        limit.scope(), net::dial(addresses, {.connect_timeout = 5s, .stagger = 1ms}, report_));
    EXPECT_EQ(stream.error(), Error(Errc::kTotalTimeout));
  });
}

}  // namespace
}  // namespace millrace::test
