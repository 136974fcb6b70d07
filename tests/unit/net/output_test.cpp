#include "net/output.hpp"

#include "support/on_io.hpp"
#include "support/wire_client.hpp"

#include <array>
#include <string>

#include <gtest/gtest.h>

namespace millrace::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Ending;
using test::on_io;
using test::WireClient;

constexpr std::size_t kMiB = 1024 * 1024;

/// An output over one end of a connection, its reader at the other.
struct Ends {
  explicit Ends(Duration stall = seconds(10), int buffer_bytes = 0)
      : Ends(stall, test::make_tcp_pair(buffer_bytes)) {}
  Ends(Duration stall, const test::TcpPair& pair)
      : stream(pair.server), output(stream, stall), reader(pair) {}
  Stream stream;
  Output output;
  WireClient reader;
};

Task<void> write_all(Output& output, std::string bytes, Result<void>& result) {
  result = co_await output.write(bytes);
  if (result) result = co_await output.drain();
}

TEST(Output, WhatATurnAppendsLeavesAtItsEnd) {
  IoThread io(0);
  on_io(io, [&]() -> Task<void> {
    Ends ends;
    ends.output.append("a");
    ends.output.append("b");
    EXPECT_TRUE((co_await ends.output.write("c")).has_value());
    EXPECT_EQ(ends.output.held(), 3u);
    EXPECT_TRUE(co_await ends.reader.receive(3));
    EXPECT_EQ(ends.reader.received(), "abc");
    EXPECT_EQ(ends.output.held(), 0u);
  });
}

TEST(Output, LargePiecesGoOutWithWhatWasGatheredAndAreNotCopied) {
  IoThread io(0);
  on_io(io, [&]() -> Task<void> {
    Ends ends;
    const std::string large(Output::kGatherBytes + 1, 'x');
    ends.output.append("head");
    EXPECT_TRUE((co_await ends.output.write(large)).has_value());
    EXPECT_EQ(ends.output.held(), 0u);
    EXPECT_TRUE(co_await ends.reader.receive(4 + large.size()));
    EXPECT_EQ(ends.reader.received(), "head" + large);
  });
}

TEST(Output, PiecesOfTheGatherLimitAreGathered) {
  IoThread io(0);
  on_io(io, [&]() -> Task<void> {
    Ends ends;
    const std::string piece(Output::kGatherBytes, 'x');
    EXPECT_TRUE((co_await ends.output.write(piece)).has_value());
    EXPECT_EQ(ends.output.held(), piece.size());
    EXPECT_TRUE((co_await ends.output.write("y")).has_value());
    EXPECT_EQ(ends.output.held(), 0u);
    EXPECT_TRUE(co_await ends.reader.receive(piece.size() + 1));
    EXPECT_EQ(ends.reader.received(), piece + "y");
  });
}

TEST(Output, AWriterWaitsForASlowReaderAndHoldsLittle) {
  IoThread io(0);
  on_io(io, [&]() -> Task<void> {
    Ends ends(seconds(10), 8192);
    Result<void> result = fail(Errc::kInternal);
    TaskGroup writer;
    writer.spawn(write_all(ends.output, std::string(kMiB, 'x'), result));
    for (int turn = 0; turn < 20; ++turn) (void)co_await WireClient::next_turn();
    EXPECT_TRUE(ends.output.blocked());
    EXPECT_EQ(writer.size(), 1u);
    EXPECT_LE(ends.output.held(), Output::kGatherBytes);
    EXPECT_TRUE(co_await ends.reader.receive(kMiB));
    co_await writer.join();
    EXPECT_TRUE(result.has_value());
    EXPECT_EQ(ends.reader.received(), std::string(kMiB, 'x'));
  });
}

TEST(Output, TheEndComesBehindWhatIsHeldAndReadingGoesOn) {
  IoThread io(0);
  on_io(io, [&]() -> Task<void> {
    Ends ends(seconds(10), 8192);
    ends.output.append(std::string(kMiB, 'x'));
    ends.output.end_stream();
    ends.output.flush();
    EXPECT_TRUE(ends.output.blocked());
    EXPECT_EQ(co_await ends.reader.receive_all(), Ending::kClosed);
    EXPECT_EQ(ends.reader.received().size(), kMiB);
    EXPECT_TRUE(ends.output.status().has_value());
    EXPECT_TRUE(co_await ends.reader.send("more"));
    EXPECT_TRUE((co_await ends.stream.wait(Direction::kRead)).has_value());
    std::array<char, 8> room;
    EXPECT_EQ(ends.stream.read_some(room).bytes, 4u);
  });
}

