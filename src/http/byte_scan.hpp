// Finding the next byte that matters, 16 at a time where SSE2 is there (every x86-64 has it).
//
// No function reads outside [begin, end): the last block overlaps the one before it instead.
// `begin` is the lowest byte that may be read, `from` where the search starts.
//
// Thread rule: pure functions.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace millrace::http {

// What is looked for. Each matcher says it twice: for one byte, and as a mask over 16.

/// What a field value may not hold: controls other than the tab (RFC 9110 section 5.5).
struct ControlButTab {
  static constexpr bool one(unsigned char c) noexcept {
    return (c < 0x20 && c != '\t') || c == 0x7f;
  }
#if defined(__SSE2__)
  static int sixteen(__m128i v) noexcept {
    const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);
    const __m128i tab = _mm_cmpeq_epi8(v, _mm_set1_epi8('\t'));
    const __m128i del = _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f));
    return _mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, low), del));
  }
#endif
};

/// What ends a field name: the colon, and everything that no name holds in front of it.
struct NameEnd {
  static constexpr bool one(unsigned char c) noexcept { return c == ':' || c <= 0x20 || c >= 0x7f; }
#if defined(__SSE2__)
  static int sixteen(__m128i v) noexcept {
    const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x20)), v);
    const __m128i high = _mm_cmpeq_epi8(_mm_max_epu8(v, _mm_set1_epi8(0x7f)), v);
    const __m128i colon = _mm_cmpeq_epi8(v, _mm_set1_epi8(':'));
    return _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(low, high), colon));
  }
#endif
};

/// The portable search; the reference that the other one is tested against.
template <class Match>
[[nodiscard]] constexpr const char* find_bytewise(const char* from, const char* end) noexcept {
  while (from != end && !Match::one(static_cast<unsigned char>(*from))) ++from;
  return from;
}

/// The first matching byte in [from, end), or `end`.
template <class Match>
[[nodiscard]] inline const char* find_byte(const char* begin, const char* from,
                                           const char* end) noexcept {
#if defined(__SSE2__)
  constexpr std::ptrdiff_t kBlock = 16;
  const auto mask_at = [](const char* at) {
    return static_cast<unsigned>(
        Match::sixteen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at))));
  };
  for (; end - from >= kBlock; from += kBlock)
    if (const unsigned mask = mask_at(from); mask != 0) return from + std::countr_zero(mask);
  if (from == end || end - begin < kBlock) return find_bytewise<Match>(from, end);
  const char* const last = end - kBlock;  // overlaps what was searched already: shifted out below
  const unsigned mask = mask_at(last) >> (from - last);
  return mask != 0 ? from + std::countr_zero(mask) : end;
#else
  (void)begin;
  return find_bytewise<Match>(from, end);
#endif
}

/// Does `value` hold a byte that no field value may hold? For short texts that stand alone.
[[nodiscard]] inline bool has_control(std::string_view value) noexcept {
  const char* const begin = value.data();
  const char* const end = begin + value.size();
  if (value.size() >= 16) return find_byte<ControlButTab>(begin, begin, end) != end;
  if (value.size() < 8) return find_bytewise<ControlButTab>(begin, end) != end;
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kHighs = 0x80 * kOnes;
  const auto suspicious = [](const char* at) {  // some byte is under 0x20 (the tab too) or 0x7f
    std::uint64_t word;
    std::memcpy(&word, at, sizeof word);
    const std::uint64_t del = word ^ (0x7f * kOnes);
    return (((word - 0x20 * kOnes) & ~word) | ((del - kOnes) & ~del)) & kHighs;
  };
  if ((suspicious(begin) | suspicious(end - 8)) == 0) return false;
  return find_bytewise<ControlButTab>(begin, end) != end;
}

}  // namespace millrace::http
