// Unaligned numbers in files. Callers have checked the bounds.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace millrace::image {

using Bytes = std::span<const std::byte>;

[[nodiscard]] inline std::uint8_t u8(Bytes b, std::size_t at) noexcept {
  return std::to_integer<std::uint8_t>(b[at]);
}

template <class T>
[[nodiscard]] inline T load_big(const std::byte* p) noexcept {
  T value;
  std::memcpy(&value, p, sizeof value);
  if constexpr (std::endian::native == std::endian::little) value = std::byteswap(value);
  return value;
}

template <class T>
[[nodiscard]] inline T load_little(const std::byte* p) noexcept {
  T value;
  std::memcpy(&value, p, sizeof value);
  if constexpr (std::endian::native == std::endian::big) value = std::byteswap(value);
  return value;
}

[[nodiscard]] inline std::uint32_t big16(Bytes b, std::size_t at) noexcept {
  return load_big<std::uint16_t>(b.data() + at);
}
[[nodiscard]] inline std::uint32_t big32(Bytes b, std::size_t at) noexcept {
  return load_big<std::uint32_t>(b.data() + at);
}
[[nodiscard]] inline std::uint32_t little16(Bytes b, std::size_t at) noexcept {
  return load_little<std::uint16_t>(b.data() + at);
}
[[nodiscard]] inline std::uint32_t little32(Bytes b, std::size_t at) noexcept {
  return load_little<std::uint32_t>(b.data() + at);
}

/// Does `b` have `text` at `at`? False when it is too short.
[[nodiscard]] inline bool has(Bytes b, std::size_t at, std::string_view text) noexcept {
  return at <= b.size() && text.size() <= b.size() - at &&
         std::memcmp(b.data() + at, text.data(), text.size()) == 0;
}

}  // namespace millrace::image
