#include "compute/wordcount.hpp"

#include "compute/char_class.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

namespace millrace::compute {

void PrintTo(const Counts& c, std::ostream* out) {
  *out << c.lines << " lines, " << c.words << " words, " << c.chars << " chars, " << c.bytes
       << " bytes";
}

namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

Counts count(std::string_view text, Simd simd = best_simd()) {
  WordCounter counter(simd);
  counter.update(bytes_of(text));
  return counter.finish();
}

/// Another implementation, a byte at a time, as close to the text of the definition as can be.
class Plain {
 public:
  static Counts count(std::string_view text) {
    Plain p;
    for (std::size_t at = 0; at < text.size();) at += p.step(text.substr(at));
    p.counts_.bytes = text.size();
    return p.counts_;
  }

 private:
  std::size_t step(std::string_view rest) {
    const auto lead = static_cast<unsigned char>(rest[0]);
    const std::size_t length = lead < 0x80   ? 1
                               : lead < 0xC0 ? 0
                               : lead < 0xE0 ? 2
                               : lead < 0xF0 ? 3
                               : lead < 0xF8 ? 4
                               : lead < 0xFC ? 5
                               : lead < 0xFE ? 6
                                             : 0;
    if (length == 0 || length > rest.size()) return 1;
    char32_t c = length == 1 ? lead : lead & (0x7Fu >> length);
    for (std::size_t i = 1; i < length; ++i) {
      const auto b = static_cast<unsigned char>(rest[i]);
      if ((b & 0xC0) != 0x80) return 1;
      c = c << 6 | (b & 0x3F);
    }
    constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000, 0x200000, 0x4000000};
    if (c < kLeast[length] || (c >= 0xD800 && c <= 0xDFFF)) return 1;
    ++counts_.chars;
    if (c == '\n') ++counts_.lines;
    const CharClass kind = char_class(c);
    if (kind == CharClass::kPrintable && !inside_) ++counts_.words;
    if (kind != CharClass::kNeutral) inside_ = kind == CharClass::kPrintable;
    return length;
  }

  Counts counts_;
  bool inside_ = false;
};

std::vector<Simd> simds() {
  std::vector<Simd> all;
  for (const Simd simd : {Simd::kPortable, Simd::kSse2, Simd::kAvx2}) {
    if (supported(simd)) all.push_back(simd);
  }
  return all;
}

std::string utf8(char32_t c) {
  const auto tail = [c](int shift) { return static_cast<char>(0x80 | (c >> shift & 0x3F)); };
  if (c < 0x80) return {static_cast<char>(c)};
  if (c < 0x800) return {static_cast<char>(0xC0 | c >> 6), tail(0)};
  if (c < 0x10000) return {static_cast<char>(0xE0 | c >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xF0 | c >> 18), tail(12), tail(6), tail(0)};
}

