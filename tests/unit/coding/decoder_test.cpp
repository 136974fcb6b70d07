// Every coding passes one and the same suite: fed byte by byte, cut short at every offset, damaged,
// bombed, followed by garbage, with hardly any room for the output. A new coding adds its traits to
// `Codings`.
#include "coding/decoder.hpp"

#include "coding/coding.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <brotli/encode.h>
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

namespace millrace::coding {
namespace {

constexpr std::size_t kMiB = std::size_t{1024} * 1024;

std::string zlib_encode(const std::string& plain, int window_bits) {
  z_stream z{};
  EXPECT_EQ(deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, window_bits, 9, Z_DEFAULT_STRATEGY),
            Z_OK);
  std::string out(deflateBound(&z, plain.size()) + 64, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  z.avail_in = static_cast<uInt>(plain.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

/// `window_log` beyond 24: the large windows that are no part of RFC 7932. The first `flushed`
/// bytes are a block of their own.
std::string brotli_encode(const std::string& plain, int window_log, std::size_t flushed = 0) {
  const std::unique_ptr<BrotliEncoderState, decltype(&BrotliEncoderDestroyInstance)> encoder(
      BrotliEncoderCreateInstance(nullptr, nullptr, nullptr), &BrotliEncoderDestroyInstance);
  BrotliEncoderSetParameter(encoder.get(), BROTLI_PARAM_QUALITY, 5);
  BrotliEncoderSetParameter(encoder.get(), BROTLI_PARAM_LARGE_WINDOW, window_log > 24 ? 1 : 0);
  BrotliEncoderSetParameter(encoder.get(), BROTLI_PARAM_LGWIN, window_log);
  std::string out(BrotliEncoderMaxCompressedSize(plain.size()) + 64, '\0');
  std::size_t in_left = flushed, out_left = out.size();
  const auto* in = reinterpret_cast<const std::uint8_t*>(plain.data());
  auto* target = reinterpret_cast<std::uint8_t*>(out.data());
  if (flushed > 0)
    BrotliEncoderCompressStream(encoder.get(), BROTLI_OPERATION_FLUSH, &in_left, &in, &out_left,
                                &target, nullptr);
  in_left = plain.size() - flushed;
  EXPECT_EQ(BrotliEncoderCompressStream(encoder.get(), BROTLI_OPERATION_FINISH, &in_left, &in,
                                        &out_left, &target, nullptr),
            BROTLI_TRUE);
  EXPECT_EQ(BrotliEncoderIsFinished(encoder.get()), BROTLI_TRUE);
  out.resize(out.size() - out_left);
  return out;
}

/// `window_log` 0: as the library likes. Streamed, so that the frame has a window of its own.
std::string zstd_encode(const std::string& plain, int window_log = 0) {
  const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(),
                                                                     &ZSTD_freeCCtx);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_windowLog, window_log);
  std::string out(ZSTD_compressBound(plain.size()) + 64, '\0');
  ZSTD_inBuffer in{plain.data(), plain.size(), 0};
  ZSTD_inBuffer nothing{nullptr, 0, 0};
  ZSTD_outBuffer target{out.data(), out.size(), 0};
  EXPECT_EQ(ZSTD_compressStream2(context.get(), &target, &in, ZSTD_e_flush), 0U);
  EXPECT_EQ(ZSTD_compressStream2(context.get(), &target, &nothing, ZSTD_e_end), 0U);
  out.resize(target.pos);
  return out;
}

struct Gzip {
  static constexpr const char* kName = "gzip";
  static constexpr bool kHasChecksum = true;
  static std::string encode(const std::string& plain) { return zlib_encode(plain, MAX_WBITS + 16); }
};
struct Zlib {
  static constexpr const char* kName = "deflate";
  static constexpr bool kHasChecksum = true;
  static std::string encode(const std::string& plain) { return zlib_encode(plain, MAX_WBITS); }
};
struct RawDeflate {
  static constexpr const char* kName = "deflate";
  static constexpr bool kHasChecksum = false;
  static std::string encode(const std::string& plain) { return zlib_encode(plain, -MAX_WBITS); }
};
struct GzipInDeflate {
  static constexpr const char* kName = "gzip, deflate";
  static constexpr bool kHasChecksum = true;
  static std::string encode(const std::string& plain) { return Zlib::encode(Gzip::encode(plain)); }
};

struct Brotli {
  static constexpr const char* kName = "br";
  static constexpr bool kHasChecksum = false;
  static std::string encode(const std::string& plain) {
    return brotli_encode(plain, BROTLI_DEFAULT_WINDOW);
  }
};
struct Zstd {
  static constexpr const char* kName = "zstd";
  static constexpr bool kHasChecksum = true;
  static std::string encode(const std::string& plain) { return zstd_encode(plain); }
};
struct BrotliInZstd {
  static constexpr const char* kName = "br, zstd";
  static constexpr bool kHasChecksum = true;
  static std::string encode(const std::string& plain) {
    return Zstd::encode(Brotli::encode(plain));
  }
};

std::string text_of(std::size_t bytes) {
  static constexpr const char* kWords[] = {"mill",   "race", "water", "wheel",
                                           "sluice", "weir", "leat"};
  std::mt19937 random(42);
  std::string out;
  while (out.size() < bytes) out.append(kWords[random() % std::size(kWords)]).append(1, ' ');
  out.resize(bytes);
  return out;
}

std::string noise_of(std::size_t bytes) {
  std::mt19937 random(7);
  std::string out(bytes, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

struct Outcome {
  std::string plain;
  Errc errc = Errc::kCount_;  // kCount_: none
  friend bool operator==(const Outcome&, const Outcome&) = default;
};
std::ostream& operator<<(std::ostream& out, const Outcome& o) {
  return out << o.plain.size() << " bytes, "
             << (o.errc == Errc::kCount_ ? "no error" : info(o.errc).code);
}

Outcome good(std::string plain) {
  return {std::move(plain)};
}
Outcome bad(std::string plain = {}) {
  return {std::move(plain), Errc::kUpstreamBadCoding};
}

/// Feeds pieces of `in_bytes` through an output of `out_bytes`. Each piece and each output lies in
/// a buffer of exactly its size, so that a sanitizer sees a step too far.
Outcome decode_all(Decoder& decoder, const std::string& encoded, std::size_t in_bytes,
                   std::size_t out_bytes) {
  Outcome outcome;
  std::vector<char> out(out_bytes);
  for (std::size_t at = 0; at < encoded.size(); at += in_bytes) {
    const std::string_view piece = std::string_view(encoded).substr(at, in_bytes);
    const std::vector<char> exact(piece.begin(), piece.end());
    std::span<const char> in = exact;
    for (;;) {
      const auto step = decoder.decode(in, out);
      if (!step) {
        outcome.errc = step.error().errc;
        return outcome;
      }
      outcome.plain.append(out.data(), step->produced);
      in = in.subspan(step->consumed);
      if (in.empty() && step->produced < out.size()) break;
      if (step->consumed + step->produced == 0) {
        ADD_FAILURE() << "a step without progress";
        return outcome;
      }
    }
  }
  if (const auto end = decoder.finish(); !end) outcome.errc = end.error().errc;
  return outcome;
}

template <class T>
class DecoderSuite : public testing::Test {
 protected:
  static Outcome decode(const std::string& encoded, std::size_t in_bytes = 4096,
                        std::size_t out_bytes = 16 * 1024, const DecodeLimits& limits = {}) {
    auto decoder = make_decoder(T::kName, limits);
    EXPECT_TRUE(decoder && *decoder);
    return decode_all(**decoder, encoded, in_bytes, out_bytes);
  }
};

using Codings = testing::Types<Gzip, Zlib, RawDeflate, GzipInDeflate, Brotli, Zstd, BrotliInZstd>;
TYPED_TEST_SUITE(DecoderSuite, Codings);

TYPED_TEST(DecoderSuite, GivesBackWhatWasEncoded) {
  for (const std::size_t bytes : {0UL, 1UL, 2UL, 100UL, 16384UL, 65537UL, kMiB}) {
    EXPECT_EQ(this->decode(TypeParam::encode(text_of(bytes))), good(text_of(bytes)));
    EXPECT_EQ(this->decode(TypeParam::encode(noise_of(bytes))), good(noise_of(bytes)));
  }
}

TYPED_TEST(DecoderSuite, TakesAnyCutOfItsInputAndAnySizeOfOutput) {
  const std::string plain = text_of(3000);
  const std::string encoded = TypeParam::encode(plain);
  for (const std::size_t in_bytes : {1UL, 2UL, 3UL, 7UL, 1000UL, encoded.size()})
    for (const std::size_t out_bytes : {1UL, 2UL, 255UL, 2999UL, 3000UL, 3001UL})
      EXPECT_EQ(this->decode(encoded, in_bytes, out_bytes), good(plain))
          << in_bytes << ' ' << out_bytes;
}

TYPED_TEST(DecoderSuite, TheShortestMessagesComeOutThroughOneByte) {
  for (const char* plain : {"", "a", "ab"})
    EXPECT_EQ(this->decode(TypeParam::encode(plain), 1, 1), good(plain));
}

TYPED_TEST(DecoderSuite, AnEmptyBodyIsAnEmptyBody) {
  EXPECT_EQ(this->decode(""), good(""));
}

TYPED_TEST(DecoderSuite, CutShortAtAnyOffsetIsAnError) {
  const std::string plain = text_of(2000);
  const std::string encoded = TypeParam::encode(plain);
  for (std::size_t bytes = 1; bytes < encoded.size(); ++bytes) {
    const Outcome outcome = this->decode(encoded.substr(0, bytes));
    EXPECT_EQ(outcome.errc, Errc::kUpstreamBadCoding) << bytes << " of " << encoded.size();
    EXPECT_TRUE(plain.starts_with(outcome.plain));
  }
}

TYPED_TEST(DecoderSuite, WhatFollowsTheEndIsAnError) {
  const std::string encoded = TypeParam::encode(text_of(2000));
  for (const std::string& garbage : {std::string(1, '\0'), std::string("x"), std::string("\x1f"),
                                     std::string("\x1f\x8b"), std::string(100, '\0')}) {
    EXPECT_EQ(this->decode(encoded + garbage).errc, Errc::kUpstreamBadCoding);
    EXPECT_EQ(this->decode(encoded + garbage, 1, 1).errc, Errc::kUpstreamBadCoding);
  }
}

TYPED_TEST(DecoderSuite, DamageNeverPassesForAnotherText) {
  const std::string plain = text_of(2000);
  const std::string encoded = TypeParam::encode(plain);
  int noticed = 0;
  for (std::size_t at = 0; at < encoded.size(); ++at)
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string damaged = encoded;
      damaged[at] = static_cast<char>(damaged[at] ^ flip);
      const Outcome outcome = this->decode(damaged, 64, 512);
      if (outcome.errc != Errc::kCount_) {
        EXPECT_EQ(outcome.errc, Errc::kUpstreamBadCoding);
        ++noticed;
      } else if (TypeParam::kHasChecksum) {
        EXPECT_EQ(outcome.plain, plain) << "damaged at " << at << " by " << flip;
      }
    }
  EXPECT_GT(noticed, 0);
}

TYPED_TEST(DecoderSuite, NoiseIsAnErrorOrNothingAndNeverMore) {
  std::mt19937 random(3);
  for (int i = 0; i < 2000; ++i) {
    std::string noise(random() % 200 + 1, '\0');
    for (char& c : noise) c = static_cast<char>(random());
    const Outcome outcome = this->decode(noise, 16, 64, {.output_bytes_max = 1000});
    EXPECT_LE(outcome.plain.size(), 1000U);
  }
}

TYPED_TEST(DecoderSuite, TheOutputLimitIsExact) {
  const std::string plain = text_of(5000);
  const std::string encoded = TypeParam::encode(plain);
  for (const std::size_t out_bytes : {1UL, 100UL, 16384UL}) {
    EXPECT_EQ(this->decode(encoded, 4096, out_bytes, {.output_bytes_max = 5000}), good(plain));
    const Outcome over = this->decode(encoded, 4096, out_bytes, {.output_bytes_max = 4999});
    EXPECT_EQ(over.errc, Errc::kUpstreamTooLarge);
    EXPECT_LE(over.plain.size(), 4999U);
  }
}

TYPED_TEST(DecoderSuite, TheRatioCountsOnlyBeyondItsFreePart) {
  const std::string zeros(kMiB, '\0');
  EXPECT_EQ(this->decode(TypeParam::encode(zeros)), good(zeros)) << "a MiB may shrink as it likes";
  EXPECT_EQ(this->decode(TypeParam::encode(zeros + '\0')).errc, Errc::kUpstreamTooLarge);
}

TYPED_TEST(DecoderSuite, ABombGoesOffInOurHandsEarly) {
  const std::string bomb = TypeParam::encode(std::string(64 * kMiB, '\0'));
  const Outcome outcome = this->decode(bomb);
  EXPECT_EQ(outcome.errc, Errc::kUpstreamTooLarge);
  EXPECT_LE(outcome.plain.size(), kMiB + 100 * bomb.size());
}

/// Makes of each byte as many as the byte says.
class Repeater final : public Decoder {
 public:
  explicit Repeater(const DecodeLimits& limits) : Decoder(limits) {}

 private:
  Result<Step> step(std::span<const char> in, std::span<char>) override {
    return Step{1, static_cast<unsigned char>(in.front())};
  }
  bool complete() const noexcept override { return true; }
};

Errc repeat(std::initializer_list<unsigned char> counts, const DecodeLimits& limits) {
  Repeater repeater(limits);
  std::vector<char> out(256);
  for (const unsigned char count : counts) {
    const char byte = static_cast<char>(count);
    if (const auto step = repeater.decode({&byte, 1}, out); !step) return step.error().errc;
  }
  return Errc::kCount_;
}

TEST(DecodeLimits, AreExact) {
  const DecodeLimits ratio{.ratio_max = 100, .ratio_free_bytes = 0};
  EXPECT_EQ(repeat({100, 0, 200}, ratio), Errc::kCount_);
  EXPECT_EQ(repeat({101}, ratio), Errc::kUpstreamTooLarge);
  EXPECT_EQ(repeat({100, 0, 201}, ratio), Errc::kUpstreamTooLarge);
  const DecodeLimits free{.ratio_max = 1, .ratio_free_bytes = 250};
  EXPECT_EQ(repeat({250}, free), Errc::kCount_);
  EXPECT_EQ(repeat({251}, free), Errc::kUpstreamTooLarge);
  const DecodeLimits output{.output_bytes_max = 300};
  EXPECT_EQ(repeat({200, 100}, output), Errc::kCount_);
  EXPECT_EQ(repeat({200, 101}, output), Errc::kUpstreamTooLarge);
}

TEST(GzipDecoder, JoinsMembers) {
  const std::string first = text_of(1000), second = noise_of(3000);
  const std::string both =
      Gzip::encode(first) + Gzip::encode("") + Gzip::encode(second) + Gzip::encode("z");
  for (const std::size_t in_bytes : {1UL, 5UL, both.size()})
    for (const std::size_t out_bytes : {1UL, 1000UL, 8192UL}) {
      const auto decoder = make_decoder("gzip");
      EXPECT_EQ(decode_all(**decoder, both, in_bytes, out_bytes), good(first + second + 'z'));
    }
}

TEST(GzipDecoder, MembersInsideAnotherCodingAreJoinedToo) {
  const std::string encoded = Gzip::encode(Gzip::encode("one ") + Gzip::encode("two"));
  const auto decoder = make_decoder("gzip, gzip");
  EXPECT_EQ(decode_all(**decoder, encoded, 1, 3), good("one two"));
}

TEST(GzipDecoder, ASecondMemberCutShortIsAnError) {
  const std::string whole = Gzip::encode("one") + Gzip::encode("two");
  const auto decoder = make_decoder("gzip");
  EXPECT_EQ(decode_all(**decoder, whole.substr(0, whole.size() - 1), 100, 100), bad("onetwo"));
}

/// A frame that is to be skipped (RFC 8878 section 3.1.2).
std::string skippable(unsigned char kind, const std::string& content) {
  std::string out{static_cast<char>(0x50 | kind), '\x2a', '\x4d', '\x18'};
  for (int shift = 0; shift < 32; shift += 8)
    out += static_cast<char>(content.size() >> shift & 0xff);
  return out + content;
}

Outcome decode_as(const char* name, const std::string& encoded, std::size_t in_bytes = 4096,
                  std::size_t out_bytes = std::size_t{16} * 1024) {
  const auto decoder = make_decoder(name);
  return decode_all(**decoder, encoded, in_bytes, out_bytes);
}

TEST(ZstdDecoder, JoinsFramesAndSkipsTheSkippable) {
  const std::string first = text_of(1000), second = noise_of(3000);
  const std::string all = skippable(0, "") + Zstd::encode(first) + skippable(15, noise_of(300)) +
                          Zstd::encode("") + Zstd::encode(second) + skippable(7, "end");
  for (const std::size_t in_bytes : {1UL, 5UL, all.size()})
    for (const std::size_t out_bytes : {1UL, 1000UL, 8192UL})
      EXPECT_EQ(decode_as("zstd", all, in_bytes, out_bytes), good(first + second));
  EXPECT_EQ(decode_as("zstd", skippable(3, "nothing else")), good(""));
  EXPECT_EQ(decode_as("zstd", all.substr(0, all.size() - 1)), bad(first + second));
}

TEST(ZstdDecoder, TakesWindowsUpToEightMebibytes) {
  const std::string plain = text_of(100'000);
  EXPECT_EQ(decode_as("zstd", zstd_encode(plain, 23)), good(plain));
  EXPECT_EQ(decode_as("zstd", zstd_encode(plain, 24)), bad());
}

TEST(ZstdDecoder, TheFormatsBeforeTheRfcAreNotKnown) {
  for (const char version : {'\x22', '\x23', '\x24', '\x25', '\x26', '\x27'})
    for (const std::size_t in_bytes : {1UL, 100UL})
      EXPECT_EQ(decode_as("zstd", version + std::string("\xb5\x2f\xfd") + std::string(20, '\0'),
                          in_bytes),
                bad());
}

TEST(ZstdDecoder, EmptyPiecesInBetweenAreNoError) {
  const std::string encoded = Zstd::encode("text");
  const auto decoder = make_decoder("zstd");
  std::vector<char> out(100);
  ASSERT_TRUE((*decoder)->decode(std::span(encoded).first(6), out));
  for (int i = 0; i < 100; ++i) ASSERT_TRUE((*decoder)->decode({}, out));
  const auto rest = (*decoder)->decode(std::span(encoded).subspan(6), out);
  ASSERT_TRUE(rest);
  EXPECT_EQ(std::string_view(out.data(), rest->produced), "text");
  EXPECT_TRUE((*decoder)->finish());
}

TEST(BrotliDecoder, TakesEveryWindowOfTheRfcAndNoLargerOne) {
  const std::string plain = text_of(100'000);
  for (const int window_log : {10, 16, 24})
    EXPECT_EQ(decode_as("br", brotli_encode(plain, window_log)), good(plain)) << window_log;
  EXPECT_EQ(decode_as("br", brotli_encode(plain, 25)), bad());
}

TEST(BrotliDecoder, ABombGetsNoWindow) {
  const auto decoder = make_decoder("br");
  const std::string bomb = brotli_encode(std::string(32 * kMiB, '\0'), 24);
  ASSERT_LT(bomb.size(), 1000U);
  std::vector<char> out(100);
  const auto step = (*decoder)->decode(bomb, out);
  ASSERT_TRUE(step);
  EXPECT_EQ(step->consumed, bomb.size());
  EXPECT_EQ(step->produced, 0U);
  EXPECT_EQ((*decoder)->finish(), fail(Errc::kUpstreamTooLarge));
}

/// Shrinks by `shrink` or so: each noise is said that many times.
std::string repeated_noise(std::size_t bytes, std::size_t shrink) {
  const std::string noise = noise_of(bytes / shrink);
  std::string out;
  while (out.size() < bytes) out.append(shrink, noise[(out.size() / shrink) % noise.size()]);
  return out;
}

TEST(BrotliDecoder, WindowsComeWithTheInputThatEarnsThem) {
  // Small pieces: the windows of 4, 8 and 16 MiB are refused at first, some after output was given.
  const std::string start = text_of(kMiB / 2);
  const std::string plain = start + repeated_noise(12 * kMiB, 64) + start;
  const std::string encoded = brotli_encode(plain, 24, start.size());
  ASSERT_GT(encoded.size() * 90, plain.size());
  for (const std::size_t in_bytes : {1000UL, encoded.size()})
    for (const std::size_t out_bytes : {5000UL, 1048576UL}) {
      const Outcome outcome = decode_as("br", encoded, in_bytes, out_bytes);
      EXPECT_EQ(outcome, good(plain)) << in_bytes << ' ' << out_bytes;
    }
  EXPECT_EQ(decode_as("br", encoded.substr(0, encoded.size() - 1)).errc, Errc::kUpstreamBadCoding);
  EXPECT_EQ(decode_as("br", encoded + 'x').errc, Errc::kUpstreamBadCoding);
}

TEST(MakeDecoder, HasNothingToUndoForIdentity) {
  for (const char* value : {"", "identity", "Identity , identity", " , ,"}) {
    const auto decoder = make_decoder(value);
    ASSERT_TRUE(decoder) << value;
    EXPECT_EQ(*decoder, nullptr) << value;
  }
}

TEST(MakeDecoder, KnowsNamesInAnyCaseAliasesAndEmptyElements) {
  for (const char* value : {"gzip", "GZip", "x-gzip", " gzip ", ",gzip,", "identity, gzip"}) {
    const auto decoder = make_decoder(value);
    ASSERT_TRUE(decoder && *decoder) << value;
    EXPECT_EQ(decode_all(**decoder, Gzip::encode("text"), 100, 100), good("text")) << value;
  }
}

TEST(MakeDecoder, RefusesUnknownCodingsAndTallStacks) {
  EXPECT_TRUE(make_decoder("gzip, gzip"));
  for (const char* value :
       {"gzip, gzip, gzip", "gzip;q=1", "gzip deflate", "br9", "gzi", "compress"})
    EXPECT_EQ(make_decoder(value).error(), Error(Errc::kUpstreamBadCoding)) << value;
}

TEST(AcceptEncoding, ListsEveryCodingInOrder) {
  EXPECT_EQ(accept_encoding(), "gzip, deflate, br, zstd");
  for (const Coding* coding : all_codings()) {
    const auto decoder = make_decoder(coding->name);
    EXPECT_TRUE(decoder && *decoder) << coding->name;
  }
}

}  // namespace
}  // namespace millrace::coding
