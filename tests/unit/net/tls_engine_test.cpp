// TLS records on a socket that is full, empty, or holds a piece of one.
#include "net/tls_engine.hpp"

#include "support/tcp_pair.hpp"
#include "tls_fixture.hpp"

namespace millrace::test {
namespace {

using net::IoResult;
using net::Stream;

class TlsEngineTest : public TlsFixture {
 protected:
  /// Both ends, after the handshake and the server's ticket.
  template <class F>
  void connected(F body, int buffer_bytes = 0) {
    const Identity id = ca_.issue({});
    auto server = make_server({&id});
    const TcpPair pair = make_tcp_pair(buffer_bytes);
    on_io(io_, [&]() -> Task<void> {
      Stream s(pair.server);
      Stream c(pair.client);
      TaskGroup group;
      group.spawn([](Stream& stream, SSL* ssl) -> Task<void> {
        EXPECT_TRUE(co_await stream.handshake(ssl));
      }(s, server.make_ssl()));
      EXPECT_TRUE(co_await c.handshake(client_ssl("origin.test")));
      co_await group.join();
      EXPECT_TRUE(s.write_some("x").done());
      std::array<char, 1> byte{};
      while (!c.read_some(byte).done()) (void)co_await c.wait(Direction::kRead);
      co_await body(s, c);
    });
  }

