#include "proxy/request_buffer.hpp"

#include "fake_exchange.hpp"
#include "runtime/offload.hpp"
#include "support/on_io.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <gtest/gtest.h>

namespace millrace::test {
namespace {

using namespace std::chrono_literals;
using proxy::BufferedBody;
using proxy::Buffering;
using proxy::BufferOptions;
using proxy::ByteAllowance;

constexpr std::uint64_t kMiB = 1 << 20;

/// Bytes of which no part looks like another.
std::string pattern(std::size_t size) {
  std::string out(size, '\0');
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>(i * 2654435761u >> 13);
  return out;
}

Task<std::string> read_all(BufferedBody& body) {
  std::string out;
  for (;;) {
    const Result<Bytes> piece = co_await body.read();
    EXPECT_TRUE(piece);
    if (!piece || piece->empty()) co_return out;
    out.append(piece->data(), piece->size());
  }
}

std::optional<std::uint64_t> known_length(const BufferedBody& body) {
  const http::BodyLength length = body.length();
  return length.is_known() ? std::optional(length.bytes) : std::nullopt;
}

class RequestBufferTest : public ::testing::Test {
 protected:
  void push_all(const std::string& text, std::size_t piece) {
    for (std::size_t at = 0; at < text.size(); at += piece)
      exchange.push_body(text.substr(at, piece));
  }
  /// Takes the body in and reads it twice.
  void expect_held(const std::string& text) {
    on_io(io, [&]() -> Task<void> {
      BufferedBody body(exchange, options);
      EXPECT_TRUE(body.is_wanted());
      EXPECT_TRUE(co_await body.take_in());
      EXPECT_EQ(known_length(body), text.size());
      EXPECT_EQ(co_await read_all(body), text);
      EXPECT_TRUE(body.rewind());
      EXPECT_EQ(co_await read_all(body), text);
    });
  }

