#include "client/server_timing.hpp"

#include <algorithm>

#include <gtest/gtest.h>

namespace millrace::client {
namespace {

using std::chrono::microseconds;

TEST(ServerTiming, TellsWhatTookTimeInMilliseconds) {
  const TimePoint began = Clock::now();
  http::TextArena arena;
  Timings timings;
  timings.begin(began);
  EXPECT_EQ(server_timing(timings, arena), "wait;dur=0.00");
  timings.end(Phase::kQueue, began + microseconds(9));
  timings.end(Phase::kConnect, began + microseconds(9 + 50));
  timings.end(Phase::kSend, began + microseconds(59));
  timings.end(Phase::kWait, began + microseconds(59 + 1'234'567));
  timings.end(Phase::kReceive, began + microseconds(9'000'000));
  EXPECT_EQ(server_timing(timings, arena), "queue;dur=0.00, connect;dur=0.05, wait;dur=1234.56");
}

TEST(ServerTiming, EveryPhaseAtItsLongest) {
  http::TextArena arena;
  Timings timings;
  TimePoint now = TimePoint() + microseconds(1);
  timings.begin(now);
  for (std::size_t i = 0; i < kPhaseNames.size(); ++i)
    timings.end(static_cast<Phase>(i), now += std::chrono::years(30));
  const std::string_view text = server_timing(timings, arena);
  EXPECT_EQ(std::ranges::count(text, ';'), 6);
  EXPECT_TRUE(text.ends_with(", wait;dur=946708560000.00")) << text;
}

}  // namespace
}  // namespace millrace::client