  static std::string steal(Stream& stream) {
    std::string bytes(100'000, '\0');
    const ssize_t n = ::recv(stream.fd(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    bytes.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return bytes;
  }
  static void give(Stream& through, std::string_view bytes) {
    EXPECT_EQ(::send(through.fd(), bytes.data(), bytes.size(), 0),
              static_cast<ssize_t>(bytes.size()));
  }
  static std::vector<std::size_t> records(std::string_view bytes) {
    std::vector<std::size_t> sizes;
    while (bytes.size() > 5) {
      const std::size_t size =
          static_cast<unsigned char>(bytes[3]) * 256u + static_cast<unsigned char>(bytes[4]);
      sizes.push_back(size);
      bytes.remove_prefix(std::min(size + 5, bytes.size()));
    }
    return sizes;
  }
  static iovec piece(const std::string& text) {
    return {const_cast<char*>(text.data()), text.size()};
  }
};

constexpr std::size_t kTag = 17;  // content type and AEAD tag

TEST_F(TlsEngineTest, SmallPiecesShareARecordAndLargeOnesAreNotCopied) {
  connected([](Stream& s, Stream& c) -> Task<void> {
    const std::string head(200, 'h'), empty, body(1000, 'b'), large(20'000, 'l');
    const std::array small{piece(empty), piece(head), piece(empty), piece(body)};
    EXPECT_EQ(s.write_some(small).bytes, 1200u);
    EXPECT_EQ(records(steal(c)), (std::vector<std::size_t>{1200 + kTag}));
    const std::array mixed{piece(head), piece(large)};
    EXPECT_EQ(s.write_some(mixed).bytes, 16'384u);
    EXPECT_EQ(s.write_some(large).bytes, 16'384u);
    EXPECT_EQ(records(steal(c)), (std::vector<std::size_t>{16'384 + kTag, 16'384 + kTag}));
    EXPECT_TRUE(s.write_some(std::span<const iovec>()).done());
    EXPECT_EQ(steal(c), "");
    co_return;
  });
}

TEST_F(TlsEngineTest, AReadTellsWhenThereIsNoMore) {
  connected([](Stream& s, Stream& c) -> Task<void> {
    std::array<char, 100> into{};
    EXPECT_TRUE(c.write_some("one").done());
    EXPECT_TRUE(c.write_some("two").done());
    EXPECT_TRUE(co_await s.wait(Direction::kRead));
    const IoResult one = s.read_some(into);
    EXPECT_EQ(one.bytes, 3u);
    EXPECT_TRUE(one.drained) << "both came with one recv";
    EXPECT_TRUE(s.has_pending());
    const IoResult two = s.read_some(into);
    EXPECT_EQ(two.bytes, 3u);
    EXPECT_FALSE(two.drained) << "nobody has looked since";
    EXPECT_FALSE(s.has_pending());
    EXPECT_TRUE(s.read_some(into).would_block());
    co_return;
  });
}

TEST_F(TlsEngineTest, APieceOfARecordIsNotPending) {
  connected([](Stream& s, Stream& c) -> Task<void> {
    std::array<char, 100> into{};
    EXPECT_TRUE(c.write_some("first").done());
    EXPECT_TRUE(c.write_some("second").done());
    const std::string bytes = steal(s);
    give(c, bytes.substr(0, bytes.size() - 4));
    EXPECT_TRUE(co_await s.wait(Direction::kRead));
    EXPECT_EQ(s.read_some(into).bytes, 5u);
    EXPECT_FALSE(s.has_pending());
    EXPECT_TRUE(s.read_some(into).would_block());
    EXPECT_FALSE(s.has_pending());
    give(c, bytes.substr(bytes.size() - 4));
    EXPECT_TRUE(co_await s.wait(Direction::kRead));
    EXPECT_EQ(s.read_some(into).bytes, 6u);
    EXPECT_EQ(std::string_view(into.data(), 6), "second");
  });
}

TEST_F(TlsEngineTest, ARecordLargerThanTheReadStaysPending) {
  connected([](Stream& s, Stream& c) -> Task<void> {
    std::array<char, 4> into{};
    EXPECT_TRUE(c.write_some("abcdef").done());
    EXPECT_TRUE(co_await s.wait(Direction::kRead));
    EXPECT_EQ(s.read_some(into).bytes, 4u);
    EXPECT_TRUE(s.has_pending());
    EXPECT_EQ(s.read_some(into).bytes, 2u);
    EXPECT_FALSE(s.has_pending());
  });
}

TEST_F(TlsEngineTest, BytesThatWereTakenLeaveWhateverComesNext) {
  connected(
      [](Stream& s, Stream& c) -> Task<void> {
        std::string sent, got;
        for (int i = 0; !s.has_unsent(); ++i) {
          const std::string block(16'384, static_cast<char>('a' + i % 26));
          const IoResult r = s.write_some(block);
          EXPECT_TRUE(r.done());
          EXPECT_EQ(r.bytes, block.size());
          sent += block;
        }
        EXPECT_TRUE(s.write_some("later").would_block());
        EXPECT_TRUE(s.flush_some().would_block());
        std::array<char, 20'000> into;
        const auto read_all = [&]() -> Task<void> {
          for (;;) {
            const IoResult r = c.read_some(into);
            if (!r.done()) break;
            got.append(into.data(), r.bytes);
          }
          co_return;
        };
        while (got.size() < sent.size()) {
          co_await read_all();
          (void)s.flush_some();
          if (got.size() < sent.size()) (void)co_await c.wait(Direction::kRead);
        }
        EXPECT_FALSE(s.has_unsent());
        EXPECT_EQ(s.write_some("!").bytes, 1u);
        sent += '!';
        while (got.size() < sent.size()) {
          (void)co_await c.wait(Direction::kRead);
          co_await read_all();
        }
        EXPECT_TRUE(got == sent);
      },
      16'384);
}

TEST_F(TlsEngineTest, TheEndIsSaidAndATruncationIsAnError) {
  for (const bool clean : {true, false}) {
    connected([clean](Stream& s, Stream& c) -> Task<void> {
      std::array<char, 10> into{};
      EXPECT_TRUE(c.write_some("last").done());
      if (clean) c.shutdown_write();
      c.close();
      EXPECT_TRUE(co_await s.wait(Direction::kRead));
      EXPECT_EQ(s.read_some(into).bytes, 4u);
      EXPECT_EQ(s.has_pending(), clean) << "the close_notify came in the same recv";
      const IoResult r = s.read_some(into);
      EXPECT_EQ(r.end(), clean);
      EXPECT_EQ(r.error(), !clean);
    });
  }
}

TEST_F(TlsEngineTest, GarbageIsAnErrorForGood) {
  connected([](Stream& s, Stream& c) -> Task<void> {
    std::array<char, 10> into{};
    give(c, "GET / HTTP/1.1\r\n\r\n");
    EXPECT_TRUE(co_await s.wait(Direction::kRead));
    EXPECT_TRUE(s.read_some(into).error());
    EXPECT_TRUE(s.read_some(into).error());
    EXPECT_FALSE(s.write_some("x").done());
  });
}

}  // namespace
}  // namespace millrace::test
