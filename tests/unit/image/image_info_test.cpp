#include "image/image_info.hpp"

#include "image/exif.hpp"
#include "test_images.hpp"

#include <limits>

#include <gtest/gtest.h>

namespace millrace::image {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

ImageInfo info_of(std::string_view name) {
  const auto info = image_info(load(name));
  EXPECT_TRUE(info) << name;
  return info.value_or(ImageInfo{});
}

TEST(ImageInfoTest, Jpeg) {
  const ImageInfo info = info_of("photo_420.jpg");
  EXPECT_EQ(info.format, Format::kJpeg);
  EXPECT_EQ(info.width, 117u);
  EXPECT_EQ(info.height, 75u);
  EXPECT_EQ(info.channels, 3u);
  EXPECT_EQ(info.orientation, 1u);
  EXPECT_FALSE(info.progressive);
  EXPECT_EQ(info.frames, 1u);
  EXPECT_EQ(info.bytes, load("photo_420.jpg").size());
  EXPECT_EQ(info.samples, 128u * 80 * 3 / 2);
}

TEST(ImageInfoTest, KindsOfJpeg) {
  EXPECT_TRUE(info_of("progressive_420.jpg").progressive);
  EXPECT_EQ(info_of("gray.jpg").channels, 1u);
  EXPECT_EQ(info_of("cmyk.jpg").channels, 4u);
  EXPECT_EQ(info_of("metadata.jpg").orientation, 6u);
}

TEST(ImageInfoTest, KindsOfPng) {
  for (const std::string& name : all_pngs()) {
    const ImageInfo info = info_of(name);
    EXPECT_EQ(info.format, Format::kPng) << name;
    EXPECT_EQ(info.width, 41u) << name;
    EXPECT_EQ(info.height, 29u) << name;
  }
  EXPECT_EQ(info_of("rgb.png").channels, 3u);
  EXPECT_EQ(info_of("rgba.png").channels, 4u);
  EXPECT_EQ(info_of("gray_alpha.png").channels, 2u);
  EXPECT_EQ(info_of("gray1.png").channels, 1u);
  EXPECT_EQ(info_of("palette.png").channels, 3u);
  EXPECT_EQ(info_of("palette_alpha.png").channels, 4u);
  EXPECT_EQ(info_of("rgb16.png").bits, 16u);
  EXPECT_TRUE(info_of("rgb_interlaced.png").progressive);
  EXPECT_FALSE(info_of("rgb.png").progressive);
}

TEST(ImageInfoTest, GifAndWebp) {
  const ImageInfo gif = info_of("animation.gif");
  EXPECT_EQ(gif.format, Format::kGif);
  EXPECT_EQ(gif.width, 41u);
  EXPECT_EQ(gif.frames, 2u);
  const ImageInfo webp = info_of("photo.webp");
  EXPECT_EQ(webp.format, Format::kWebp);
  EXPECT_EQ(webp.width, 41u);
  EXPECT_EQ(webp.height, 29u);
}

TEST(ImageInfoTest, FramesUpToTheLimit) {
  ImageLimits limits;
  limits.frames_max = 2;
  EXPECT_TRUE(image_info(load("animation.gif"), limits));
  limits.frames_max = 1;
  EXPECT_EQ(image_info(load("animation.gif"), limits).error(), Error(Errc::kMediaTooLarge));
}

TEST(ImageInfoTest, WhatIsNoImage) {
  EXPECT_EQ(image_info({}).error(), Error(Errc::kEmptyBody));
  EXPECT_EQ(image_info(bytes_of("hello\n")).error(), Error(Errc::kUnsupportedMedia));
  EXPECT_EQ(image_info(bytes_of("\xFF\xD8")).error(), Error(Errc::kUnsupportedMedia));
  EXPECT_EQ(image_info(bytes_of("<svg/>")).error(), Error(Errc::kUnsupportedMedia));
  EXPECT_EQ(image_info(bytes_of("%PDF-1.4")).error(), Error(Errc::kUnsupportedMedia));
}

TEST(ImageInfoTest, HeadersCutOffAnywhereAreNoCrash) {
  std::vector<std::string> names = all_jpegs();
  names.insert(names.end(), all_pngs().begin(), all_pngs().end());
  names.insert(names.end(), {"animation.gif", "photo.webp"});
  for (const std::string& name : names) {
    const File file = load(name);
    for (std::size_t size = 0; size < std::min<std::size_t>(file.size(), 1000); ++size) {
      // A copy of its own, so that a sanitizer sees each byte read too far.
      const File part(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size));
      const auto info = image_info(part);
      if (info) {
        ASSERT_GT(info->pixels(), 0u) << name << size;
      }
    }
  }
}

TEST(ImageInfoTest, EstimatesDoNotWrap) {
  ImageInfo info{
      .format = Format::kPng, .width = 0x7FFFFFFF, .height = 0x7FFFFFFF, .channels = 4, .bits = 16};
  info.progressive = true;
  info.samples = info.pixels() * 4;
  EXPECT_EQ(estimate_bytes(info), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(check_limits(info, {}).error(), Error(Errc::kMediaTooLarge));
}

TEST(ImageInfoTest, EstimatesGrowWithWhatIsHeld) {
  const ImageInfo baseline = info_of("photo_420.jpg");
  const ImageInfo full = info_of("photo_444.jpg");
  EXPECT_GT(estimate_bytes(full), estimate_bytes(baseline));
  EXPECT_GT(estimate_bytes(info_of("rgb_interlaced.png")), estimate_bytes(info_of("rgb.png")));
}

TEST(ImageInfoTest, LimitsJustUnderAndJustOver) {
  const ImageInfo info = info_of("photo_420.jpg");
  ImageLimits limits;
  limits.pixels_max = 117 * 75;
  EXPECT_TRUE(check_limits(info, limits));
  limits.pixels_max = 117 * 75 - 1;
  EXPECT_FALSE(check_limits(info, limits));
  limits = {};
  limits.memory_bytes_max = estimate_bytes(info);
  EXPECT_TRUE(check_limits(info, limits));
  --limits.memory_bytes_max;
  EXPECT_FALSE(check_limits(info, limits));
}

TEST(ExifTest, OrientationInBothByteOrders) {
  const std::string little("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x08\0\0\0", 22);
  const std::string big("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x05\0\0", 22);
  EXPECT_EQ(exif_orientation(bytes_of(little)), 8u);
  EXPECT_EQ(exif_orientation(bytes_of(big)), 5u);
  for (std::size_t size = 0; size < little.size(); ++size) {
    EXPECT_EQ(exif_orientation(bytes_of(std::string_view(little).substr(0, size))), 1u) << size;
  }
}

TEST(ExifTest, NonsenseIsUpright) {
  std::string value("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x09\0\0\0", 22);
  EXPECT_EQ(exif_orientation(bytes_of(value)), 1u);
  value[4] = '\xFF';
  value[7] = '\xFF';
  EXPECT_EQ(exif_orientation(bytes_of(value)), 1u);
  EXPECT_EQ(exif_orientation(bytes_of("garbage")), 1u);
}

}  // namespace
}  // namespace millrace::image
