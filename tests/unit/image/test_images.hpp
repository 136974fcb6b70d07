// Pictures for the image tests, and an independent look at what came out: libjpeg's and libpng's
// own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::image {

using File = std::vector<std::byte>;

/// A file of tests/support/images/small, or "raccoon.jpg".
[[nodiscard]] File load(std::string_view name);
/// Photographs that Debian's mate-backgrounds installs; empty where it is not.
[[nodiscard]] std::vector<std::string> real_photographs();
[[nodiscard]] File read_file(const std::string& path);

[[nodiscard]] const std::vector<std::string>& all_jpegs();
[[nodiscard]] const std::vector<std::string>& all_pngs();

/// Quantised coefficients of the first component, block by block, without padding blocks.
struct Coefficients {
  std::uint32_t columns = 0;
  std::uint32_t rows = 0;
  std::vector<std::int16_t> values;
  std::vector<std::uint16_t> quantizers;
  int components = 0;
  bool progressive = false;
  bool operator==(const Coefficients& o) const {
    return columns == o.columns && rows == o.rows && values == o.values &&
           quantizers == o.quantizers;
  }
};
/// Throws std::runtime_error with libjpeg's words when it warns or fails.
[[nodiscard]] Coefficients coefficients(std::span<const std::byte> jpeg);

struct Pixels {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint32_t channels = 0;
  std::vector<std::uint8_t> values;
};
/// As 8-bit gray. Throws as above.
[[nodiscard]] Pixels decode_jpeg(std::span<const std::byte> jpeg);
/// As 8-bit samples of 1 to 4 channels, whatever the file has. Throws as above.
[[nodiscard]] Pixels decode_png(std::span<const std::byte> png);

/// Mean absolute difference of two pictures of one size.
[[nodiscard]] double difference(const Pixels& a, const Pixels& b);

/// Is cancelled when it was asked `left` times.
struct CountedToken {
  explicit CountedToken(int times) : left(times) {}
  mutable int left;
  [[nodiscard]] bool cancelled() const noexcept { return left-- <= 0; }
};

}  // namespace millrace::image
