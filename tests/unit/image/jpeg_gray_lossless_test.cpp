#include "image/jpeg_gray_lossless.hpp"

#include "test_images.hpp"

#include <random>

#include <gtest/gtest.h>

namespace millrace::image {
namespace {

const std::vector<std::string>& transcoded() {
  static const std::vector<std::string> kNames = {
      "photo_420.jpg",       "photo_422.jpg",   "photo_440.jpg",      "photo_411.jpg",
      "photo_444.jpg",       "photo_mixed.jpg", "photo_q100.jpg",     "progressive_420.jpg",
      "progressive_444.jpg", "gray.jpg",        "restart_420.jpg",    "restart_progressive.jpg",
      "metadata.jpg",        "raccoon.jpg",     "separate_scans.jpg", "gray_progressive.jpg"};
  return kNames;
}

TEST(GrayLosslessTest, KeepsTheCoefficientsOfLuma) {
  for (const std::string& name : transcoded()) {
    const File file = load(name);
    const auto gray = gray_lossless(file, {}, {});
    ASSERT_TRUE(gray) << name;
    const Coefficients before = coefficients(file);
    const Coefficients after = coefficients(gray->view());
    EXPECT_EQ(after, before) << name;
    EXPECT_EQ(after.components, 1) << name;
    EXPECT_EQ(after.progressive, before.progressive) << name;
  }
}

TEST(GrayLosslessTest, KeepsTheCoefficientsOfRealPhotographs) {
  const std::vector<std::string> paths = real_photographs();
  if (paths.empty()) GTEST_SKIP() << "no photographs installed";
  for (const std::string& path : paths) {
    const File file = read_file(path);
    const auto gray = gray_lossless(file, {}, {});
    ASSERT_TRUE(gray) << path;
    EXPECT_EQ(coefficients(gray->view()), coefficients(file)) << path;
  }
}

TEST(GrayLosslessTest, IsJpegtransFileWhereTheTablesAreTheStandardOnes) {
  const auto gray = gray_lossless(load("photo_420.jpg"), {}, {});
  const File expected = load("photo_420.expected.jpg");
  ASSERT_TRUE(gray);
  EXPECT_EQ(File(gray->view().begin(), gray->view().end()), expected);
}

TEST(GrayLosslessTest, HasJpegtransCoefficients) {
  for (const std::string name : {"photo_420", "progressive_444"}) {
    const auto gray = gray_lossless(load(name + ".jpg"), {}, {});
    ASSERT_TRUE(gray);
    EXPECT_EQ(coefficients(gray->view()), coefficients(load(name + ".expected.jpg"))) << name;
  }
}

TEST(GrayLosslessTest, LeavesToADecoderWhatItCannotDo) {
  for (const char* name : {"arithmetic.jpg", "rgb.jpg", "cmyk.jpg", "luma_subsampled.jpg"}) {
    EXPECT_EQ(gray_lossless(load(name), {}, {}).error(), Error(Errc::kUnsupportedMedia)) << name;
  }
}

TEST(GrayLosslessTest, EveryCutIsNoticed) {
  for (const std::string& name : transcoded()) {
    const File file = load(name);
    const std::size_t step = file.size() > 20'000 ? 997 : 1;
    for (std::size_t size = 2; size < file.size(); size += step) {
      const auto gray = gray_lossless(std::span(file).first(size), {}, {});
      ASSERT_EQ(gray.error(), Error(Errc::kMalformedMedia)) << name << " cut at " << size;
    }
  }
}

TEST(GrayLosslessTest, ScansUpToTheLimit) {
  const File file = load("progressive_420.jpg");
  ImageLimits limits;
  limits.scans_max = 10;
  EXPECT_TRUE(gray_lossless(file, limits, {}));
  limits.scans_max = 9;
  EXPECT_EQ(gray_lossless(file, limits, {}).error(), Error(Errc::kMediaTooLarge));
}

TEST(GrayLosslessTest, Cancels) {
  for (const std::string& name : transcoded()) {
    const CountedToken never(1 << 30);
    ASSERT_TRUE(gray_lossless(load(name), {}, never));
    const int asked = (1 << 30) - never.left;
    for (const int times : {0, 1, asked / 2, asked - 1}) {
      const CountedToken token(times);
      ASSERT_EQ(gray_lossless(load(name), {}, token).error(), Error(Errc::kCancelled))
          << name << times;
    }
  }
}

TEST(GrayLosslessTest, DamageIsEitherNoticedOrHarmless) {
  std::mt19937 random(1);
  for (const std::string& name : transcoded()) {
    if (name == "raccoon.jpg") continue;
    const File file = load(name);
    for (int round = 0; round < 400; ++round) {
      File damaged = file;
      for (unsigned i = 0; i <= random() % 4; ++i) {
        damaged[2 + random() % (damaged.size() - 2)] = static_cast<std::byte>(random());
      }
      const auto gray = gray_lossless(damaged, {}, {});
      // What was let through is one gray image again; it may only be as wrong as its input.
      if (gray) {
        ASSERT_GE(gray->size(), 100u) << name << round;
      }
    }
  }
}

TEST(GrayLosslessTest, DamagedScansAreNoticedWhereTheyAreRead) {
  // Cut a baseline scan short but leave the end marker: blocks are missing.
  File file = load("photo_420.jpg");
  file.erase(file.end() - 602, file.end() - 2);
  EXPECT_EQ(gray_lossless(file, {}, {}).error(), Error(Errc::kUnsupportedMedia));
  // And one with data to spare.
  File longer = load("photo_420.jpg");
  longer.insert(longer.end() - 2, 40, std::byte{0x55});
  EXPECT_EQ(gray_lossless(longer, {}, {}).error(), Error(Errc::kUnsupportedMedia));
}

}  // namespace
}  // namespace millrace::image