  IoThread io{0};
  Offload pool{{.threads = 1}};
  ByteAllowance memory{4 * kMiB};
  ByteAllowance disk{4 * kMiB};
  FakeExchange exchange;
  BufferOptions options{
      .kind = Buffering::kMemory, .memory = &memory, .disk = &disk, .pool = &pool};
};

TEST_F(RequestBufferTest, WhichBodiesAreTakenIn) {
  const auto wanted = [&](auto prepare) {
    FakeExchange e;
    prepare(e);
    return BufferedBody(e, options).is_wanted();
  };
  EXPECT_FALSE(wanted([](FakeExchange&) {}));
  EXPECT_TRUE(wanted([](FakeExchange& e) { e.body("x"); }));
  EXPECT_TRUE(wanted([](FakeExchange& e) { e.known_body(kMiB); }));
  EXPECT_FALSE(wanted([](FakeExchange& e) { e.known_body(kMiB + 1); }));
  EXPECT_FALSE(wanted([](FakeExchange& e) { e.streamed_body(); }));
  const auto grpc = [](FakeExchange& e) {
    e.body("x");
    e.field("Content-Type", "application/grpc+proto");
  };
  EXPECT_FALSE(wanted(grpc));
  options.kind = Buffering::kSpill;
  EXPECT_TRUE(wanted([](FakeExchange& e) { e.known_body(kMiB + 1); }));
  EXPECT_TRUE(wanted([](FakeExchange& e) { e.streamed_body(); }));
  EXPECT_FALSE(wanted(grpc));
  options.kind = Buffering::kOff;
  EXPECT_FALSE(wanted([](FakeExchange& e) { e.body("x"); }));
}

TEST_F(RequestBufferTest, ABodyThatIsThereStaysWhereItIs) {
  const std::string text = pattern(50'000);
  exchange.body(text);
  expect_held(text);
  EXPECT_EQ(memory.left(), 4 * kMiB);
  on_io(io, [&]() -> Task<void> {
    FakeExchange other;
    other.body("abc");
    BufferedBody body(other, options);
    EXPECT_TRUE(co_await body.take_in());
    EXPECT_EQ(memory.left(), 4 * kMiB);  // nothing was copied
    EXPECT_EQ(co_await read_all(body), "abc");
  });
}

TEST_F(RequestBufferTest, PiecesAreKeptInOrder) {
  for (const std::size_t size : {2u, 4096u, 4097u, 65'536u, 65'537u, 300'000u}) {
    const std::string text = pattern(size);
    exchange.known_body(size);
    push_all(text, size == 2 ? 1 : 1000);
    expect_held(text);
    EXPECT_EQ(memory.left(), 4 * kMiB);
  }
}

TEST_F(RequestBufferTest, WhatHasNotComeInTimeIsSentAsItComes) {
  exchange.known_body(10);
  exchange.push_body("first");
  options.time_max = 5ms;
  on_io(io, [&]() -> Task<void> {
    BufferedBody body(exchange, options);
    EXPECT_TRUE(co_await body.take_in());
    EXPECT_EQ(known_length(body), 10u);
    const Result<Bytes> first = co_await body.read();
    EXPECT_EQ(std::string(first->data(), first->size()), "first");
    EXPECT_TRUE(body.rewind());  // all that was read is still here
    exchange.push_body("later");
    exchange.end_body();
    EXPECT_EQ(co_await read_all(body), "firstlater");
    EXPECT_FALSE(body.rewind());
  });
}

TEST_F(RequestBufferTest, ABodyThatFailsIsNeverSent) {
  exchange.known_body(10);
  exchange.push_body("first");
  exchange.fail_body(Errc::kBodyTruncated);
  on_io(io, [&]() -> Task<void> {
    BufferedBody body(exchange, options);
    EXPECT_EQ(co_await body.take_in(), fail(Errc::kBodyTruncated));
  });
}

TEST_F(RequestBufferTest, OverTheThreadsAllowanceItIsSentAsItComes) {
  const std::string text = pattern(100'000);
  const auto pass = [&](std::uint64_t allowed, bool held) {
    exchange.known_body(text.size());
    push_all(text, 30'000);
    exchange.end_body();
    ByteAllowance little(allowed);
    options.memory = &little;
    on_io(io, [&]() -> Task<void> {
      BufferedBody body(exchange, options);
      EXPECT_TRUE(co_await body.take_in());
      EXPECT_EQ(co_await read_all(body), text);
      EXPECT_EQ(body.rewind(), held);
    });
    EXPECT_EQ(little.left(), allowed);
  };
  pass(2 * 65'536, true);
  pass(2 * 65'536 - 1, false);
  pass(0, false);
}

TEST_F(RequestBufferTest, SpillsWhatIsTooMuchForMemory) {
  options.kind = Buffering::kSpill;
  for (const std::size_t size : {1000u, 262'143u, 262'144u, 262'145u, 1'500'000u}) {
    const std::string text = pattern(size);
    exchange.streamed_body();
    push_all(text, 40'000);
    exchange.end_body();
    expect_held(text);
    EXPECT_EQ(memory.left(), 4 * kMiB);
    EXPECT_EQ(disk.left(), 4 * kMiB);
  }
}

TEST_F(RequestBufferTest, WhatTheDiskCannotTakeIsSentAsItComes) {
  options.kind = Buffering::kSpill;
  const std::string text = pattern(1'000'000);
  const auto pass = [&] {
    exchange.streamed_body();
    push_all(text, 40'000);
    exchange.end_body();
    on_io(io, [&]() -> Task<void> {
      BufferedBody body(exchange, options);
      EXPECT_TRUE(co_await body.take_in());
      EXPECT_EQ(known_length(body), std::nullopt);
      EXPECT_EQ(co_await read_all(body), text);
      EXPECT_FALSE(body.rewind());
    });
  };
  options.folder = "/nonexistent";
  pass();
  options.folder = "/tmp";
  ByteAllowance little(300'000);  // one write
  options.disk = &little;
  pass();
  EXPECT_EQ(little.left(), 300'000u);
}

}  // namespace
}  // namespace millrace::test
