#include "image/grayscale.hpp"
#include "test_images.hpp"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

namespace millrace::image {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

Error refusal(std::span<const std::byte> file, GrayscaleOptions options = {}) {
  const auto image = grayscale(file, options);
  EXPECT_FALSE(image);
  return image ? Error(Errc::kInternal) : image.error();
}

std::vector<std::string> all_images() {
  std::vector<std::string> names = all_jpegs();
  names.insert(names.end(), all_pngs().begin(), all_pngs().end());
  return names;
}

/// Ways to run each decoder and encoder.
std::vector<GrayscaleOptions> all_ways() {
  return {{},
          {.quality = 50},
          {.method = GrayMethod::kLinear},
          {.format = Format::kJpeg},
          {.format = Format::kPng}};
}

TEST(GrayscaleRefusalTest, WhatIsNoPictureOfOurs) {
  EXPECT_EQ(refusal({}), Error(Errc::kEmptyBody));
  EXPECT_EQ(refusal(bytes_of("just text\n")), Error(Errc::kUnsupportedMedia));
  EXPECT_EQ(refusal(load("animation.gif")), Error(Errc::kUnsupportedMedia));
  EXPECT_EQ(refusal(load("photo.webp")), Error(Errc::kUnsupportedMedia));
}

TEST(GrayscaleRefusalTest, Parameters) {
  const File file = load("photo_420.jpg");
  for (const unsigned quality : {0u, 101u}) {
    EXPECT_EQ(refusal(file, {.quality = quality}), Error(Errc::kBadParameter)) << quality;
  }
  for (const unsigned quality : {1u, 100u})
    EXPECT_TRUE(grayscale(file, {.quality = quality})) << quality;
  EXPECT_EQ(refusal(file, {.format = Format::kGif}), Error(Errc::kBadParameter));
}

/// A JPEG that is nothing but a header of that size.
File header_only(std::uint16_t width, std::uint16_t height) {
  File file = load("photo_420.jpg");
  const std::byte sof[] = {std::byte{0xFF}, std::byte{0xC0}, std::byte{0}, std::byte{17}};
  const auto at = std::search(file.begin(), file.end(), std::begin(sof), std::end(sof));
  EXPECT_NE(at, file.end());
  at[5] = static_cast<std::byte>(height >> 8);
  at[6] = static_cast<std::byte>(height);
  at[7] = static_cast<std::byte>(width >> 8);
  at[8] = static_cast<std::byte>(width);
  return {file.begin(), at + 19};
}

TEST(GrayscaleRefusalTest, GiantsAreRefusedByTheirHeader) {
  EXPECT_EQ(refusal(header_only(65500, 65500)), Error(Errc::kMediaTooLarge));
  EXPECT_EQ(refusal(header_only(65500, 65500), {.quality = 50}), Error(Errc::kMediaTooLarge));
  EXPECT_EQ(refusal(header_only(117, 0)), Error(Errc::kMalformedMedia));
  EXPECT_EQ(refusal(header_only(117, 75)), Error(Errc::kMalformedMedia));
}

TEST(GrayscaleRefusalTest, PixelsUpToTheLimit) {
  for (const std::string& name : all_images()) {
    const File file = load(name);
    const auto info = image_info(file);
    ASSERT_TRUE(info);
    for (GrayscaleOptions options : all_ways()) {
      options.limits.pixels_max = info->pixels();
      EXPECT_TRUE(grayscale(file, options)) << name;
      --options.limits.pixels_max;
      EXPECT_EQ(refusal(file, options), Error(Errc::kMediaTooLarge)) << name;
    }
  }
}

TEST(GrayscaleRefusalTest, MemoryUpToTheLimit) {
  for (const std::string& name : all_images()) {
    const File file = load(name);
    const auto info = image_info(file);
    ASSERT_TRUE(info);
    GrayscaleOptions options;
    options.limits.memory_bytes_max = estimate_bytes(*info);
    EXPECT_TRUE(grayscale(file, options)) << name;
    --options.limits.memory_bytes_max;
    EXPECT_EQ(refusal(file, options), Error(Errc::kMediaTooLarge)) << name;
  }
}

TEST(GrayscaleRefusalTest, ScansUpToTheLimit) {
  const File file = load("progressive_420.jpg");
  for (GrayscaleOptions options : all_ways()) {
    options.limits.scans_max = 10;
    EXPECT_TRUE(grayscale(file, options));
    options.limits.scans_max = 9;
    EXPECT_EQ(refusal(file, options), Error(Errc::kMediaTooLarge));
  }
}

TEST(GrayscaleRefusalTest, OdditiesUpToTheLimit) {
  File file = load("photo_420.jpg");
  file.insert(file.begin() + 20, {std::byte{0}, std::byte{1}, std::byte{2}});
  GrayscaleOptions options;
  options.limits.warnings_max = 1;
  EXPECT_TRUE(grayscale(file, options));
  options.limits.warnings_max = 0;
  EXPECT_EQ(refusal(file, options), Error(Errc::kMalformedMedia));
}

TEST(GrayscaleRefusalTest, NothingCutOffIsPainted) {
  for (const std::string& name : all_images()) {
    const File file = load(name);
    for (const GrayscaleOptions& options : all_ways()) {
      for (std::size_t size = 30; size < file.size(); size += 1 + size / 40) {
        const File part(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size));
        ASSERT_EQ(refusal(part, options), Error(Errc::kMalformedMedia))
            << name << " cut at " << size;
      }
    }
  }
}

TEST(GrayscaleRefusalTest, MissingBlocksAreDamageEvenWithAnEndMarker) {
  // Not of arithmetic coding: there the end of the data stands for zeros (T.81 D.2.6).
  for (const char* name : {"photo_420.jpg", "rgb.jpg", "cmyk.jpg"}) {
    File file = load(name);
    file.erase(file.end() - 1202, file.end() - 2);
    EXPECT_EQ(refusal(file), Error(Errc::kMalformedMedia)) << name;
    EXPECT_EQ(refusal(file, {.quality = 50}), Error(Errc::kMalformedMedia)) << name;
  }
}

TEST(GrayscaleRefusalTest, EveryWayCanBeCancelled) {
  for (const std::string& name : all_images()) {
    const File file = load(name);
    for (GrayscaleOptions options : all_ways()) {
      const CountedToken now(0);
      options.cancel = now;
      EXPECT_EQ(refusal(file, options), Error(Errc::kCancelled)) << name;
      const CountedToken soon(3);
      options.cancel = soon;
      EXPECT_EQ(refusal(file, options), Error(Errc::kCancelled)) << name;
    }
  }
}

TEST(GrayscaleRefusalTest, DamageIsNeverMoreThanARefusal) {
  std::mt19937 random(3);
  for (const std::string& name : all_images()) {
    const File file = load(name);
    for (const GrayscaleOptions& options : all_ways()) {
      for (int round = 0; round < 40; ++round) {
        File damaged = file;
        for (unsigned i = 0; i <= random() % 6; ++i) {
          damaged[random() % damaged.size()] = static_cast<std::byte>(random());
        }
        const auto image = grayscale(damaged, options);
        if (image) {
          ASSERT_TRUE(image_info(image->bytes.view())) << name;
          continue;
        }
        const Errc why = image.error().errc;
        ASSERT_TRUE(why == Errc::kMalformedMedia || why == Errc::kUnsupportedMedia ||
                    why == Errc::kMediaTooLarge)
            << name << ' ' << image.error().describe();
      }
    }
  }
}

}  // namespace
}  // namespace millrace::image
