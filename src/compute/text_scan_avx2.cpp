// Compiled with -mavx2 -mbmi -mpopcnt; reached only when the machine has them.
#include "compute/text_scan_impl.hpp"

#include <immintrin.h>

namespace millrace::compute {

extern const TextScanner kTextScannerAvx2;

namespace {

struct Avx2 {
  using Reg = __m256i;
  static constexpr unsigned kBytes = 32;
  static Reg load(const std::byte* p) {
    return _mm256_loadu_si256(reinterpret_cast<const Reg*>(p));
  }
  static Reg set(int c) { return _mm256_set1_epi8(static_cast<char>(c)); }
  static Reg equal(Reg v, int c) { return _mm256_cmpeq_epi8(v, set(c)); }
  static Reg in_range(Reg v, int low, int high) {
    if (high == 0xFF) return _mm256_cmpeq_epi8(_mm256_max_epu8(v, set(low)), v);
    const Reg offset = _mm256_sub_epi8(v, set(low));
    return _mm256_cmpeq_epi8(_mm256_min_epu8(offset, set(high - low)), offset);
  }
  static Reg either(Reg a, Reg b) { return _mm256_or_si256(a, b); }
  static std::uint32_t bits(Reg v) { return static_cast<std::uint32_t>(_mm256_movemask_epi8(v)); }
};

}  // namespace

constinit const TextScanner kTextScannerAvx2{&classify<Avx2>, &count<Avx2>};

}  // namespace millrace::compute
