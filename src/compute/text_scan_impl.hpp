// The scanner, over a vector policy. Included by one .cpp per instruction set, each compiled with
// its own flags; hence the anonymous namespace and the builtins instead of <bit>: no symbol of an
// AVX2 file may ever be the one the linker picks for everybody.
//
// A policy `V` has: Reg, kBytes, load, equal, in_range (unsigned, inclusive), either, bits.
#pragma once

#include "compute/char_class.hpp"
#include "compute/text_scan.hpp"

namespace millrace::compute {
namespace {

using Mask = std::uint64_t;

constexpr Mask kTop = Mask{1} << 63;

[[nodiscard]] inline unsigned first_bit(Mask m) noexcept {
  return static_cast<unsigned>(__builtin_ctzll(m));
}

[[nodiscard]] inline Mask bits_below(unsigned n) noexcept {
  return n >= 64 ? ~Mask{0} : (Mask{1} << n) - 1;
}

template <class V, class Predicate>
[[nodiscard]] inline Mask mask_of(const std::byte* p, Predicate predicate) noexcept {
  Mask mask = 0;
  for (unsigned i = 0; i < kTextBlock; i += V::kBytes) {
    mask |= static_cast<Mask>(V::bits(predicate(V::load(p + i)))) << i;
  }
  return mask;
}

/// Masks of the bytes' places in UTF-8 sequences.
struct Sequences {
  Mask tails;   // 10xxxxxx
  Mask leads2;  // first bytes of sequences of that length; no later byte of it looked at
  Mask leads3;
  Mask leads4;
  Mask leads5;  // five or six bytes: glibc decodes them
  Mask plain;   // leads of which every character is printable: nothing to look up
};

template <class V>
[[nodiscard]] inline Sequences sequences(const std::byte* p, Mask high) noexcept {
  using Reg = typename V::Reg;
  const Mask from_c0 = mask_of<V>(p, [](Reg v) { return V::in_range(v, 0xC0, 0xFF); });
  const Mask from_e0 = mask_of<V>(p, [](Reg v) { return V::in_range(v, 0xE0, 0xFF); });
  const Mask from_f0 = mask_of<V>(p, [](Reg v) { return V::in_range(v, 0xF0, 0xFF); });
  const Mask from_f8 = mask_of<V>(p, [](Reg v) { return V::in_range(v, 0xF8, 0xFF); });
  // U+00C0..033F, U+03C0..04FF, U+0600..06FF; U+4000..9FFF, U+B000..CFFF: checked by a test.
  const Mask plain = mask_of<V>(p, [](Reg v) {
    const Reg two = V::either(V::in_range(v, 0xC3, 0xCC), V::in_range(v, 0xCF, 0xD3));
    const Reg three = V::either(V::in_range(v, 0xE4, 0xE9), V::in_range(v, 0xEB, 0xEC));
    return V::either(V::either(two, three), V::in_range(v, 0xD8, 0xDB));
  });
  return {
      high & ~from_c0, from_c0 & ~from_e0, from_e0 & ~from_f0, from_f0 & ~from_f8, from_f8, plain};
}

/// Those of `leads` (of two or three bytes) whose characters are plain by their second or third
/// byte: what Latin, Greek, Chinese and Japanese text has beside the plain leads.
template <class V>
[[nodiscard]] inline Mask plain_by_tails(const std::byte* p, Mask leads) noexcept {
  using Reg = typename V::Reg;
  const Mask two =
      leads & mask_of<V>(p, [](Reg v) { return V::either(V::equal(v, 0xC2), V::equal(v, 0xCE)); });
  const Mask three = leads & mask_of<V>(p, [](Reg v) { return V::in_range(v, 0xE2, 0xE3); });
  Mask plain = 0;
  if (two != 0) {
    // U+00A3..00BF but for one, U+0390..03BF but for two.
    plain =
        two & mask_of<V>(p,
                         [](Reg v) {
                           return V::either(V::in_range(v, 0xA3, 0xBF), V::in_range(v, 0x90, 0xA1));
                         }) >>
                  1;
    plain &= ~(mask_of<V>(p, [](Reg v) { return V::equal(v, 0xC2); }) &
               mask_of<V>(p, [](Reg v) { return V::in_range(v, 0x80, 0xA0); }) >> 1);
  }
  if (three != 0) {
    // U+2010..2027: dashes, quotation marks, the ellipsis. U+3001..30FF but for some: punctuation,
    // kana.
    const Mask punctuation = mask_of<V>(p, [](Reg v) { return V::equal(v, 0xE2); }) &
                             mask_of<V>(p, [](Reg v) { return V::equal(v, 0x80); }) >> 1 &
                             mask_of<V>(p, [](Reg v) { return V::in_range(v, 0x90, 0xA7); }) >> 2;
    const Mask kana =
        mask_of<V>(p, [](Reg v) { return V::equal(v, 0xE3); }) &
        mask_of<V>(p, [](Reg v) { return V::in_range(v, 0x80, 0x83); }) >> 1 &
        mask_of<V>(p,
                   [](Reg v) {
                     return V::either(V::in_range(v, 0x81, 0x96), V::in_range(v, 0x99, 0xBF));
                   }) >>
            2;
    plain |= three & (punctuation | kana);
  }
  return plain;
}

/// Bytes before the first sequence that may go on behind the block.
[[nodiscard]] inline unsigned whole_length(const Sequences& s) noexcept {
  const Mask cut = ((s.leads2 | s.leads3 | s.leads4 | s.leads5) & kTop) |
                   ((s.leads3 | s.leads4 | s.leads5) & (kTop >> 1)) |
                   ((s.leads4 | s.leads5) & (kTop >> 2)) | (s.leads5 & (Mask{0x3} << 59));
  return cut == 0 ? kTextBlock : first_bit(cut);
}

[[nodiscard]] inline char32_t tail(const std::byte* p) noexcept {
  return std::to_integer<char32_t>(*p) & 0x3F;
}

/// Looks up the character of `Length` bytes at each bit of `leads` (the tails are there).
template <unsigned Length>
inline void look_up(const std::byte* p, Mask leads, TextBlock& block) noexcept {
  constexpr char32_t kLeast = Length == 2 ? 0x80 : Length == 3 ? 0x800 : 0x10000;
  for (; leads != 0; leads &= leads - 1) {
    const unsigned at = first_bit(leads);
    char32_t c = std::to_integer<char32_t>(p[at]) & (0x7Fu >> Length);
    for (unsigned i = 1; i < Length; ++i) c = (c << 6) | tail(p + at + i);
    if (c >= kLeast && is_plain(c)) continue;
    const Mask bytes = bits_below(Length) << at;
    if (c >= kLeast && is_separator(c)) {
      block.separators |= bytes;
      continue;
    }
    block.neutrals |= bytes;
    const bool surrogate = Length == 3 && c >= 0xD800 && c <= 0xDFFF;
    if (c < kLeast || surrogate) block.characters &= ~(Mask{1} << at);
  }
}

/// Five- and six-byte sequences: one unprintable character each unless overlong.
inline void look_up_long(const std::byte* p, Mask leads, Mask tails, TextBlock& block) noexcept {
  for (; leads != 0; leads &= leads - 1) {
    const unsigned at = first_bit(leads);
    const unsigned lead = std::to_integer<unsigned>(p[at]);
    if (lead >= 0xFE) continue;
    const unsigned length = lead >= 0xFC ? 6 : 5;
    const Mask wanted = bits_below(length - 1);
    const bool complete = at + length <= kTextBlock && ((tails >> (at + 1)) & wanted) == wanted;
    const unsigned second = complete ? std::to_integer<unsigned>(p[at + 1]) : 0;
    const bool overlong =
        length == 5 ? lead == 0xF8 && second < 0x88 : lead == 0xFC && second < 0x84;
    if (complete && !overlong) block.characters |= Mask{1} << at;
  }
}

template <class V>
[[gnu::noinline]] void classify_utf8(const std::byte* p, Mask high, TextBlock& block) noexcept {
  const Sequences s = sequences<V>(p, high);
  block.length = whole_length(s);
  const Mask live = bits_below(block.length);
  const Mask tails1 = s.tails >> 1;
  const Mask tails2 = tails1 & (s.tails >> 2);
  const Mask tails3 = tails2 & (s.tails >> 3);
  const Mask leads2 = s.leads2 & tails1 & live;
  const Mask leads3 = s.leads3 & tails2 & live;
  const Mask leads4 = s.leads4 & tails3 & live;
  const Mask longer = leads3 | leads4;
  const Mask leads = leads2 | longer;
  const Mask whole = leads | (leads << 1) | (longer << 2) | (leads4 << 3);
  block.newlines &= live;
  block.separators &= live;
  block.neutrals = (block.neutrals | (high & ~whole)) & live;
  block.characters = (~high | leads) & live;
  if (const Mask unclear = (leads2 | leads3) & ~s.plain; unclear != 0) {
    const Mask left = unclear & ~plain_by_tails<V>(p, unclear);
    look_up<2>(p, leads2 & left, block);
    look_up<3>(p, leads3 & left, block);
  }
  if (leads4 != 0) look_up<4>(p, leads4, block);
  if ((s.leads5 & live) != 0) look_up_long(p, s.leads5 & live, s.tails, block);
}

template <class V>
inline void classify_block(const std::byte* p, TextBlock& block) noexcept {
  using Reg = typename V::Reg;
  const Mask high = mask_of<V>(p, [](Reg v) { return V::in_range(v, 0x80, 0xFF); });
  block.newlines = mask_of<V>(p, [](Reg v) { return V::equal(v, '\n'); });
  block.separators =
      mask_of<V>(p, [](Reg v) { return V::either(V::equal(v, ' '), V::in_range(v, '\t', '\r')); });
  const Mask odd =
      mask_of<V>(p, [](Reg v) { return V::either(V::in_range(v, 0, ' '), V::equal(v, 0x7F)); });
  block.neutrals = odd & ~block.separators;
  block.characters = ~Mask{0};
  block.length = kTextBlock;
  if (high != 0) classify_utf8<V>(p, high, block);
}

template <class V>
void classify(const std::byte* p, TextBlock& block) noexcept {
  classify_block<V>(p, block);
}

template <class V>
std::size_t count(const std::byte* p, std::size_t size, TextTotals& totals) noexcept {
  TextTotals t = totals;
  std::size_t at = 0;
  while (size - at >= kTextBlock) {
    TextBlock block;
    classify_block<V>(p + at, block);
    t.lines += static_cast<unsigned>(__builtin_popcountll(block.newlines));
    t.characters += static_cast<unsigned>(__builtin_popcountll(block.characters));
    t.words += static_cast<unsigned>(__builtin_popcountll(word_starts(block, t.outside)));
    at += block.length;
  }
  totals = t;
  return at;
}

}  // namespace
}  // namespace millrace::compute
