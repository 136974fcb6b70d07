#include "image/jpeg_gray_lossless.hpp"

#include "image/jpeg_gray_scan.hpp"
#include "image/jpeg_huffman.hpp"
#include "image/jpeg_markers.hpp"

#include <initializer_list>

namespace millrace::image {
namespace {

/// The header of a scan (T.81 B.2.3).
struct ScanHeader {
  std::uint32_t count = 0;
  std::array<std::uint8_t, 4> component{};  ///< index into the frame's
  std::array<std::uint8_t, 4> dc{};
  std::array<std::uint8_t, 4> ac{};
  std::uint8_t first = 0;  ///< spectral selection
  std::uint8_t last = 63;
  std::uint8_t high = 0;  ///< successive approximation
  std::uint8_t low = 0;
  std::uint32_t luma = 4;  ///< position of component 0; 4: it is not in this scan

  [[nodiscard]] bool has_luma() const noexcept { return luma < count; }
};

Result<ScanHeader> parse_scan(Bytes p, const JpegFrame& frame) {
  ScanHeader s;
  if (p.empty() || u8(p, 0) < 1 || u8(p, 0) > frame.count) return fail(Errc::kMalformedMedia);
  s.count = u8(p, 0);
  if (p.size() != 4 + 2 * s.count) return fail(Errc::kMalformedMedia);
  std::uint32_t seen = 0;
  for (std::uint32_t i = 0; i < s.count; ++i) {
    std::uint8_t index = 0;
    while (index < frame.count && frame.components[index].id != u8(p, 1 + 2 * i)) ++index;
    if (index == frame.count || (seen >> index & 1) != 0) return fail(Errc::kMalformedMedia);
    seen |= 1u << index;
    s.component[i] = index;
    s.dc[i] = u8(p, 2 + 2 * i) >> 4;
    s.ac[i] = u8(p, 2 + 2 * i) & 15;
    if (s.dc[i] > 3 || s.ac[i] > 3) return fail(Errc::kMalformedMedia);
    if (index == 0) s.luma = i;
  }
  const std::size_t tail = 1 + 2 * s.count;
  s.first = u8(p, tail);
  s.last = u8(p, tail + 1);
  s.high = u8(p, tail + 2) >> 4;
  s.low = u8(p, tail + 2) & 15;
  if (s.first > s.last || s.last > 63) return fail(Errc::kMalformedMedia);
  return s;
}

class Transcoder {
 public:
  Transcoder(Bytes file, const ImageLimits& limits, CancelCheck cancel)
      : file_(file), cursor_(file), limits_(limits), cancel_(cancel) {}

  Result<ImageBytes> run();
  /// The file ended before its end marker.
  [[nodiscard]] bool cut_off() const noexcept { return cut_off_; }

 private:
  std::unexpected<Error> cut_off_here() noexcept {
    cut_off_ = true;
    return fail(Errc::kMalformedMedia);
  }
  Result<void> segment(const JpegSegment& s);
  Result<void> quantizers(Bytes payload);
  Result<void> frame(const JpegSegment& s);
  Result<void> scan(Bytes header);
  Result<void> luma_scan(const ScanHeader& s, Bytes data);
  Result<void> begin_file();
  void put_metadata();
  [[nodiscard]] bool copies_whole(const ScanHeader& s) const;
  Result<ScanPlan> plan(const ScanHeader& s) const;
  void tables_for(const ScanHeader& s, bool copied);
  void scan_header(const ScanHeader& s);

  // Writing; out of memory is remembered and told at the end.
  void put(Bytes bytes) { full_ = !out_.append(bytes) || full_; }
  void put(std::initializer_list<unsigned> bytes) {
    for (const unsigned b : bytes) {
      const std::byte one{static_cast<unsigned char>(b)};
      put(Bytes(&one, 1));
    }
  }
  void put_segment(std::uint8_t marker, Bytes payload) {
    const std::size_t length = payload.size() + 2;
    put({0xFF, marker, static_cast<unsigned>(length >> 8), static_cast<unsigned>(length & 255)});
    put(payload);
  }
  void put_table(unsigned kind, const HuffmanSpec& spec, HuffmanSpec& written);
  void put_restart_interval(std::uint32_t interval);

  Bytes file_;
  JpegCursor cursor_;
  const ImageLimits& limits_;
  CancelCheck cancel_;

  // Read so far.
  JpegFrame frame_;
  JpegMetadata metadata_;
  Bytes jfif_;
  std::array<Bytes, 4> quantizers_;  ///< each with its leading precision-and-slot byte
  HuffmanSlots huffman_;
  std::uint32_t restart_interval_ = 0;
  std::uint32_t scans_ = 0;

