#include "image/gray_pixels.hpp"

#include <array>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

namespace millrace::image {
namespace {

std::uint8_t gray(GrayMethod method, std::uint8_t r, std::uint8_t g, std::uint8_t b) {
  std::array<std::uint8_t, 3> p{r, g, b};
  to_gray(method, 3, 8, 1, p.data(), p.data());
  return p[0];
}

TEST(GrayPixelsTest, GrayStaysWhatItIs) {
  for (const GrayMethod method : {GrayMethod::kLuma, GrayMethod::kLinear}) {
    for (int v = 0; v < 256; ++v) {
      const auto u = static_cast<std::uint8_t>(v);
      ASSERT_EQ(gray(method, u, u, u), v);
    }
  }
}

TEST(GrayPixelsTest, LumaIsThatOfJpeg) {
  EXPECT_EQ(gray(GrayMethod::kLuma, 255, 0, 0), 76);
  EXPECT_EQ(gray(GrayMethod::kLuma, 0, 255, 0), 150);
  EXPECT_EQ(gray(GrayMethod::kLuma, 0, 0, 255), 29);
}

TEST(GrayPixelsTest, LinearIsLuminanceOfLight) {
  // 0.2126 of full light is 0.4985 on the sRGB curve, and so on.
  EXPECT_EQ(gray(GrayMethod::kLinear, 255, 0, 0), 127);
  EXPECT_EQ(gray(GrayMethod::kLinear, 0, 255, 0), 220);
  EXPECT_EQ(gray(GrayMethod::kLinear, 0, 0, 255), 76);
}

TEST(GrayPixelsTest, SixteenBitsAreKept) {
  std::array<std::uint8_t, 8> p{0x12, 0x34, 0x12, 0x34, 0x12, 0x34, 0xAB, 0xCD};
  for (const GrayMethod method : {GrayMethod::kLuma, GrayMethod::kLinear}) {
    std::array<std::uint8_t, 4> out{};
    to_gray(method, 4, 16, 1, p.data(), out.data());
    EXPECT_EQ(out, (std::array<std::uint8_t, 4>{0x12, 0x34, 0xAB, 0xCD}));
  }
  std::array<std::uint8_t, 6> red{0xFF, 0xFF, 0, 0, 0, 0};
  to_gray(GrayMethod::kLinear, 3, 16, 1, red.data(), red.data());
  EXPECT_NEAR(red[0] * 256 + red[1], 32670, 20);
}

TEST(GrayPixelsTest, ConvertsInPlaceWithAlpha) {
  std::vector<std::uint8_t> p = {255, 0, 0, 10, 0, 255, 0, 20, 0, 0, 255, 30};
  to_gray(GrayMethod::kLuma, 4, 8, 3, p.data(), p.data());
  EXPECT_EQ(std::vector<std::uint8_t>(p.begin(), p.begin() + 6),
            (std::vector<std::uint8_t>{76, 10, 150, 20, 29, 30}));
}

TEST(GrayPixelsTest, CmykBothWaysRound) {
  // No ink is white; full black is black.
  std::array<std::uint8_t, 8> plain{0, 0, 0, 0, 10, 20, 30, 255};
  cmyk_to_rgb(false, 2, plain.data());
  EXPECT_EQ(plain[0], 255);
  EXPECT_EQ(plain[3], 0);
  std::array<std::uint8_t, 4> adobe{255, 0, 128, 255};
  cmyk_to_rgb(true, 1, adobe.data());
  EXPECT_EQ(adobe[0], 255);
  EXPECT_EQ(adobe[1], 0);
  EXPECT_EQ(adobe[2], 128);
}

TEST(GrayPixelsTest, TransparentIsWhiteOnPaper) {
  const std::array<std::uint8_t, 6> p{0, 0, 0, 255, 100, 128};
  std::array<std::uint8_t, 3> out{};
  flatten(true, 8, 3, p.data(), out.data());
  EXPECT_EQ(out[0], 255);
  EXPECT_EQ(out[1], 0);
  EXPECT_NEAR(out[2], 177, 1);
  const std::array<std::uint8_t, 4> deep{0x80, 0x00, 0xFF, 0xFF};
  flatten(true, 16, 1, deep.data(), out.data());
  EXPECT_EQ(out[0], 128);
  flatten(false, 16, 2, deep.data(), out.data());
  EXPECT_EQ(out[1], 255);
}

}  // namespace
}  // namespace millrace::image
