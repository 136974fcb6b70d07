#include "image/jpeg_bits.hpp"

#include "image/jpeg_huffman.hpp"

#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::image {
namespace {

struct Piece {
  std::uint64_t bits;
  unsigned count;
};

std::vector<Piece> random_pieces(std::size_t count, std::mt19937_64& random) {
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < count; ++i) {
    const auto size = static_cast<unsigned>(random() % 57);
    // Many ones, so that stuffing happens.
    const std::uint64_t bits = (random() | random() | random()) & ((std::uint64_t{1} << size) - 1);
    pieces.push_back({bits, size});
  }
  return pieces;
}

void expect_pieces(EntropyReader& reader, const std::vector<Piece>& pieces) {
  for (const Piece& piece : pieces) {
    reader.fill();
    if (piece.count != 0) {
      ASSERT_EQ(reader.peek(reader.position()) >> (64 - piece.count), piece.bits);
    }
    reader.seek(reader.position() + piece.count);
    ASSERT_FALSE(reader.overrun());
  }
}

TEST(JpegBitsTest, WhatIsWrittenIsRead) {
  std::mt19937_64 random(1);
  for (const std::size_t count : {0u, 1u, 7u, 1000u, 40'000u}) {
    const std::vector<Piece> pieces = random_pieces(count, random);
    BitString bits(count * 8 + 8);
    for (const Piece& piece : pieces) bits.put(piece.bits, piece.count);
    bits.pad();
    ImageBytes out;
    ASSERT_TRUE(append_stuffed(bits.whole(), out));
    for (std::size_t i = 0; i + 1 < out.size(); ++i) {
      if (out.view()[i] == std::byte{0xFF}) {
        ASSERT_EQ(out.view()[i + 1], std::byte{0});
      }
    }
    const auto reader = std::make_unique<EntropyReader>(out.view());
    expect_pieces(*reader, pieces);
    EXPECT_TRUE(reader->finished());
  }
}

TEST(JpegBitsTest, AppendIsPuttingEachPiece) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 200; ++round) {
    const std::vector<Piece> first = random_pieces(random() % 30, random);
    const std::vector<Piece> second = random_pieces(random() % 30, random);
    BitString expected(1000);
    BitString joined(1000);
    BitString other(1000);
    for (const Piece& p : first) expected.put(p.bits, p.count), joined.put(p.bits, p.count);
    for (const Piece& p : second) expected.put(p.bits, p.count), other.put(p.bits, p.count);
    joined.append(other);
    expected.pad();
    joined.pad();
    ASSERT_TRUE(std::equal(joined.whole().begin(), joined.whole().end(), expected.whole().begin(),
                           expected.whole().end()));
  }
}

TEST(JpegBitsTest, RestartMarkersAreWhereTheyBelong) {
  const std::byte data[] = {std::byte{0xA5}, std::byte{0xFF}, std::byte{0xD0}, std::byte{0x5A}};
  EntropyReader reader{Bytes(data)};
  reader.fill();
  EXPECT_FALSE(reader.restart(0));  // eight bits are left
  reader.seek(8);
  EXPECT_FALSE(reader.finished());
  EXPECT_FALSE(reader.restart(1));  // another number
  ASSERT_TRUE(reader.restart(0));
  reader.fill();
  EXPECT_EQ(reader.peek(reader.position()) >> 56, 0x5Au);
  reader.seek(8);
  EXPECT_TRUE(reader.finished());
  EXPECT_FALSE(reader.restart(1));
}

TEST(JpegBitsTest, ReadingBehindTheEndIsOverrun) {
  const std::byte data[] = {std::byte{0xA5}};
  EntropyReader reader{Bytes(data)};
  reader.fill();
  reader.seek(8);
  EXPECT_FALSE(reader.overrun());
  reader.seek(9);
  EXPECT_TRUE(reader.overrun());
}

TEST(JpegHuffmanTest, StandardDcCodesAreTableK3) {
  const auto& codes = standard_dc_codes();
  EXPECT_EQ(codes[0].length, 2);
  EXPECT_EQ(codes[0].bits, 0b00);
  EXPECT_EQ(codes[5].length, 3);
  EXPECT_EQ(codes[5].bits, 0b110);
  EXPECT_EQ(codes[11].length, 9);
  EXPECT_EQ(codes[11].bits, 0b111111110);
}

TEST(JpegHuffmanTest, FindsShortAndLongCodes) {
  HuffmanSpec spec;
  // 0, 10, 110, ... one code of each length.
  for (unsigned i = 0; i < 16; ++i) {
    spec.counts[i] = 1;
    spec.symbols[i] = static_cast<std::uint8_t>(i % 11);
  }
  spec.size = 16;
  HuffmanWalker walker;
  ASSERT_TRUE(walker.build(spec));
  for (unsigned length = 1; length <= 16; ++length) {
    const std::uint64_t code = length == 1 ? 0 : ~std::uint64_t{0} << (65 - length);
    const HuffmanEntry entry = walker.at(code);
    EXPECT_EQ(entry.code_bits, length);
    EXPECT_EQ(entry.size, (length - 1) % 11);
  }
  EXPECT_EQ(walker.at(~std::uint64_t{0}).advance, kBadSymbol);
}

TEST(JpegHuffmanTest, PairsAreTwoCodesOneAfterTheOther) {
  // Lengths 2, 3, 4... 15 with all the kinds of symbols: runs, sizes, the zero run, the end of a
  // block.
  HuffmanSpec spec;
  const std::uint8_t symbols[] = {0x01, 0x00, 0x02, 0x11, 0x03, 0xF0, 0x21,
                                  0x0A, 0xF1, 0x12, 0x50, 0x0B, 0x31, 0x71};
  for (const std::uint8_t symbol : symbols) {
    ++spec.counts[spec.size + 1];
    spec.symbols[spec.size++] = symbol;
  }
  HuffmanWalker single;
  AcWalker pairs;
  ASSERT_TRUE(single.build(spec));
  ASSERT_TRUE(pairs.build(spec));
  std::mt19937_64 random(3);
  for (int round = 0; round < 200'000; ++round) {
    const std::uint64_t bits = random();
    const HuffmanEntry first = single.at(bits);
    const AcStep step = pairs.at(bits);
    ASSERT_EQ(step.advance, first.advance);
    ASSERT_EQ(step.total_bits, first.total_bits);
    if (step.pair_bits == first.total_bits) continue;
    const HuffmanEntry second = single.at(bits << first.total_bits);
    ASSERT_LE(first.advance, 16);
    ASSERT_EQ(step.pair_advance, first.advance + second.advance);
    ASSERT_EQ(step.pair_bits, first.total_bits + second.total_bits);
  }
}

TEST(JpegHuffmanTest, RefusesWhatIsNoCode) {
  HuffmanSpec spec;
  HuffmanWalker walker;
  EXPECT_FALSE(walker.build(spec));
  spec.counts[0] = 3;
  spec.size = 3;
  EXPECT_FALSE(walker.build(spec));
  spec.counts[0] = 2;
  spec.size = 2;
  EXPECT_TRUE(walker.build(spec));
}

}  // namespace
}  // namespace millrace::image