std::string random_bytes(std::size_t size, std::mt19937& random) {
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

/// Everything that is anything special, whole and cut short.
std::string odd_text(std::size_t pieces, std::mt19937& random) {
  static const std::vector<std::string> kPieces = {"a",
                                                   "word",
                                                   "naïve",
                                                   "z\n",
                                                   "\n",
                                                   " ",
                                                   "\t",
                                                   "\r",
                                                   "\v",
                                                   "\f",
                                                   std::string(1, '\0'),
                                                   "\x01",
                                                   "\x7F",
                                                   utf8(0x85),
                                                   utf8(0xA0),
                                                   utf8(0xAD),
                                                   utf8(0x378),
                                                   utf8(0x3C9),
                                                   utf8(0x416),
                                                   utf8(0x5D0),
                                                   utf8(0x1680),
                                                   utf8(0x2000),
                                                   utf8(0x2007),
                                                   utf8(0x200B),
                                                   utf8(0x2019),
                                                   utf8(0x2028),
                                                   utf8(0x202F),
                                                   utf8(0x205F),
                                                   utf8(0x2060),
                                                   utf8(0x3000),
                                                   utf8(0x3042),
                                                   utf8(0x6F22),
                                                   utf8(0xAC00),
                                                   utf8(0xE000),
                                                   utf8(0xFEFF),
                                                   utf8(0xFFFF),
                                                   utf8(0x1F600),
                                                   utf8(0x10FFFF),
                                                   utf8(0xE0001),
                                                   "\xC0\x80",
                                                   "\xC1\xBF",
                                                   "\xE0\x9F\xBF",
                                                   "\xED\xA0\x80",
                                                   "\xF0\x8F\xBF\xBF",
                                                   "\xF4\x90\x80\x80",
                                                   "\xF7\xBF\xBF\xBF",
                                                   "\xF8\x88\x80\x80\x80",
                                                   "\xF8\x87\xBF\xBF\xBF",
                                                   "\xFB\xBF\xBF\xBF\xBF",
                                                   "\xFC\x84\x80\x80\x80\x80",
                                                   "\xFC\x83\xBF\xBF\xBF\xBF",
                                                   "\xFD\xBF\xBF\xBF\xBF\xBF",
                                                   "\xFE",
                                                   "\xFF",
                                                   "\x80",
                                                   "\xBF"};
  std::string text;
  for (std::size_t i = 0; i < pieces; ++i) {
    std::string piece = kPieces[random() % kPieces.size()];
    if (random() % 8 == 0) piece.resize(1 + random() % piece.size());
    text += piece;
  }
  return text;
}

std::string prose(std::size_t size, std::mt19937& random) {
  static const std::vector<std::string> kWords = {
      "the",    "quick", "brown",  "fox",  "“jumps”", "over", "Straße", "élan",
      "привет", "κόσμε", "漢字、", "かな", "😀",      "a",    "—",      "1,000"};
  std::string text;
  while (text.size() < size) {
    text += kWords[random() % kWords.size()];
    text += random() % 9 == 0 ? "\n" : random() % 20 == 0 ? "  " : " ";
  }
  return text;
}

TEST(WordCounterTest, NothingIsNothing) {
  EXPECT_EQ(count(""), (Counts{0, 0, 0, 0}));
  EXPECT_EQ(WordCounter().finish(), (Counts{0, 0, 0, 0}));
}

TEST(WordCounterTest, CountsAsTheDefinitionSays) {
  EXPECT_EQ(count("hello world\n"), (Counts{12, 1, 2, 12}));
  EXPECT_EQ(count("no newline"), (Counts{10, 0, 2, 10}));
  EXPECT_EQ(count("\n\n \t\n"), (Counts{5, 3, 0, 5}));
  EXPECT_EQ(count("Straße\u00A0élan"), (Counts{14, 0, 2, 11}));
  EXPECT_EQ(count("漢字\u3000かな\n"), (Counts{16, 1, 2, 6}));
}

TEST(WordCounterTest, ControlsNeitherMakeNorPartWords) {
  EXPECT_EQ(count("a\x01z"), (Counts{3, 0, 1, 3}));
  EXPECT_EQ(count("\x01\x02 \x7F"), (Counts{4, 0, 0, 4}));
  EXPECT_EQ(count("\x01"
                  "a b\x02"),
            (Counts{5, 0, 2, 5}));
}

TEST(WordCounterTest, InvalidBytesAreNoCharacters) {
  EXPECT_EQ(count("a\xFFz"), (Counts{3, 0, 1, 2}));
  EXPECT_EQ(count("\xE2\x82"), (Counts{2, 0, 0, 0}));
  EXPECT_EQ(count("\xC0\x80 \xED\xA0\x80"), (Counts{6, 0, 0, 1}));
  EXPECT_EQ(count("\xE2\x82"
                  "a"),
            (Counts{3, 0, 1, 1}));
}

TEST(WordCounterTest, AllInstructionSetsAgreeWithThePlainCount) {
  std::mt19937 random(1);
  for (int round = 0; round < 400; ++round) {
    const std::string text = round % 3 == 0   ? random_bytes(random() % 700, random)
                             : round % 3 == 1 ? odd_text(random() % 300, random)
                                              : prose(random() % 700, random);
    const Counts expected = Plain::count(text);
    for (const Simd simd : simds()) {
      ASSERT_EQ(count(text, simd), expected)
          << "round " << round << " simd " << static_cast<int>(simd);
    }
  }
}

TEST(WordCounterTest, OddCodePointsAtEveryPlaceOfABlock) {
  const std::vector<char32_t> special = {0x7F,   0xA0,   0x378,   0x38B,   0x3A2,  0x1680,
                                         0x2007, 0x2028, 0x3000,  0x3040,  0x3097, 0xD7FF,
                                         0x416,  0x6F22, 0x1F600, 0x10FFFF};
  for (const char32_t c : special) {
    for (std::size_t before = 0; before < 140; ++before) {
      const std::string text = std::string(before, 'x') + utf8(c) + "y " + utf8(c);
      for (const Simd simd : simds()) ASSERT_EQ(count(text, simd), Plain::count(text)) << before;
    }
  }
}

TEST(WordCounterTest, EveryCodePointIsInItsClass) {
  for (char32_t from = 0; from <= kCodePointMax; from += 0x1000) {
    std::string text;
    for (char32_t c = from; c < from + 0x1000; ++c) text += utf8(c) + "a";
    const Counts expected = Plain::count(text);
    for (const Simd simd : simds())
      ASSERT_EQ(count(text, simd), expected) << static_cast<unsigned>(from);
  }
}

TEST(WordCounterTest, EveryWayToCutInTwoGivesTheSame) {
  std::mt19937 random(2);
  for (const std::string& text :
       {odd_text(120, random), prose(400, random), random_bytes(300, random)}) {
    const Counts expected = Plain::count(text);
    for (const Simd simd : simds()) {
      for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        WordCounter counter(simd);
        counter.update(bytes_of(std::string_view(text).substr(0, cut)));
        counter.update(bytes_of(std::string_view(text).substr(cut)));
        ASSERT_EQ(counter.finish(), expected) << cut;
      }
    }
  }
}

