#include "compute/char_class.hpp"

#include <clocale>
#include <cwctype>

#include <gtest/gtest.h>

#if defined(__GLIBC__)
#include <gnu/libc-version.h>
#endif

namespace millrace::compute {
namespace {

TEST(CharClassTest, AsciiIsAsOneExpects) {
  EXPECT_EQ(char_class('a'), CharClass::kPrintable);
  EXPECT_EQ(char_class('~'), CharClass::kPrintable);
  EXPECT_EQ(char_class(0x7F), CharClass::kNeutral);
  EXPECT_EQ(char_class(0), CharClass::kNeutral);
  for (const char32_t c : {'\t', '\n', '\v', '\f', '\r', ' '}) {
    EXPECT_EQ(char_class(c), CharClass::kSeparator) << static_cast<int>(c);
  }
}

TEST(CharClassTest, NoBreakSpacesSeparateAndOddLineEndsDoNot) {
  for (const char32_t c : {0xA0, 0x2007, 0x202F, 0x2060, 0x3000}) {
    EXPECT_EQ(char_class(c), CharClass::kSeparator) << static_cast<int>(c);
  }
  for (const char32_t c : {0x85, 0x2028, 0x2029, 0xD800, 0xFFFF, 0x110000}) {
    EXPECT_EQ(char_class(c), CharClass::kNeutral) << static_cast<int>(c);
  }
}

TEST(CharClassTest, LeadBytesTakenForPlainAre) {
  // The ranges that text_scan_impl.hpp does not look up: by their first byte, then by later ones.
  constexpr char32_t kRanges[][2] = {
      {0x00C0, 0x033F}, {0x03C0, 0x04FF}, {0x0600, 0x06FF}, {0x4000, 0x9FFF}, {0xB000, 0xCFFF},
      {0x00A1, 0x00A1}, {0x00A3, 0x00BF}, {0x0390, 0x03A1}, {0x03A3, 0x03BF}, {0x2010, 0x2027},
      {0x3001, 0x3016}, {0x3019, 0x303F}, {0x3041, 0x3056}, {0x3059, 0x307F}, {0x3081, 0x3096},
      {0x3099, 0x30BF}, {0x30C1, 0x30D6}, {0x30D9, 0x30FF}};
  for (const auto& [first, last] : kRanges) {
    for (char32_t c = first; c <= last; ++c) ASSERT_TRUE(is_plain(c)) << static_cast<unsigned>(c);
  }
}

#if defined(__GLIBC__)

bool wc_separates(wint_t c) {
  return std::iswspace(c) != 0 || c == 0xA0 || c == 0x2007 || c == 0x202F || c == 0x2060;
}

TEST(CharClassTest, EqualsTheCLibrary) {
  if (std::setlocale(LC_CTYPE, "C.UTF-8") == nullptr) GTEST_SKIP() << "no locale C.UTF-8";
  // The table is that of glibc 2.36. Later ones know characters that were unassigned then, no
  // fewer.
  const bool same = std::string_view(gnu_get_libc_version()) == "2.36";
  for (char32_t c = 0x80; c <= kCodePointMax; ++c) {
    const bool printable = std::iswprint(static_cast<wint_t>(c)) != 0;
    const CharClass ours = char_class(c);
    if (!same && ours == CharClass::kNeutral) continue;
    const CharClass theirs = !printable                             ? CharClass::kNeutral
                             : wc_separates(static_cast<wint_t>(c)) ? CharClass::kSeparator
                                                                    : CharClass::kPrintable;
    ASSERT_EQ(ours, theirs) << std::hex << static_cast<unsigned>(c);
  }
  std::setlocale(LC_CTYPE, "C");
}

#endif

}  // namespace
}  // namespace millrace::compute
