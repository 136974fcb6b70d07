#include "app/listeners.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace millrace::app {
namespace {

config::Address address(const std::string& text) {
  return config::parse_address(text).value();
}

config::Config listening_on(const std::vector<std::string>& texts) {
  config::Config config;
  config.server.listen.clear();
  for (const std::string& text : texts) config.server.listen.push_back(address(text));
  return config;
}

class ListenersTest : public testing::Test {
 protected:
  void serve(const config::Config& config) {
    auto plan = listeners.plan(config);
    ASSERT_TRUE(plan) << plan.error();
    listeners.commit(std::move(*plan));
  }
  std::string at(std::size_t i) { return listeners.all()[i].address.to_string(); }

  Listeners listeners{2};
};

TEST_F(ListenersTest, WhatStaysIsNotBoundAgain) {
  serve(listening_on({"127.0.0.1:0", "127.0.0.1:0"}));
  const std::string first = at(0), second = at(1);
  EXPECT_NE(first, second) << "two listeners with port 0 are two";
  auto plan = listeners.plan(listening_on({"[::1]:0", "127.0.0.1:0", second}));
  ASSERT_TRUE(plan);
  EXPECT_TRUE((*plan)[0].listener);
  EXPECT_FALSE((*plan)[1].listener);
  EXPECT_FALSE((*plan)[2].listener) << "a port that was any, and is named now";
  listeners.commit(std::move(*plan));
  EXPECT_EQ(at(1), first);
  EXPECT_EQ(at(2), second);
}

TEST_F(ListenersTest, APlanThatFailsChangesNothing) {
  serve(listening_on({"127.0.0.1:0"}));
  const std::string before = at(0);
  const auto other = net::Listener::bind(to_socket_address(address("127.0.0.1:0")), 1).value();
  const auto plan = listeners.plan(listening_on({"[::1]:0", other.address().to_string()}));
  ASSERT_FALSE(plan);
  EXPECT_TRUE(plan.error().contains(other.address().to_string())) << plan.error();
  ASSERT_EQ(listeners.all().size(), 1U);
  EXPECT_EQ(at(0), before);
}

TEST_F(ListenersTest, RolesFollowTheConfiguration) {
  serve(listening_on({"127.0.0.1:0"}));
  config::Config secure = listening_on({});
  secure.server.tls.emplace_back().listen.push_back(address(at(0)));
  secure.egress.emplace_back().listen = address("127.0.0.1:0");
  serve(secure);
  EXPECT_EQ(listeners.all()[0].role.tls, 0U);
  EXPECT_EQ(listeners.all()[1].role.egress, 0U);
}

TEST_F(ListenersTest, SocketsThatWereHandedOverAreUsedOnce) {
  std::vector<PassedSocket> passed;
  for (int i = 0; i < 2; ++i) {
    auto bound = net::Listener::bind(to_socket_address(address("127.0.0.1:0")), 1).value();
    passed.push_back({bound.take(0), bound.address()});
  }
  const std::string used = passed[0].address.to_string();
  const std::string unused = passed[1].address.to_string();
  listeners.adopt(passed);
  serve(listening_on({used}));
  EXPECT_EQ(at(0), used);
  EXPECT_EQ(listeners.close_unused(), std::vector<std::string>{unused});
}

}  // namespace
}  // namespace millrace::app
