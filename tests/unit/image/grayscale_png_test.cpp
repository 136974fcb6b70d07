#include "image/grayscale.hpp"
#include "test_images.hpp"

#include <string>

#include <gtest/gtest.h>
#include <png.h>

namespace millrace::image {
namespace {

EncodedImage gray(std::string_view name, GrayscaleOptions options = {}) {
  auto image = grayscale(load(name), options);
  EXPECT_TRUE(image) << name;
  return image ? std::move(*image) : EncodedImage{};
}

/// Luma of an RGB(A) or gray(+alpha) picture, alpha kept.
Pixels expected_luma(const Pixels& p) {
  const bool alpha = p.channels % 2 == 0;
  Pixels out{.width = p.width, .height = p.height, .channels = alpha ? 2u : 1u, .values = {}};
  for (std::size_t i = 0; i < p.values.size(); i += p.channels) {
    const std::uint8_t* v = p.values.data() + i;
    out.values.push_back(
        p.channels < 3
            ? v[0]
            : static_cast<std::uint8_t>((19595 * v[0] + 38470 * v[1] + 7471 * v[2] + 32768) >> 16));
    if (alpha) out.values.push_back(v[p.channels - 1]);
  }
  return out;
}

TEST(GrayscalePngTest, EveryKindIsItsLuma) {
  for (const std::string& name : all_pngs()) {
    const EncodedImage image = gray(name);
    EXPECT_EQ(image.format, Format::kPng);
    const Pixels expected = expected_luma(decode_png(load(name)));
    const Pixels actual = decode_png(image.bytes.view());
    EXPECT_EQ(actual.channels, expected.channels) << name;
    // 16 bits are rounded to 8 before or after the weighing.
    EXPECT_LT(difference(actual, expected), name == "rgb16.png" ? 0.6 : 1e-9) << name;
  }
}

TEST(GrayscalePngTest, DepthIsKept) {
  for (const auto& [name, bits] :
       {std::pair{"rgb16.png", 16}, {"gray16.png", 16}, {"gray1.png", 1}, {"rgb.png", 8}}) {
    const EncodedImage image = gray(name);
    // IHDR: depth and colour type.
    EXPECT_EQ(std::to_integer<int>(image.bytes.view()[24]), bits) << name;
    EXPECT_EQ(std::to_integer<int>(image.bytes.view()[25]), PNG_COLOR_TYPE_GRAY) << name;
  }
}

TEST(GrayscalePngTest, InterlacedIsTheSamePicture) {
  const EncodedImage plain = gray("rgb.png");
  const EncodedImage interlaced = gray("rgb_interlaced.png");
  EXPECT_EQ(decode_png(plain.bytes.view()).values, decode_png(interlaced.bytes.view()).values);
}

TEST(GrayscalePngTest, LinearDiffers) {
  const Pixels luma = decode_png(gray("rgb.png").bytes.view());
  const Pixels linear = decode_png(gray("rgb.png", {.method = GrayMethod::kLinear}).bytes.view());
  EXPECT_GT(difference(luma, linear), 0.2);
  EXPECT_LT(difference(luma, linear), 12);
}

TEST(GrayscalePngTest, ToJpegOverWhite) {
  for (const std::string& name : all_pngs()) {
    const EncodedImage image = gray(name, {.quality = 100, .format = Format::kJpeg});
    EXPECT_EQ(image.format, Format::kJpeg);
    const Pixels pixels = decode_jpeg(image.bytes.view());
    const Pixels source = expected_luma(decode_png(load(name)));
    Pixels flat{.width = 41, .height = 29, .channels = 1, .values = {}};
    for (std::size_t i = 0; i < source.values.size(); i += source.channels) {
      const int alpha = source.channels == 2 ? source.values[i + 1] : 255;
      flat.values.push_back(
          static_cast<std::uint8_t>((source.values[i] * alpha + 255 * (255 - alpha)) / 255));
    }
    EXPECT_LT(difference(pixels, flat), 1.5) << name;
  }
}

// ---- chunks that expand ----

void append(png_structp png, png_bytep bytes, std::size_t size) {
  auto* out = static_cast<File*>(png_get_io_ptr(png));
  const auto* begin = reinterpret_cast<const std::byte*>(bytes);
  out->insert(out->end(), begin, begin + size);
}

/// One pixel and a compressed text of `size` zeros... or rather of letters.
File png_with_text(std::size_t size) {
  File out;
  std::string text(size, 'x');
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(png, &out, append, nullptr);
  png_set_IHDR(png, info, 1, 1, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  std::string key = "Comment";
  png_text chunk{};
  chunk.compression = PNG_TEXT_COMPRESSION_zTXt;
  chunk.key = key.data();
  chunk.text = text.data();
  chunk.text_length = text.size();
  png_set_text(png, info, &chunk, 1);
  png_write_info(png, info);
  const png_byte row[] = {1, 2, 3};
  png_write_row(png, row);
  png_write_end(png, nullptr);
  png_destroy_write_struct(&png, &info);
  return out;
}

TEST(GrayscalePngTest, TextIsKeptUpToItsLimit) {
  const auto small = grayscale(png_with_text(100'000), {});
  ASSERT_TRUE(small);
  const auto* begin = reinterpret_cast<const char*>(small->bytes.view().data());
  EXPECT_NE(std::string_view(begin, small->bytes.size()).find("zTXt"), std::string_view::npos);
}

TEST(GrayscalePngTest, TextBombsDoNotGoOff) {
  const File bomb = png_with_text(200'000'000);
  ASSERT_LT(bomb.size(), 300'000u);
  const auto image = grayscale(bomb, {});
  if (!image) return;  // refusing is fine as well
  EXPECT_LT(image->bytes.size(), 1000u);
}

}  // namespace
}  // namespace millrace::image
