// Vectors as GCC and clang have them on every machine.
#include "compute/text_scan_impl.hpp"

#include <bit>
#include <cstring>

namespace millrace::compute {

extern const TextScanner kTextScannerPortable;

namespace {

struct Portable {
  using Reg [[gnu::vector_size(16)]] = std::uint8_t;
  static constexpr unsigned kBytes = 16;
  static Reg load(const std::byte* p) {
    Reg v;
    std::memcpy(&v, p, sizeof v);
    return v;
  }
  static Reg equal(Reg v, int c) {
    return reinterpret_cast<Reg>(v == static_cast<std::uint8_t>(c));
  }
  static Reg in_range(Reg v, int low, int high) {
    const Reg offset = v - static_cast<std::uint8_t>(low);
    return reinterpret_cast<Reg>(offset <= static_cast<std::uint8_t>(high - low));
  }
  static Reg either(Reg a, Reg b) { return a | b; }
  // Each byte is 0 or 255: keep a different bit of each, and let a product gather them in the top
  // byte.
  static std::uint32_t gather(std::uint64_t bytes) {
    constexpr std::uint64_t kLadder =
        std::endian::native == std::endian::little ? 0x8040201008040201u : 0x0102040810204080u;
    return static_cast<std::uint32_t>(((bytes & kLadder) * 0x0101010101010101u) >> 56);
  }
  static std::uint32_t bits(Reg v) {
    std::uint64_t halves[2];
    std::memcpy(halves, &v, sizeof halves);
    return gather(halves[0]) | gather(halves[1]) << 8;
  }
};

}  // namespace

constinit const TextScanner kTextScannerPortable{&classify<Portable>, &count<Portable>};

}  // namespace millrace::compute
