#include "compute/text_scan.hpp"

namespace millrace::compute {

extern const TextScanner kTextScannerPortable;

#if defined(__x86_64__)

extern const TextScanner kTextScannerSse2;
extern const TextScanner kTextScannerAvx2;

bool supported(Simd simd) noexcept {
  if (simd != Simd::kAvx2) return true;
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
         __builtin_cpu_supports("popcnt");
}

const TextScanner& text_scanner(Simd simd) noexcept {
  if (simd == Simd::kAvx2) return kTextScannerAvx2;
  return simd == Simd::kSse2 ? kTextScannerSse2 : kTextScannerPortable;
}

#else

bool supported(Simd simd) noexcept {
  return simd == Simd::kPortable;
}

const TextScanner& text_scanner(Simd) noexcept {
  return kTextScannerPortable;
}

#endif

Simd best_simd() noexcept {
  if (supported(Simd::kAvx2)) return Simd::kAvx2;
  return supported(Simd::kSse2) ? Simd::kSse2 : Simd::kPortable;
}

}  // namespace millrace::compute
