#include "app/reloader.hpp"

#include "app/restart_needed.hpp"
#include "support/on_io.hpp"

#include <gtest/gtest.h>

namespace millrace::app {
namespace {

class ReloaderTest : public testing::Test {
 protected:
  Task<ReloadOutcome> work() {
    ++running;
    EXPECT_EQ(running, 1) << "one at a time";
    ++begun;
    (void)co_await released.wait();
    --running;
    co_return ReloadOutcome{.generation = begun};
  }
  Task<void> ask(std::uint64_t& generation) {
    generation = (co_await reloader.reload()).generation;
  }
  static Task<void> turns() {
    for (int i = 0; i < 10; ++i) co_await yield_now();
  }

  IoThread io{0};
  Event released;
  int running = 0;
  std::uint64_t begun = 0;
  Reloader reloader{[this] { return work(); }};
};

TEST_F(ReloaderTest, WhatIsAskedForDuringOneBecomesOneMore) {
  test::on_io(io, [&]() -> Task<void> {
    TaskGroup group, askers;
    group.spawn(reloader.run());
    std::uint64_t first = 0, second = 0, third = 0;
    askers.spawn(ask(first));
    co_await turns();
    EXPECT_EQ(begun, 1U);
    askers.spawn(ask(second));
    askers.spawn(ask(third));
    reloader.request();
    co_await turns();
    EXPECT_EQ(begun, 1U);
    released.set();
    co_await askers.join();
    EXPECT_EQ(first, 1U);
    EXPECT_EQ(second, 2U);
    EXPECT_EQ(third, 2U);
    co_await turns();
    EXPECT_EQ(begun, 2U);
    group.cancel();
    co_await group.join();
  });
}

TEST_F(ReloaderTest, WhoGoesAwayDoesNotEndIt) {
  test::on_io(io, [&]() -> Task<void> {
    TaskGroup group, askers;
    group.spawn(reloader.run());
    std::uint64_t generation = 9;
    askers.spawn(ask(generation));
    co_await turns();
    askers.cancel();
    co_await askers.join();
    EXPECT_EQ(generation, 0U);
    EXPECT_EQ(running, 1);
    released.set();
    co_await turns();
    EXPECT_EQ(running, 0);
    group.cancel();
    co_await group.join();
  });
}

TEST(RestartNeeded, NamesWhatDiffers) {
  config::Config running, wanted;
  EXPECT_TRUE(restart_needed(running, wanted).empty());
  wanted.server.threads = 3;
  wanted.admin.listen.reset();
  wanted.offload = {.threads = 1, .queue = 2, .memory_bytes = 3};
  wanted.server.idle_timeout = config::milliseconds(1);
  EXPECT_EQ(restart_needed(running, wanted),
            (std::vector<std::string>{"server.threads", "admin.listen", "offload.threads",
                                      "offload.queue", "offload.memory"}));
  EXPECT_TRUE(restart_needed(fixed_part(wanted), wanted).empty());
}

}  // namespace
}  // namespace millrace::app