  // Written so far.
  ImageBytes out_;
  bool begun_ = false;
  bool luma_done_ = false;  ///< the DC of a progressive file, everything of a sequential one
  bool full_ = false;
  bool cut_off_ = false;
  HuffmanSpec written_dc_;
  HuffmanSpec written_ac_;
  std::uint32_t written_interval_ = 0;
};

Result<ImageBytes> Transcoder::run() {
  for (;;) {
    const std::optional<JpegSegment> s = cursor_.next();
    if (!s) return cut_off_here();
    if (cursor_.irregular()) return fail(Errc::kUnsupportedMedia);
    if (s->marker == marker::kEoi) break;
    if (const auto done = segment(*s); !done) return fail(done.error());
    if (cancel_.cancelled()) return fail(Errc::kCancelled);
    if (full_) return fail(Errc::kOutOfMemory);
  }
  if (!luma_done_) return fail(Errc::kMalformedMedia);
  put({0xFF, marker::kEoi});
  if (full_) return fail(Errc::kOutOfMemory);
  return std::move(out_);
}

Result<void> Transcoder::segment(const JpegSegment& s) {
  if (is_frame(s.marker)) return frame(s);
  switch (s.marker) {
    case marker::kDqt:
      return quantizers(s.payload);
    case marker::kDht:
      return huffman_.define(s.payload);
    case marker::kSos:
      return scan(s.payload);
    case marker::kDri:
      if (s.payload.size() != 2) return fail(Errc::kMalformedMedia);
      restart_interval_ = big16(s.payload, 0);
      return {};
    default:
      break;
  }
  const bool application = s.marker >= marker::kApp0 && s.marker <= marker::kApp15;
  if (!application && s.marker != marker::kCom) return fail(Errc::kUnsupportedMedia);
  // Behind the first scan nothing is expected that a reader of metadata would look for.
  if (begun_) return {};
  metadata_.look_at(s);
  if (is_jfif(s)) jfif_ = s.payload;
  return {};
}

Result<void> Transcoder::quantizers(Bytes p) {
  while (!p.empty()) {
    const unsigned slot = u8(p, 0) & 15;
    const unsigned precision = u8(p, 0) >> 4;
    const std::size_t size = precision == 0 ? 65 : 129;
    if (slot > 3 || precision > 1 || p.size() < size) return fail(Errc::kMalformedMedia);
    quantizers_[slot] = p.first(size);
    p = p.subspan(size);
  }
  return {};
}

Result<void> Transcoder::frame(const JpegSegment& s) {
  if (frame_.count != 0) return fail(Errc::kUnsupportedMedia);
  const Result<JpegFrame> parsed = parse_frame(s);
  if (!parsed) return fail(parsed.error());
  const bool known =
      s.marker == marker::kSof0 || s.marker == marker::kSof1 || s.marker == marker::kSof2;
  if (!known || parsed->precision != 8 || !parsed->first_full())
    return fail(Errc::kUnsupportedMedia);
  frame_ = *parsed;
  return {};
}

Result<void> Transcoder::scan(Bytes payload) {
  if (frame_.count == 0) return fail(Errc::kMalformedMedia);
  if (++scans_ > limits_.scans_max) return fail(Errc::kMediaTooLarge);
  const JpegColor color = guess_color(frame_, metadata_);
  if (color != JpegColor::kYcc && color != JpegColor::kGray) return fail(Errc::kUnsupportedMedia);
  const Result<ScanHeader> header = parse_scan(payload, frame_);
  if (!header) return fail(header.error());
  const Bytes data = cursor_.entropy();
  if (data.data() + data.size() == file_.data() + file_.size()) return cut_off_here();
  if (data.empty()) return fail(Errc::kMalformedMedia);
  if (!header->has_luma()) return {};
  return luma_scan(*header, data);
}

Result<void> Transcoder::luma_scan(const ScanHeader& s, Bytes data) {
  const bool progressive = is_progressive(frame_.marker);
  const bool opens = progressive ? s.first == 0 && s.high == 0 : true;
  // Twice opened, or refined before it was: decoders have opinions about that.
  if (opens == luma_done_) return fail(Errc::kUnsupportedMedia);
  if (!begun_) {
    if (const auto begun = begin_file(); !begun) return begun;
  }
  if (copies_whole(s)) {
    const bool needs_dc = s.first == 0 && s.high == 0;
    if (needs_dc && huffman_.dc[s.dc[0]].size == 0) return fail(Errc::kMalformedMedia);
    if (s.last > 0 && huffman_.ac[s.ac[0]].size == 0) return fail(Errc::kMalformedMedia);
    put_restart_interval(restart_interval_);
    tables_for(s, true);
    scan_header(s);
    put(data);
    luma_done_ = true;
    return {};
  }
  const Result<ScanPlan> planned = plan(s);
  if (!planned) return fail(planned.error());
  put_restart_interval(0);
  tables_for(s, false);
  scan_header(s);
  luma_done_ = true;
  if (full_) return fail(Errc::kOutOfMemory);
  return rewrite_scan(*planned, data, cancel_, out_);
}

/// Sequential scans are rewritten even when they hold nothing but luma: walking them finds damage.
bool Transcoder::copies_whole(const ScanHeader& s) const {
  return is_progressive(frame_.marker) && s.count == 1;
}

Result<ScanPlan> Transcoder::plan(const ScanHeader& s) const {
  ScanPlan p;
  if (!is_progressive(frame_.marker)) {
    if (s.first != 0 || s.last != 63 || s.high != 0 || s.low != 0)
      return fail(Errc::kUnsupportedMedia);
  } else {
    // Only DC scans may be interleaved (T.81 G.1.1.1.1).
    if (s.first != 0 || s.last != 0) return fail(Errc::kMalformedMedia);
    p.kind = s.high == 0 ? ScanKind::kDcFirst : ScanKind::kDcRefine;
  }
  p.count = s.count;
  p.luma = s.luma;
  p.restart_interval = restart_interval_;
  p.columns = (frame_.width + 7) / 8;
  p.rows = (frame_.height + 7) / 8;
  std::uint32_t blocks = 0;
  for (std::uint32_t i = 0; i < s.count; ++i) {
    const JpegComponent& c = frame_.components[s.component[i]];
    ScanComponent& to = p.components[i];
    // A scan of one component is not interleaved: an MCU is one block (T.81 A.2.2).
    to.blocks_h = s.count == 1 ? 1 : c.h;
    to.blocks_v = s.count == 1 ? 1 : c.v;
    to.dc = &huffman_.dc[s.dc[i]];
    to.ac = &huffman_.ac[s.ac[i]];
    blocks += to.blocks_h * to.blocks_v;
  }
  if (blocks > kMcuBlocksMax) return fail(Errc::kMalformedMedia);
  return p;
}

Result<void> Transcoder::begin_file() {
  const JpegComponent& luma = frame_.components[0];
  if (luma.quantizer > 3 || quantizers_[luma.quantizer].empty()) return fail(Errc::kMalformedMedia);
  begun_ = true;
  // The output is smaller than the input but for a strange case or two, which grow it.
  if (!out_.make_room(file_.size())) return fail(Errc::kOutOfMemory);
  put({0xFF, marker::kSoi});
  if (!jfif_.empty()) {
    // Version and density are the input's; a thumbnail would be in colour.
    put({0xFF, marker::kApp0, 0, 16});
    put(jfif_.first(12));
    put({0, 0});
  }
  put_metadata();
  const Bytes quantizer = quantizers_[luma.quantizer];
  put({0xFF, marker::kDqt, 0, static_cast<unsigned>(quantizer.size() + 2),
       u8(quantizer, 0) & 0xF0u});
  put(quantizer.subspan(1));
  put({0xFF, frame_.marker, 0, 11, 8, frame_.height >> 8, frame_.height & 255, frame_.width >> 8,
       frame_.width & 255, 1, 1, 0x11, 0});
  return {};
}

/// What lies before the first scan and stays true.
void Transcoder::put_metadata() {
  JpegCursor cursor(file_);
  for (auto s = cursor.next(); s && s->marker != marker::kSos; s = cursor.next()) {
    if (survives_gray(*s, frame_.count == 1)) put_segment(s->marker, s->payload);
  }
}

void Transcoder::tables_for(const ScanHeader& s, bool copied) {
  if (s.first == 0 && s.high == 0) {
    put_table(0, copied ? huffman_.dc[s.dc[s.luma]] : standard_dc(), written_dc_);
  }
  if (s.last > 0) put_table(1, huffman_.ac[s.ac[s.luma]], written_ac_);
}

void Transcoder::scan_header(const ScanHeader& s) {
  put({0xFF, marker::kSos, 0, 8, 1, 1, 0, s.first, s.last, s.high * 16u + s.low});
}

void Transcoder::put_table(unsigned kind, const HuffmanSpec& spec, HuffmanSpec& written) {
  if (spec == written) return;
  const unsigned length = 2 + 1 + 16 + spec.size;
  put({0xFF, marker::kDht, length >> 8, length & 255, kind << 4});
  put(std::as_bytes(std::span(spec.counts)));
  put(std::as_bytes(std::span(spec.symbols).first(spec.size)));
  written = spec;
}

void Transcoder::put_restart_interval(std::uint32_t interval) {
  if (interval == written_interval_) return;
  put({0xFF, marker::kDri, 0, 4, interval >> 8, interval & 255});
  written_interval_ = interval;
}

}  // namespace

Result<ImageBytes> gray_lossless(std::span<const std::byte> file, const ImageLimits& limits,
                                 CancelCheck cancel) {
  Transcoder transcoder(file, limits, cancel);
  Result<ImageBytes> gray = transcoder.run();
  if (gray || !gray.error().is(Errc::kMalformedMedia) || transcoder.cut_off()) return gray;
  return fail(Errc::kUnsupportedMedia);
}

}  // namespace millrace::image
