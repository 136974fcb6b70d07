#include "compute/top_words.hpp"

#include "compute/sip_hash.hpp"

#include <map>
#include <random>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace millrace::compute {
namespace {

constexpr TopWords::Seed kSeed{1, 2};

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::vector<WordFrequency> top(std::string_view text, std::size_t k, std::size_t piece = 1 << 20) {
  TopWords words(kSeed);
  for (std::size_t at = 0; at < text.size(); at += piece) {
    EXPECT_TRUE(words.update(bytes_of(text.substr(at, piece))));
  }
  auto summary = words.finish(k);
  EXPECT_TRUE(summary);
  return summary ? std::move(summary->top) : std::vector<WordFrequency>{};
}

using List = std::vector<WordFrequency>;

TEST(TopWordsTest, OrdersByCountThenByBytes) {
  EXPECT_EQ(top("b a c a b a d\n", 3), (List{{"a", 3}, {"b", 2}, {"c", 1}}));
  EXPECT_EQ(top("z y x", 2), (List{{"x", 1}, {"y", 1}}));
}

TEST(TopWordsTest, FewerWordsThanAskedFor) {
  EXPECT_EQ(top("", 5), List{});
  EXPECT_EQ(top(" \n", 5), List{});
  EXPECT_EQ(top("only", 5), (List{{"only", 1}}));
  EXPECT_EQ(top("some words", 0), List{});
}

TEST(TopWordsTest, WordsAreBytes) {
  EXPECT_EQ(top("Word word word. word\u00A0word", 1), (List{{"word", 3}}));
  EXPECT_EQ(top("\x01\x02\xFF"
                "a\xFFz\x01 ",
                2),
            (List{{"a\xFFz\x01", 1}}));
}

TEST(TopWordsTest, CountsComeAlong) {
  TopWords words(kSeed);
  ASSERT_TRUE(words.update(bytes_of("one two\nthree")));
  const auto summary = words.finish(1);
  ASSERT_TRUE(summary);
  EXPECT_EQ(summary->counts, (Counts{13, 1, 3, 13}));
}

TEST(TopWordsTest, EqualsAMapHoweverItIsCut) {
  std::mt19937 random(7);
  std::map<std::string, std::uint64_t> expected;
  std::string text;
  while (text.size() < 60'000) {
    const std::string word =
        std::string(1 + random() % 90, 'x') + "é" + std::to_string(random() % 40);
    ++expected[word];
    text += word + (random() % 3 == 0 ? "\u3000" : "\n");
  }
  const List whole = top(text, expected.size());
  ASSERT_EQ(whole.size(), expected.size());
  for (const WordFrequency& w : whole) ASSERT_EQ(w.count, expected[w.word]) << w.word;
  for (const std::size_t piece : {1u, 2u, 3u, 63u, 64u, 65u, 1000u, 16384u}) {
    ASSERT_EQ(top(text, expected.size(), piece), whole) << piece;
  }
}

TEST(TopWordsTest, DistinctWordsUpToTheLimit) {
  const TopWordsLimits limits{.words_max = 3};
  TopWords fits(kSeed, limits);
  EXPECT_TRUE(fits.update(bytes_of("a b c a b c ")));
  EXPECT_TRUE(fits.finish(3));
  TopWords over(kSeed, limits);
  ASSERT_TRUE(over.update(bytes_of("a b c d")));
  EXPECT_EQ(over.finish(3).error(), Error(Errc::kMediaTooLarge));
}

TEST(TopWordsTest, TextOfWordsUpToTheLimit) {
  const TopWordsLimits limits{.text_bytes_max = 100};
  for (const std::size_t size : {100u, 101u}) {
    TopWords one(kSeed, limits);
    const Result<void> updated =
        one.update(bytes_of(std::string(size, 'x') + " " + std::string(70, ' ')));
    EXPECT_EQ(updated.has_value(), size == 100) << size;
    TopWords two(kSeed, limits);
    const std::string text = std::string(50, 'x') + " " + std::string(size - 50, 'y');
    ASSERT_TRUE(two.update(bytes_of(text)));
    EXPECT_EQ(two.finish(1).has_value(), size == 100) << size;
  }
}

TEST(TopWordsTest, ManyWordsKeepTheTableRight) {
  std::string text;
  for (int i = 0; i < 50'000; ++i) text += std::to_string(i) + ' ' + std::to_string(i % 100) + '\n';
  const List list = top(text, 101);
  EXPECT_EQ(list[0], (WordFrequency{"0", 501}));
  EXPECT_EQ(list[99], (WordFrequency{"99", 501}));
  EXPECT_EQ(list[100], (WordFrequency{"100", 1}));
}

TEST(SipHashTest, IsKeyedAndDependsOnEveryByte) {
  const std::string text = "0123456789abcdefghi";
  for (std::size_t size = 0; size < text.size(); ++size) {
    const std::string_view part = std::string_view(text).substr(0, size);
    EXPECT_NE(sip_hash13(1, 2, part), sip_hash13(1, 3, part));
    EXPECT_NE(sip_hash13(1, 2, part), sip_hash13(1, 2, std::string(part) + '\0'));
  }
  // The reference implementation with 1 and 3 rounds, key 00..0f, as in Rust's and Python's tests.
  EXPECT_EQ(sip_hash13(0x0706050403020100u, 0x0f0e0d0c0b0a0908u, ""), 0xabac0158050fc4dcu);
}

}  // namespace
}  // namespace millrace::compute