TEST(Output, SmallPiecesAreTakenWhileBlockedUpToTheGatherLimit) {
  IoThread io(0);
  on_io(io, [&]() -> Task<void> {
    Ends ends(seconds(10), 8192);
    ends.output.append(std::string(kMiB, 'x'));
    ends.output.flush();
    EXPECT_TRUE(ends.output.blocked());
    const std::size_t held = ends.output.held();
    ends.output.append("tail");
    ends.output.flush();
    EXPECT_EQ(ends.output.held(), held + 4);
    EXPECT_TRUE(co_await ends.reader.receive(kMiB + 4));
    EXPECT_TRUE((co_await ends.output.drain()).has_value());
    EXPECT_TRUE(ends.reader.received().ends_with("xtail"));
  });
}

TEST(Output, APeerThatTakesNothingIsGivenUp) {
  IoThread io(0);
  on_io(io, [&]() -> Task<void> {
    Ends ends(milliseconds(100), 8192);
    Scope told;
    ends.output.on_failure(&told);
    Result<void> result;
    TaskGroup writer;
    writer.spawn(write_all(ends.output, std::string(kMiB, 'x'), result));
    co_await writer.join();
    EXPECT_EQ(result, Result<void>(fail(Errc::kWriteStalled)));
    EXPECT_TRUE(told.cancelled());
    EXPECT_EQ(told.reason(), Errc::kWriteStalled);
    EXPECT_EQ(ends.output.held(), 0u);
    EXPECT_EQ(co_await ends.output.write("more"), Result<void>(fail(Errc::kWriteStalled)));
  });
}

// With large socket buffers the kernel says "writable" seldom: what counts is what the peer takes.
TEST(Output, APeerThatTakesALittleIsNotGivenUp) {
  IoThread io(0);
  on_io(io, [&]() -> Task<void> {
    constexpr std::size_t kTotal = 16 * kMiB;
    Ends ends(milliseconds(300));
    const int buffer = 8 << 20;
    ::setsockopt(ends.stream.fd(), SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer);
    Result<void> result;
    TaskGroup writer;
    writer.spawn(write_all(ends.output, std::string(kTotal, 'x'), result));
    for (std::size_t taken = 0; taken < 2 * kMiB; taken += 64 * 1024) {
      EXPECT_TRUE(co_await ends.reader.receive(taken));
      (void)co_await sleep_for(milliseconds(50));
    }
    EXPECT_TRUE(co_await ends.reader.receive(kTotal));
    co_await writer.join();
    EXPECT_TRUE(result.has_value());
  });
}

TEST(Output, APeerThatIsGoneFailsTheWrite) {
  IoThread io(0);
  on_io(io, [&]() -> Task<void> {
    Ends ends;
    ends.reader.reset();
    Result<void> result;
    for (int turn = 0; turn < 100 && result; ++turn) {
      result = co_await ends.output.write(std::string(kMiB, 'x'));
      (void)co_await WireClient::next_turn();
    }
    EXPECT_EQ(result, Result<void>(fail(Errc::kClientGone)));
    EXPECT_EQ(ends.output.status(), Result<void>(fail(Errc::kClientGone)));
  });
}

TEST(Output, AFailureIsToldWhileNobodyWrites) {
  IoThread io(0);
  on_io(io, [&]() -> Task<void> {
    Ends ends(milliseconds(100), 8192);
    Scope told;
    ends.output.on_failure(&told);
    ends.output.append(std::string(kMiB, 'x'));
    const auto slept = co_await in_scope(told, [](Duration d) -> Task<Result<void>> {
      co_return co_await sleep_for(d);
    }(seconds(10)));
    EXPECT_EQ(slept, Result<void>(fail(Errc::kWriteStalled)));
  });
}

TEST(Output, ACancelledWriterLeavesABlockedOutputBehindThatMayDie) {
  IoThread io(0);
  on_io(io, [&]() -> Task<void> {
    Ends ends(seconds(10), 8192);
    Result<void> result;
    TaskGroup writer;
    writer.spawn(write_all(ends.output, std::string(kMiB, 'x'), result));
    for (int turn = 0; turn < 20; ++turn) (void)co_await WireClient::next_turn();
    writer.cancel(Errc::kShuttingDown);
    co_await writer.join();
    EXPECT_EQ(result, Result<void>(fail(Errc::kShuttingDown)));
    EXPECT_TRUE(ends.output.blocked());
  });
}

}  // namespace
}  // namespace millrace::net
