#include "image/jpeg_markers.hpp"

#include "image/exif.hpp"

#include <algorithm>

namespace millrace::image {
namespace {

constexpr std::string_view kExif{"Exif\0\0", 6};
constexpr std::string_view kJfif{"JFIF\0", 5};
constexpr std::string_view kJfxx{"JFXX\0", 5};
constexpr std::string_view kIcc{"ICC_PROFILE\0", 12};
constexpr std::string_view kMultiPicture{"MPF\0", 4};
constexpr std::string_view kAdobe{"Adobe"};

constexpr bool stands_alone(std::uint8_t m) noexcept {
  return m == marker::kSoi || m == marker::kEoi || m == 0x01 || is_restart(m);
}

constexpr std::uint64_t round_up(std::uint64_t n, std::uint64_t unit) noexcept {
  return (n + unit - 1) / unit * unit;
}

}  // namespace

std::optional<JpegSegment> JpegCursor::next() noexcept {
  for (;;) {
    while (at_ < file_.size() && u8(file_, at_) != 0xFF) {
      irregular_ = true;
      ++at_;
    }
    while (at_ < file_.size() && u8(file_, at_) == 0xFF) ++at_;
    if (at_ >= file_.size()) return std::nullopt;
    const std::uint8_t m = u8(file_, at_++);
    if (m == marker::kEoi) return JpegSegment{m, {}};
    if (m == 0 || stands_alone(m)) {
      irregular_ = true;
      continue;
    }
    if (file_.size() - at_ < 2) return std::nullopt;
    const std::size_t length = big16(file_, at_);
    if (length < 2 || length > file_.size() - at_) return std::nullopt;
    const Bytes payload = file_.subspan(at_ + 2, length - 2);
    at_ += length;
    return JpegSegment{m, payload};
  }
}

Bytes JpegCursor::entropy() noexcept {
  const std::size_t begin = at_;
  for (;;) {
    const auto* found =
        static_cast<const std::byte*>(std::memchr(file_.data() + at_, 0xFF, file_.size() - at_));
    if (found == nullptr || found + 1 == file_.data() + file_.size()) {
      at_ = file_.size();
      return file_.subspan(begin);
    }
    at_ = static_cast<std::size_t>(found - file_.data());
    const std::uint8_t m = u8(file_, at_ + 1);
    if (m == 0xFF) {
      ++at_;
      continue;
    }
    if (m != 0 && !is_restart(m)) return file_.subspan(begin, at_ - begin);
    at_ += 2;
  }
}

std::uint32_t JpegFrame::h_max() const noexcept {
  std::uint32_t most = 1;
  for (std::uint32_t i = 0; i < count; ++i) most = std::max<std::uint32_t>(most, components[i].h);
  return most;
}

std::uint32_t JpegFrame::v_max() const noexcept {
  std::uint32_t most = 1;
  for (std::uint32_t i = 0; i < count; ++i) most = std::max<std::uint32_t>(most, components[i].v);
  return most;
}

bool JpegFrame::first_full() const noexcept {
  return components[0].h == h_max() && components[0].v == v_max();
}

std::uint64_t JpegFrame::samples() const noexcept {
  const std::uint64_t columns = round_up(width, 8 * h_max()) / h_max();
  const std::uint64_t rows = round_up(height, 8 * v_max()) / v_max();
  std::uint64_t total = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    total += columns * components[i].h * rows * components[i].v;
  }
  return total;
}

Result<JpegFrame> parse_frame(const JpegSegment& segment) noexcept {
  const Bytes p = segment.payload;
  if (p.size() < 6) return fail(Errc::kMalformedMedia);
  JpegFrame frame;
  frame.marker = segment.marker;
  frame.precision = u8(p, 0);
  frame.height = big16(p, 1);
  frame.width = big16(p, 3);
  frame.count = u8(p, 5);
  if (frame.count == 0 || p.size() != 6 + 3 * frame.count) return fail(Errc::kMalformedMedia);
  // A height of 0 means "told later, by DNL": nobody writes that, and libjpeg does not read it.
  if (frame.width == 0 || frame.height == 0) return fail(Errc::kMalformedMedia);
  if (frame.count > 4) return fail(Errc::kUnsupportedMedia);
  for (std::uint32_t i = 0; i < frame.count; ++i) {
    JpegComponent& c = frame.components[i];
    c.id = u8(p, 6 + 3 * i);
    c.h = u8(p, 7 + 3 * i) >> 4;
    c.v = u8(p, 7 + 3 * i) & 15;
    c.quantizer = u8(p, 8 + 3 * i);
    if (c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4) return fail(Errc::kMalformedMedia);
  }
  return frame;
}

void JpegMetadata::look_at(const JpegSegment& segment) noexcept {
  if (is_jfif(segment)) jfif = true;
  if (segment.marker == marker::kApp1 && has(segment.payload, 0, kExif)) {
    orientation = exif_orientation(segment.payload.subspan(kExif.size()));
  }
  if (segment.marker == marker::kApp14 && segment.payload.size() >= 12 &&
      has(segment.payload, 0, kAdobe)) {
    adobe = true;
    adobe_transform = u8(segment.payload, 11);
  }
}

JpegColor guess_color(const JpegFrame& frame, const JpegMetadata& metadata) noexcept {
  if (frame.count == 1) return JpegColor::kGray;
  if (frame.count != 3) return JpegColor::kCmyk;
  if (metadata.jfif) return JpegColor::kYcc;
  if (metadata.adobe) return metadata.adobe_transform == 0 ? JpegColor::kRgb : JpegColor::kYcc;
  const auto& c = frame.components;
  const bool named_rgb = c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B';
  return named_rgb ? JpegColor::kRgb : JpegColor::kYcc;
}

bool is_jfif(const JpegSegment& segment) noexcept {
  return segment.marker == marker::kApp0 && segment.payload.size() >= 14 &&
         has(segment.payload, 0, kJfif);
}

bool is_icc(const JpegSegment& segment) noexcept {
  return segment.marker == marker::kApp2 && has(segment.payload, 0, kIcc);
}

bool survives_gray(const JpegSegment& segment, bool was_gray) noexcept {
  const std::uint8_t m = segment.marker;
  if (m == marker::kCom) return true;
  if (m < marker::kApp0 || m > marker::kApp15 || m == marker::kApp14) return false;
  if (m == marker::kApp0) return !has(segment.payload, 0, kJfif) && !has(segment.payload, 0, kJfxx);
  if (is_icc(segment)) return was_gray;
  return m != marker::kApp2 || !has(segment.payload, 0, kMultiPicture);
}

}  // namespace millrace::image
