// Content codings on the way from an origin.
#include "client_fixture.hpp"

#include <zlib.h>

namespace millrace::test {
namespace {

using client::Request;
using Peer = RawOrigin::Peer;

std::string gzip(std::string_view text) {
  z_stream z{};
  EXPECT_EQ(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&z, text.size()) + 64, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

class DecodingTest : public ClientTest {
 protected:
  Result<std::string> fetch(const std::string& answer, std::uint64_t bytes_max = UINT64_MAX) {
    RawOrigin origin([&](Peer& peer, int) {
      seen_ = peer.read_head();
      peer.send(answer);
      peer.read_to_end();
    });
    Result<std::string> result = fail(Errc::kInternal);
    run([&]() -> Task<void> {
      Request request = get(origin);
      request.decode = true;
      request.body_bytes_max = bytes_max;
      result = co_await fetch_text(request);
      client->close_idle();
    });
    return result;
  }
  std::string seen_;
};

TEST_F(DecodingTest, GzipIsAskedForAndUndone) {
  EXPECT_EQ(fetch(ok(gzip("hello"), "Content-Encoding: gzip\r\n")), "hello");
  EXPECT_NE(seen_.find("Accept-Encoding: gzip, deflate, br, zstd\r\n"), std::string::npos) << seen_;
}

TEST_F(DecodingTest, WhatIsNotCodedComesAsItIs) {
  EXPECT_EQ(fetch(ok("hello")), "hello");
  EXPECT_EQ(fetch(ok("hello", "Content-Encoding: identity\r\n")), "hello");
  EXPECT_EQ(fetch(ok("", "Content-Encoding: gzip\r\n")), "");
}

TEST_F(DecodingTest, LargeBodiesComeThroughWhole) {
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += std::to_string(i * 7919);
  EXPECT_EQ(fetch(ok(gzip(text), "Content-Encoding: gzip\r\n")).value() == text, true);
}

TEST_F(DecodingTest, DamageIsAnError) {
  const std::string good = gzip("hello hello hello");
  const Result<std::string> bad = fail(Errc::kUpstreamBadCoding);
  EXPECT_EQ(fetch(ok("not gzip", "Content-Encoding: gzip\r\n")), bad);
  EXPECT_EQ(fetch(ok(good.substr(0, good.size() - 1), "Content-Encoding: gzip\r\n")), bad);
  EXPECT_EQ(fetch(ok("x", "Content-Encoding: compress\r\n")), bad);
}

TEST_F(DecodingTest, TheLimitIsOnWhatTheCallerSees) {
  const std::string answer = ok(gzip(std::string(1000, 'x')), "Content-Encoding: gzip\r\n");
  EXPECT_EQ(fetch(answer, 1000)->size(), 1000u);
  EXPECT_EQ(fetch(answer, 999), fail(Errc::kUpstreamTooLarge));
}

TEST_F(DecodingTest, ABombIsStopped) {
  const std::string bomb = gzip(std::string(8 * 1024 * 1024, '\0'));
  EXPECT_EQ(fetch(ok(bomb, "Content-Encoding: gzip\r\n")), fail(Errc::kUpstreamTooLarge));
}

}  // namespace
}  // namespace millrace::test
