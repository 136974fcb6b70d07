// SipHash-1-3 (Aumasson, Bernstein): a keyed hash that an attacker cannot aim at, for hash tables.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace millrace::compute {

namespace sip_detail {

struct State {
  std::uint64_t v0, v1, v2, v3;

  constexpr void round() noexcept {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }
  constexpr void absorb(std::uint64_t word) noexcept {
    v3 ^= word;
    round();
    v0 ^= word;
  }
};

}  // namespace sip_detail

[[nodiscard]] inline std::uint64_t sip_hash13(std::uint64_t key_a, std::uint64_t key_b,
                                              std::string_view bytes) noexcept {
  sip_detail::State s{key_a ^ 0x736f6d6570736575u, key_b ^ 0x646f72616e646f6du,
                      key_a ^ 0x6c7967656e657261u, key_b ^ 0x7465646279746573u};
  std::size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    s.absorb(std::endian::native == std::endian::big ? std::byteswap(word) : word);
  }
  std::uint64_t last = std::uint64_t{bytes.size()} << 56;
  for (std::size_t i = 0; at + i < bytes.size(); ++i) {
    last |= std::uint64_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  }
  s.absorb(last);
  s.v2 ^= 0xFF;
  for (int i = 0; i < 3; ++i) s.round();
  return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

}  // namespace millrace::compute
