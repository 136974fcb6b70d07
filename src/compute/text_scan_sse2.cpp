// Every x86-64 machine has these.
#include "compute/text_scan_impl.hpp"

#include <emmintrin.h>

namespace millrace::compute {

extern const TextScanner kTextScannerSse2;

namespace {

struct Sse2 {
  using Reg = __m128i;
  static constexpr unsigned kBytes = 16;
  static Reg load(const std::byte* p) { return _mm_loadu_si128(reinterpret_cast<const Reg*>(p)); }
  static Reg set(int c) { return _mm_set1_epi8(static_cast<char>(c)); }
  static Reg equal(Reg v, int c) { return _mm_cmpeq_epi8(v, set(c)); }
  static Reg in_range(Reg v, int low, int high) {
    if (high == 0xFF) return _mm_cmpeq_epi8(_mm_max_epu8(v, set(low)), v);
    const Reg offset = _mm_sub_epi8(v, set(low));
    return _mm_cmpeq_epi8(_mm_min_epu8(offset, set(high - low)), offset);
  }
  static Reg either(Reg a, Reg b) { return _mm_or_si128(a, b); }
  static std::uint32_t bits(Reg v) { return static_cast<std::uint32_t>(_mm_movemask_epi8(v)); }
};

}  // namespace

constinit const TextScanner kTextScannerSse2{&classify<Sse2>, &count<Sse2>};

}  // namespace millrace::compute