TEST(WordCounterTest, EveryPieceSizeGivesTheSame) {
  std::mt19937 random(3);
  const std::string text = odd_text(800, random) + prose(800, random);
  const Counts expected = Plain::count(text);
  for (std::size_t size = 1; size <= 200; ++size) {
    WordCounter counter;
    for (std::size_t at = 0; at < text.size(); at += size) {
      counter.update(bytes_of(std::string_view(text).substr(at, size)));
    }
    ASSERT_EQ(counter.finish(), expected) << size;
  }
}

TEST(WordCounterTest, FinishMayBeAskedInBetween) {
  WordCounter counter;
  counter.update(bytes_of("one tw"));
  EXPECT_EQ(counter.finish(), (Counts{6, 0, 2, 6}));
  counter.update(bytes_of("o three"));
  EXPECT_EQ(counter.finish(), (Counts{13, 0, 3, 13}));
}

// ---- the real wc ----

class Wc {
 public:
  /// Version as 901 for 9.1; none without GNU wc.
  static std::optional<int> version() {
    const std::optional<std::string> text = run("wc --version");
    int major = 0;
    int minor = 0;
    if (!text || std::sscanf(text->c_str(), "wc (GNU coreutils) %d.%d", &major, &minor) != 2)
      return {};
    return major * 100 + minor;
  }

  static std::optional<Counts> count(std::string_view text) {
    std::string path = ::testing::TempDir() + "wc_XXXXXX";
    const int fd = ::mkstemp(path.data());
    if (fd < 0) return {};
    const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    ::close(fd);
    const auto answer = run("LC_ALL=C.UTF-8 wc -lwmc < " + path);
    ::unlink(path.c_str());
    Counts c;
    if (!written || !answer ||
        std::sscanf(answer->c_str(), "%lu %lu %lu %lu", &c.lines, &c.words, &c.chars, &c.bytes) !=
            4) {
      return {};
    }
    return c;
  }

 private:
  static std::optional<std::string> run(const std::string& command) {
    FILE* pipe = ::popen(command.c_str(), "r");
    if (pipe == nullptr) return {};
    std::array<char, 512> buffer{};
    const std::size_t size = std::fread(buffer.data(), 1, buffer.size(), pipe);
    if (::pclose(pipe) != 0) return {};
    return std::string(buffer.data(), size);
  }
};

TEST(WordCounterTest, EqualsGnuWcOnPrintableText) {
  if (!Wc::version()) GTEST_SKIP() << "no GNU wc";
  std::mt19937 random(4);
  for (const std::size_t size : {10u, 1000u, 100'000u, 3'000'000u}) {
    const std::string text = prose(size, random);
    ASSERT_EQ(count(text), Wc::count(text)) << size;
  }
}

TEST(WordCounterTest, EqualsGnuWcOnAnythingAtAll) {
  const std::optional<int> version = Wc::version();
  if (!version || *version < 807 || *version >= 905) {
    GTEST_SKIP() << "no GNU wc of the definition before 9.5";
  }
  std::mt19937 random(5);
  for (int round = 0; round < 20; ++round) {
    const std::string text =
        round % 2 == 0 ? random_bytes(200'000, random) : odd_text(50'000, random);
    ASSERT_EQ(count(text), Wc::count(text)) << round;
  }
}

}  // namespace
}  // namespace millrace::compute
