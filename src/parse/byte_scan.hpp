// Finding the next byte that matters, 16 at a time where SSE2 is there (every x86-64 has it).
//
// No function reads outside [begin, end): the last block overlaps the one before it instead.
// `begin` is the lowest byte that may be read, `from` where the search starts.
//
// Thread rule: pure functions.
#pragma once

#include <bit>
#include <cstddef>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace millrace::parse {

// What is looked for. Each matcher says it twice: for one byte, and as a mask over 16.

/// What a run of plain bytes in a JSON string ends with: a quote, a backslash, a control, and the
/// first byte of what is not ASCII.
struct StringStop {
  [[nodiscard]] bool one(unsigned char c) const noexcept {
    return c < 0x20 || c >= 0x80 || c == '"' || c == '\\';
  }
#if defined(__SSE2__)
  [[nodiscard]] int sixteen(__m128i v) const noexcept {
    const __m128i odd = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20));  // signed: 0x80 and above too
    const __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
    const __m128i backslash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
    return _mm_movemask_epi8(_mm_or_si128(odd, _mm_or_si128(quote, backslash)));
  }
#endif
};

/// What is not white space of JSON.
struct NotSpace {
  [[nodiscard]] bool one(unsigned char c) const noexcept {
    return c != ' ' && c != '\n' && c != '\r' && c != '\t';
  }
#if defined(__SSE2__)
  [[nodiscard]] int sixteen(__m128i v) const noexcept {
    const __m128i blank =
        _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8(' ')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\t')));
    const __m128i end = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('\n')),
                                     _mm_cmpeq_epi8(v, _mm_set1_epi8('\r')));
    return _mm_movemask_epi8(_mm_or_si128(blank, end)) ^ 0xffff;
  }
#endif
};

/// CR or LF.
struct LineEnd {
  [[nodiscard]] bool one(unsigned char c) const noexcept { return c == '\n' || c == '\r'; }
#if defined(__SSE2__)
  [[nodiscard]] int sixteen(__m128i v) const noexcept {
    return _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('\n')),
                                          _mm_cmpeq_epi8(v, _mm_set1_epi8('\r'))));
  }
#endif
};

/// What a field of CSV without quotes ends with, and the quote that it may not hold.
struct CsvStop {
  char delimiter;

  [[nodiscard]] bool one(unsigned char c) const noexcept {
    return c == static_cast<unsigned char>(delimiter) || c == '\n' || c == '\r' || c == '"';
  }
#if defined(__SSE2__)
  [[nodiscard]] int sixteen(__m128i v) const noexcept {
    const __m128i end = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('\n')),
                                     _mm_cmpeq_epi8(v, _mm_set1_epi8('\r')));
    const __m128i other = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8(delimiter)),
                                       _mm_cmpeq_epi8(v, _mm_set1_epi8('"')));
    return _mm_movemask_epi8(_mm_or_si128(end, other));
  }
#endif
};

/// The portable search; the reference that the other one is tested against.
template <class Match>
[[nodiscard]] inline const char* find_bytewise(Match match, const char* from,
                                               const char* end) noexcept {
  while (from != end && !match.one(static_cast<unsigned char>(*from))) ++from;
  return from;
}

/// The first matching byte in [from, end), or `end`.
template <class Match>
[[nodiscard]] inline const char* find_byte(Match match, const char* begin, const char* from,
                                           const char* end) noexcept {
#if defined(__SSE2__)
  constexpr std::ptrdiff_t kBlock = 16;
  const auto mask_at = [match](const char* at) {
    return static_cast<unsigned>(
        match.sixteen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at))));
  };
  for (; end - from >= kBlock; from += kBlock)
    if (const unsigned mask = mask_at(from); mask != 0) return from + std::countr_zero(mask);
  if (from == end || end - begin < kBlock) return find_bytewise(match, from, end);
  const char* const last = end - kBlock;  // overlaps what was searched already: shifted out below
  const unsigned mask = mask_at(last) >> (from - last);
  return mask != 0 ? from + std::countr_zero(mask) : end;
#else
  (void)begin;
  return find_bytewise(match, from, end);
#endif
}

}  // namespace millrace::parse
