#include "image/gray_pixels.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <memory>

namespace millrace::image {
namespace {

/// IEC 61966-2-1, both ways, on 0..1.
double decode_srgb(double v) noexcept {
  return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4);
}
double encode_srgb(double v) noexcept {
  return v <= 0.0031308 ? v * 12.92 : 1.055 * std::pow(v, 1 / 2.4) - 0.055;
}

constexpr std::uint32_t kOne = 65535;

/// Linear light in 16 bits: the darkest of 8-bit steps is still 20 of these.
struct LinearTables {
  std::array<std::uint16_t, 256> decode;
  std::array<std::uint8_t, kOne + 1> encode;

  LinearTables() noexcept {
    for (std::size_t i = 0; i < decode.size(); ++i) {
      decode[i] =
          static_cast<std::uint16_t>(std::lround(decode_srgb(static_cast<double>(i) / 255) * kOne));
    }
    for (std::size_t i = 0; i < encode.size(); ++i) {
      encode[i] =
          static_cast<std::uint8_t>(std::lround(encode_srgb(static_cast<double>(i) / kOne) * 255));
    }
  }
};

const LinearTables& tables() noexcept {
  static const LinearTables kTables;
  return kTables;
}

// Weights in 65536ths; each triple sums up to 65536, so that gray stays what it is.
constexpr std::uint32_t luma(std::uint32_t r, std::uint32_t g, std::uint32_t b) noexcept {
  return (19595 * r + 38470 * g + 7471 * b + 32768) >> 16;
}
constexpr std::uint32_t luminance(std::uint32_t r, std::uint32_t g, std::uint32_t b) noexcept {
  return (13933 * r + 46871 * g + 4732 * b + 32768) >> 16;
}

std::uint8_t gray8(GrayMethod method, const LinearTables* t, const std::uint8_t* p) noexcept {
  if (method == GrayMethod::kLuma) return static_cast<std::uint8_t>(luma(p[0], p[1], p[2]));
  return t->encode[luminance(t->decode[p[0]], t->decode[p[1]], t->decode[p[2]])];
}

std::uint32_t get16(const std::uint8_t* p) noexcept {
  return static_cast<std::uint32_t>(p[0] << 8 | p[1]);
}
void put16(std::uint8_t* p, std::uint32_t v) noexcept {
  p[0] = static_cast<std::uint8_t>(v >> 8);
  p[1] = static_cast<std::uint8_t>(v);
}

std::uint32_t gray16(GrayMethod method, const std::uint8_t* p) noexcept {
  const std::uint32_t r = get16(p);
  const std::uint32_t g = get16(p + 2);
  const std::uint32_t b = get16(p + 4);
  if (method == GrayMethod::kLuma) return luma(r, g, b);
  if (r == g && g == b) return r;
  // Rare enough that 65536-entry tables of doubles are not worth their cache.
  const auto light = [](std::uint32_t v) { return decode_srgb(static_cast<double>(v) / kOne); };
  const double y = 0.2126 * light(r) + 0.7152 * light(g) + 0.0722 * light(b);
  return static_cast<std::uint32_t>(std::lround(std::clamp(encode_srgb(y), 0.0, 1.0) * kOne));
}

void to_gray8(GrayMethod method, bool alpha, std::size_t width, const std::uint8_t* from,
              std::uint8_t* to) noexcept {
  const LinearTables* t = method == GrayMethod::kLinear ? &tables() : nullptr;
  if (!alpha) {
    for (std::size_t x = 0; x < width; ++x) to[x] = gray8(method, t, from + 3 * x);
    return;
  }
  for (std::size_t x = 0; x < width; ++x) {
    const std::uint8_t opacity = from[4 * x + 3];
    to[2 * x] = gray8(method, t, from + 4 * x);
    to[2 * x + 1] = opacity;
  }
}

void to_gray16(GrayMethod method, bool alpha, std::size_t width, const std::uint8_t* from,
               std::uint8_t* to) noexcept {
  const std::size_t in = alpha ? 8 : 6;
  const std::size_t out = alpha ? 4 : 2;
  for (std::size_t x = 0; x < width; ++x) {
    const std::uint32_t opacity = alpha ? get16(from + in * x + 6) : 0;
    put16(to + out * x, gray16(method, from + in * x));
    if (alpha) put16(to + out * x + 2, opacity);
  }
}

std::uint8_t over_white(std::uint32_t gray, std::uint32_t alpha, std::uint32_t one) noexcept {
  const std::uint64_t sum = std::uint64_t{gray} * alpha + std::uint64_t{one} * (one - alpha);
  // To 0..255, rounded.
  const std::uint64_t square = std::uint64_t{one} * one;
  return static_cast<std::uint8_t>((sum * 255 + square / 2) / square);
}

}  // namespace

void to_gray(GrayMethod method, std::uint32_t channels, std::uint32_t bits, std::size_t width,
             const std::uint8_t* from, std::uint8_t* to) noexcept {
  if (channels < 3) {
    if (from != to) std::memcpy(to, from, width * channels * bits / 8);
    return;
  }
  const bool alpha = channels == 4;
  bits == 16 ? to_gray16(method, alpha, width, from, to) : to_gray8(method, alpha, width, from, to);
}

void cmyk_to_rgb(bool inverted, std::size_t width, std::uint8_t* pixels) noexcept {
  const std::uint32_t flip = inverted ? 0 : 255;
  for (std::size_t x = 0; x < width; ++x) {
    const std::uint8_t* p = pixels + 4 * x;
    const std::uint32_t c = p[0] ^ flip;
    const std::uint32_t m = p[1] ^ flip;
    const std::uint32_t y = p[2] ^ flip;
    const std::uint32_t k = p[3] ^ flip;
    std::uint8_t* rgb = pixels + 3 * x;
    rgb[0] = static_cast<std::uint8_t>((c * k + 127) / 255);
    rgb[1] = static_cast<std::uint8_t>((m * k + 127) / 255);
    rgb[2] = static_cast<std::uint8_t>((y * k + 127) / 255);
  }
}

void flatten(bool alpha, std::uint32_t bits, std::size_t width, const std::uint8_t* from,
             std::uint8_t* to) noexcept {
  const std::uint32_t one = bits == 16 ? kOne : 255;
  const std::size_t sample = bits / 8;
  const std::size_t step = sample * (alpha ? 2 : 1);
  for (std::size_t x = 0; x < width; ++x) {
    const std::uint8_t* p = from + step * x;
    const std::uint32_t gray = bits == 16 ? get16(p) : *p;
    const std::uint32_t opacity = !alpha ? one : bits == 16 ? get16(p + 2) : p[1];
    to[x] = over_white(gray, opacity, one);
  }
}

}  // namespace millrace::image
