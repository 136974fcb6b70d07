#include "h1/body_decoder.hpp"

#include <string>

#include <gtest/gtest.h>

namespace millrace::h1 {
namespace {

using http::BodyLength;

struct Decoded {
  std::string body;
  std::string rest;  // what lies behind the body
  bool done = false;
  Errc error = Errc::kCount_;

  friend bool operator==(const Decoded&, const Decoded&) = default;
};

void PrintTo(const Decoded& d, std::ostream* out) {
  *out << testing::PrintToString(d.body) << " rest " << testing::PrintToString(d.rest) << " done "
       << d.done << " error " << (d.error == Errc::kCount_ ? "none" : info(d.error).code);
}

/// Feeds `input` in slices of `slice` bytes, as a connection does: what was not used comes again.
Decoded decode(BodyLength length, std::string_view input, std::size_t slice) {
  BodyDecoder decoder;
  decoder.start(length);
  Decoded out;
  std::string held;
  std::size_t at = 0;
  while (!decoder.done()) {
    if (held.empty()) {
      if (at == input.size()) break;
      held = input.substr(at, slice);
      at += held.size();
    }
    const auto piece = decoder.decode(held);
    if (!piece) {
      out.error = piece.error().errc;
      EXPECT_FALSE(decoder.decode(held).has_value()) << "a broken body stays broken";
      return out;
    }
    out.body += piece->data;
    held.erase(0, piece->used);
  }
  out.done = decoder.done();
  out.rest = held + std::string(input.substr(at));
  return out;
}

void expect(BodyLength length, std::string_view input, const Decoded& expected) {
  for (const std::size_t slice : {input.size() + 1, std::size_t{1}, std::size_t{2}, std::size_t{3}})
    EXPECT_EQ(decode(length, input, slice), expected)
        << testing::PrintToString(input) << " in slices of " << slice;
}

void expect_chunked(std::string_view input, std::string_view body, std::string_view rest = {}) {
  expect(BodyLength::unknown(), input, {std::string(body), std::string(rest), true});
}

void expect_broken(std::string_view input, Errc error, std::string_view before = {}) {
  expect(BodyLength::unknown(), input, {std::string(before), "", false, error});
}

TEST(BodyDecoder, NoBodyIsDoneAtOnce) {
  expect(BodyLength::none(), "next", {"", "next", true});
  expect(BodyLength::known(0), "next", {"", "next", true});
}

TEST(BodyDecoder, KnownLengthTakesExactlyThat) {
  expect(BodyLength::known(5), "hello", {"hello", "", true});
  expect(BodyLength::known(5), "helloGET", {"hello", "GET", true});
  expect(BodyLength::known(5), "hell", {"hell", "", false});
}

TEST(BodyDecoder, KnownLengthSaysHowMuchIsCertain) {
  BodyDecoder decoder;
  decoder.start(BodyLength::known(5));
  EXPECT_EQ(decoder.certain_bytes(), 5u);
  ASSERT_TRUE(decoder.decode("abc").has_value());
  EXPECT_EQ(decoder.certain_bytes(), 2u);
  decoder.start(BodyLength::unknown());
  EXPECT_EQ(decoder.certain_bytes(), 0u);
}

TEST(BodyDecoder, UntilCloseTakesEverything) {
  BodyDecoder decoder;
  decoder.start(BodyLength::until_close());
  EXPECT_TRUE(decoder.until_close());
  const auto piece = decoder.decode("anything");
  ASSERT_TRUE(piece.has_value());
  EXPECT_EQ(piece->data, "anything");
  EXPECT_EQ(piece->used, 8u);
  EXPECT_FALSE(decoder.done());
}

TEST(BodyDecoder, Chunked) {
  expect_chunked("0\r\n\r\n", "");
  expect_chunked("5\r\nhello\r\n0\r\n\r\n", "hello");
  expect_chunked("5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n", "hello", "GET / HTTP/1.1\r\n");
  expect_chunked("1\r\na\r\n1\r\nb\r\n000\r\n\r\n", "ab");
  expect_chunked("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789");
  expect_chunked("4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n");
}

TEST(BodyDecoder, ExtensionsAreDropped) {
  expect_chunked("5;a=b\r\nhello\r\n0;c\r\n\r\n", "hello");
  expect_chunked("5;a=\"b;c\"\r\nhello\r\n0\r\n\r\n", "hello");
  expect_chunked("5;\xff\t\r\nhello\r\n0\r\n\r\n", "hello");
}

TEST(BodyDecoder, TrailersAreDropped) {
  expect_chunked("0\r\nA: b\r\n\r\nnext", "", "next");
  expect_chunked("0\r\nA:\r\nContent-Length: 7\r\n\r\nnext", "", "next");
}

TEST(BodyDecoder, SizesThatAreNone) {
  for (const char* size :
       {"", "+5", "-5", "0x5", "5_0", "5 ", " 5", "5 5", "5,5", "g", "\t5", "5\x7f"})
    expect_broken(std::string(size) + "\r\nhello\r\n0\r\n\r\n", Errc::kBadChunk);
}

TEST(BodyDecoder, SizesUpToSixtyBits) {
  BodyDecoder decoder;
  decoder.start(BodyLength::unknown());
  EXPECT_TRUE(decoder.decode("fffffffffffffff\r\nx").has_value());
  expect_broken("1000000000000000\r\n", Errc::kBadChunk);
  expect_broken("10000000000000005\r\n", Errc::kBadChunk);
}

TEST(BodyDecoder, LineEndsAreCrLf) {
  expect_broken("5\nhello", Errc::kBadChunk);
  expect_broken("5\rhello", Errc::kBadChunk);
  expect_broken("5;a\nhello", Errc::kBadChunk);
  expect_broken("5\r\nhello\n", Errc::kBadChunk, "hello");
  expect_broken("5\r\nhello\r0", Errc::kBadChunk, "hello");
  expect_broken("5\r\nhello!", Errc::kBadChunk, "hello");
  expect_broken("0\n", Errc::kBadChunk);
  expect_broken("0\r\n\n", Errc::kBadTrailer);
  expect_broken("0\r\n\rx", Errc::kBadTrailer);
  expect_broken("0\r\nA: b\n\r\n", Errc::kBadTrailer);
  expect_broken("0\r\nA: b\rC: d\r\n\r\n", Errc::kBadTrailer);
}

TEST(BodyDecoder, TrailersThatAreNone) {
  for (const char* field : {"A", ": b", "A : b", " A: b", "A\t: b", "(: b", "A: \x01", "A: \x7f"})
    expect_broken("0\r\n" + std::string(field) + "\r\n\r\n", Errc::kBadTrailer);
  expect_broken(std::string("0\r\nA: \0\r\n\r\n", 11), Errc::kBadTrailer);
}

TEST(BodyDecoder, ALineHasALimit) {
  const std::size_t room = BodyDecoder::kChunkLineBytesMax - std::string_view("5;\r\n").size();
  expect_chunked("5;" + std::string(room, 'x') + "\r\nhello\r\n0\r\n\r\n", "hello");
  expect_broken("5;" + std::string(room + 1, 'x') + "\r\nhello\r\n0\r\n\r\n", Errc::kBadChunk);
}

TEST(BodyDecoder, ExtensionsTogetherHaveALimit) {
  const auto body = [](std::size_t chunks) {
    std::string text;
    // 128 bytes of extension each, its CR counted.
    for (std::size_t i = 0; i < chunks; ++i) text += "1;" + std::string(127, 'x') + "\r\na\r\n";
    return text + "0\r\n\r\n";
  };
  const std::size_t chunks = BodyDecoder::kExtensionBytesMax / 128;
  expect_chunked(body(chunks), std::string(chunks, 'a'));
  EXPECT_EQ(decode(BodyLength::unknown(), body(chunks + 1), 4096).error, Errc::kBadChunk);
}

TEST(BodyDecoder, TrailersTogetherHaveALimit) {
  const std::size_t room = BodyDecoder::kTrailerBytesMax - std::string_view("A:\r\n\r\n").size();
  expect_chunked("0\r\nA:" + std::string(room, 'x') + "\r\n\r\n", "");
  expect_broken("0\r\nA:" + std::string(room + 1, 'x') + "\r\n\r\n", Errc::kBadTrailer);
}

TEST(BodyDecoder, IncompleteIsNotDone) {
  const std::string_view whole = "5;a\r\nhello\r\n0\r\nA: b\r\n\r\n";
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(decode(BodyLength::unknown(), whole.substr(0, size), 100).done) << size;
}

TEST(BodyDecoder, StartsAnew) {
  BodyDecoder decoder;
  decoder.start(BodyLength::unknown());
  ASSERT_FALSE(decoder.decode("x").has_value());
  decoder.start(BodyLength::known(1));
  const auto piece = decoder.decode("x");
  ASSERT_TRUE(piece.has_value());
  EXPECT_EQ(piece->data, "x");
  EXPECT_TRUE(decoder.done());
}

}  // namespace
}  // namespace millrace::h1
