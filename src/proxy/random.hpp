// Fast random numbers for choosing targets: SplitMix64. Not for secrets.
//
// Thread rule: one thread.
#pragma once

#include <cstdint>

namespace millrace::proxy {

/// Spreads the bits of `x` over all of the result (the finaliser of SplitMix64).
[[nodiscard]] constexpr std::uint64_t mix_bits(std::uint64_t x) noexcept {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept : state_(mix_bits(seed + 1)) {}
  [[nodiscard]] std::uint64_t next() noexcept { return mix_bits(state_ += 0x9e3779b97f4a7c15); }
  /// 0 to `bound` - 1; `bound` > 0.
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) noexcept {
    // The high half of a product: no division, and a bias of 2^-64 times the bound.
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
  }

 private:
  std::uint64_t state_;
};

}  // namespace millrace::proxy
