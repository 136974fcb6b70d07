// The marker structure of a JPEG file (ITU-T T.81 annex B): segments, frame and scan headers. No
// decoding.
//
// Views point into the file, which must outlive them. Thread rule: pure.
#pragma once

#include "base/error.hpp"
#include "image/byte_order.hpp"

#include <array>
#include <cstdint>
#include <optional>

namespace millrace::image {

namespace marker {
inline constexpr std::uint8_t kSof0 = 0xC0;  ///< baseline
inline constexpr std::uint8_t kSof1 = 0xC1;  ///< extended sequential, Huffman
inline constexpr std::uint8_t kSof2 = 0xC2;  ///< progressive, Huffman
inline constexpr std::uint8_t kDht = 0xC4;
inline constexpr std::uint8_t kJpg = 0xC8;
inline constexpr std::uint8_t kDac = 0xCC;
inline constexpr std::uint8_t kRst0 = 0xD0;
inline constexpr std::uint8_t kSoi = 0xD8;
inline constexpr std::uint8_t kEoi = 0xD9;
inline constexpr std::uint8_t kSos = 0xDA;
inline constexpr std::uint8_t kDqt = 0xDB;
inline constexpr std::uint8_t kDri = 0xDD;
inline constexpr std::uint8_t kApp0 = 0xE0;
inline constexpr std::uint8_t kApp1 = 0xE1;
inline constexpr std::uint8_t kApp2 = 0xE2;
inline constexpr std::uint8_t kApp14 = 0xEE;
inline constexpr std::uint8_t kApp15 = 0xEF;
inline constexpr std::uint8_t kCom = 0xFE;
}  // namespace marker

[[nodiscard]] constexpr bool is_frame(std::uint8_t m) noexcept {
  return m >= 0xC0 && m <= 0xCF && m != marker::kDht && m != marker::kJpg && m != marker::kDac;
}
[[nodiscard]] constexpr bool is_restart(std::uint8_t m) noexcept {
  return (m & 0xF8) == marker::kRst0;
}
/// Progressive frames, Huffman or arithmetic, hierarchical or not.
[[nodiscard]] constexpr bool is_progressive(std::uint8_t m) noexcept {
  return (m & 3) == 2;
}

struct JpegSegment {
  std::uint8_t marker = 0;
  Bytes payload;  ///< without the length
};

/// Walks the file segment by segment, as leniently as libjpeg: fill bytes and rubbish between
/// segments are skipped.
class JpegCursor {
 public:
  /// `file` begins with SOI.
  explicit JpegCursor(Bytes file) noexcept : file_(file), at_(2) {}

  /// The next segment; none when the file ends before it does.
  [[nodiscard]] std::optional<JpegSegment> next() noexcept;
  /// After SOS: the entropy-coded data, restart markers included, up to the next other marker.
  [[nodiscard]] Bytes entropy() noexcept;
  /// Rubbish was skipped.
  [[nodiscard]] bool irregular() const noexcept { return irregular_; }

 private:
  Bytes file_;
  std::size_t at_;
  bool irregular_ = false;
};

struct JpegComponent {
  std::uint8_t id = 0;
  std::uint8_t h = 1;  ///< sampling factors, 1 to 4
  std::uint8_t v = 1;
  std::uint8_t quantizer = 0;
};

struct JpegFrame {
  std::uint8_t marker = 0;
  std::uint8_t precision = 8;
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint32_t count = 0;
  std::array<JpegComponent, 4> components{};

  [[nodiscard]] std::uint32_t h_max() const noexcept;
  [[nodiscard]] std::uint32_t v_max() const noexcept;
  /// Is the first component at full resolution?
  [[nodiscard]] bool first_full() const noexcept;
  /// Of all components, padded to whole blocks.
  [[nodiscard]] std::uint64_t samples() const noexcept;
};

/// kMalformedMedia when the segment contradicts itself or has no size; kUnsupportedMedia beyond 4
/// components.
[[nodiscard]] Result<JpegFrame> parse_frame(const JpegSegment& segment) noexcept;

enum class JpegColor : std::uint8_t { kGray, kYcc, kRgb, kCmyk };

/// What APPn segments say about colour and place.
struct JpegMetadata {
  bool jfif = false;
  bool adobe = false;
  std::uint8_t adobe_transform = 0;
  std::uint32_t orientation = 1;

  void look_at(const JpegSegment& segment) noexcept;
};

/// The colour space as libjpeg guesses it.
[[nodiscard]] JpegColor guess_color(const JpegFrame& frame, const JpegMetadata& metadata) noexcept;

[[nodiscard]] bool is_jfif(const JpegSegment& segment) noexcept;
[[nodiscard]] bool is_icc(const JpegSegment& segment) noexcept;

/// Does the segment still tell the truth once the colour is gone? EXIF, XMP, IPTC and comments do;
/// colour profiles (unless the image `was_gray`), the Adobe transform, JFIF (written anew), colour
/// thumbnails beside it and the offsets of multi-picture files do not.
[[nodiscard]] bool survives_gray(const JpegSegment& segment, bool was_gray) noexcept;

}  // namespace millrace::image
