#include "image/grayscale.hpp"
#include "test_images.hpp"

#include <algorithm>

#include <gtest/gtest.h>

namespace millrace::image {
namespace {

bool contains(const EncodedImage& image, std::string_view text) {
  const auto* begin = reinterpret_cast<const char*>(image.bytes.view().data());
  return std::string_view(begin, image.bytes.size()).find(text) != std::string_view::npos;
}

EncodedImage gray(std::string_view name, GrayscaleOptions options = {}) {
  auto image = grayscale(load(name), options);
  EXPECT_TRUE(image) << name;
  return image ? std::move(*image) : EncodedImage{};
}

TEST(GrayscaleJpegTest, TakesTheCheapestLosslessWay) {
  EXPECT_EQ(gray("photo_420.jpg").path, GrayPath::kBitstream);
  EXPECT_EQ(gray("progressive_444.jpg").path, GrayPath::kBitstream);
  EXPECT_EQ(gray("arithmetic.jpg").path, GrayPath::kCoefficients);
  EXPECT_EQ(gray("luma_subsampled.jpg").path, GrayPath::kPixels);
  EXPECT_EQ(gray("rgb.jpg").path, GrayPath::kPixels);
  EXPECT_EQ(gray("cmyk.jpg").path, GrayPath::kPixels);
}

TEST(GrayscaleJpegTest, CoefficientsSurviveTheSecondWay) {
  const EncodedImage image = gray("arithmetic.jpg");
  EXPECT_EQ(coefficients(image.bytes.view()), coefficients(load("arithmetic.jpg")));
}

TEST(GrayscaleJpegTest, RubbishBetweenMarkersIsForgivenByTheSecondWay) {
  File file = load("photo_420.jpg");
  file.insert(file.begin() + 20, {std::byte{0}, std::byte{1}, std::byte{2}});
  const auto image = grayscale(file, {});
  ASSERT_TRUE(image);
  EXPECT_EQ(image->path, GrayPath::kCoefficients);
  EXPECT_EQ(coefficients(image->bytes.view()), coefficients(load("photo_420.jpg")));
}

TEST(GrayscaleJpegTest, AllKindsLookAlike) {
  const Pixels reference = decode_jpeg(load("photo_444.jpg"));
  for (const std::string& name : all_jpegs()) {
    const EncodedImage image = gray(name);
    const Pixels pixels = decode_jpeg(image.bytes.view());
    EXPECT_EQ(pixels.width, 117u) << name;
    EXPECT_EQ(pixels.height, 75u) << name;
    // The qualities differ; half resolution blurs; CMYK went through another colour space.
    const double most = name == "luma_subsampled.jpg" ? 12 : name == "cmyk.jpg" ? 8 : 5;
    EXPECT_LT(difference(pixels, reference), most) << name;
  }
}

TEST(GrayscaleJpegTest, QualityAsksForPixels) {
  const EncodedImage low = gray("photo_420.jpg", {.quality = 20});
  const EncodedImage high = gray("photo_420.jpg", {.quality = 100});
  EXPECT_EQ(low.path, GrayPath::kPixels);
  EXPECT_LT(low.bytes.size(), high.bytes.size() / 3);
  const Pixels reference = decode_jpeg(load("photo_420.jpg"));
  EXPECT_LT(difference(decode_jpeg(high.bytes.view()), reference), 0.5);
  EXPECT_LT(difference(decode_jpeg(low.bytes.view()), reference), 12);
}

TEST(GrayscaleJpegTest, LinearIsBrighterThanLumaWhereColoursAre) {
  for (const char* name : {"photo_444.jpg", "rgb.jpg", "cmyk.jpg"}) {
    const EncodedImage luma = gray(name, {.quality = 95});
    const EncodedImage linear = gray(name, {.method = GrayMethod::kLinear});
    EXPECT_EQ(linear.path, GrayPath::kPixels);
    const double distance =
        difference(decode_jpeg(linear.bytes.view()), decode_jpeg(luma.bytes.view()));
    EXPECT_GT(distance, 0.2) << name;
    EXPECT_LT(distance, 12) << name;
  }
}

TEST(GrayscaleJpegTest, ToPng) {
  const EncodedImage image = gray("photo_444.jpg", {.format = Format::kPng});
  EXPECT_EQ(image.format, Format::kPng);
  const Pixels pixels = decode_png(image.bytes.view());
  EXPECT_EQ(pixels.channels, 1u);
  EXPECT_EQ(pixels.values, decode_jpeg(load("photo_444.jpg")).values);
}

TEST(GrayscaleJpegTest, AskingForWhatItIsAnywayStaysLossless) {
  EXPECT_EQ(gray("photo_420.jpg", {.format = Format::kJpeg}).path, GrayPath::kBitstream);
}

TEST(GrayscaleJpegTest, KeepsMetadataButNotTheColourProfile) {
  for (const auto& options : {GrayscaleOptions{}, GrayscaleOptions{.quality = 80}}) {
    const EncodedImage image = gray("metadata.jpg", options);
    const auto info = image_info(image.bytes.view());
    ASSERT_TRUE(info);
    EXPECT_EQ(info->orientation, 6u);
    EXPECT_EQ(info->channels, 1u);
    EXPECT_TRUE(contains(image, "a raccoon"));
    EXPECT_TRUE(contains(image, "xmpmeta"));
    EXPECT_FALSE(contains(image, "ICC_PROFILE"));
  }
}

TEST(GrayscaleJpegTest, OrientationSurvivesToPngAndBack) {
  const EncodedImage png = gray("metadata.jpg", {.format = Format::kPng});
  const auto info = image_info(png.bytes.view());
  ASSERT_TRUE(info);
  EXPECT_EQ(info->orientation, 6u);
  const auto jpeg = grayscale(png.bytes.view(), {.format = Format::kJpeg});
  ASSERT_TRUE(jpeg);
  const auto back = image_info(jpeg->bytes.view());
  ASSERT_TRUE(back);
  EXPECT_EQ(back->orientation, 6u);
}

TEST(GrayscaleJpegTest, GrayOfGrayIsTheSame) {
  for (const char* name : {"photo_420.jpg", "progressive_420.jpg"}) {
    const EncodedImage once = gray(name);
    const auto twice = grayscale(once.bytes.view(), {});
    ASSERT_TRUE(twice);
    EXPECT_TRUE(std::ranges::equal(twice->bytes.view(), once.bytes.view())) << name;
  }
}

}  // namespace
}  // namespace millrace::image
