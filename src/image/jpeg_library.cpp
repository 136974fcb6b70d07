#include "image/jpeg_library.hpp"

#include "image/jpeg_markers.hpp"

#include <algorithm>
#include <cstddef>

#include <jerror.h>

namespace millrace::image {
namespace {

constexpr std::size_t kOutputStepBytes = 64 * 1024;

Errc meaning(int code) noexcept {
  switch (code) {
    case JERR_OUT_OF_MEMORY:
    case JERR_NO_BACKING_STORE:
      return Errc::kOutOfMemory;
    case JERR_IMAGE_TOO_BIG:
      return Errc::kMediaTooLarge;
    case JERR_ARITH_NOTIMPL:
    case JERR_BAD_J_COLORSPACE:
    case JERR_BAD_PRECISION:
    case JERR_CCIR601_NOTIMPL:
    case JERR_COMPONENT_COUNT:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_NOT_COMPILED:
    case JERR_SOF_UNSUPPORTED:
      return Errc::kUnsupportedMedia;
    default:
      return Errc::kMalformedMedia;
  }
}

/// Parts of the picture are missing or wrong; libjpeg would paint them gray and carry on.
bool is_damage(int code) noexcept {
  switch (code) {
    case JWRN_ARITH_BAD_CODE:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_JPEG_EOF:
    case JWRN_MUST_RESYNC:
    case JWRN_NOT_SEQUENTIAL:
      return true;
    default:
      return false;
  }
}

CodecTrap& trap_of(j_common_ptr c) noexcept {
  return *reinterpret_cast<JpegErrors*>(c->err)->trap;
}

void on_error(j_common_ptr c) {
  trap_of(c).leave(meaning(c->err->msg_code));
}

void on_message(j_common_ptr c, int level) {
  if (level >= 0) return;
  CodecTrap& trap = trap_of(c);
  if (is_damage(c->err->msg_code) || trap.warnings_left == 0) trap.leave(Errc::kMalformedMedia);
  --trap.warnings_left;
}

void say_nothing(j_common_ptr) {}

void on_progress(j_common_ptr c) {
  const auto& progress = *reinterpret_cast<JpegProgress*>(c->progress);
  progress.trap->leave_if_cancelled();
  if (!c->is_decompressor) return;
  const auto scans =
      static_cast<std::uint32_t>(reinterpret_cast<j_decompress_ptr>(c)->input_scan_number);
  if (scans > progress.scans_max) progress.trap->leave(Errc::kMediaTooLarge);
}

jpeg_error_mgr* set_up(JpegErrors& errors, CodecTrap* trap) {
  jpeg_error_mgr* manager = jpeg_std_error(&errors.manager);
  manager->error_exit = on_error;
  manager->emit_message = on_message;
  manager->output_message = say_nothing;
  errors.trap = trap;
  return manager;
}

jpeg_progress_mgr* set_up(JpegProgress& progress, CodecTrap* trap, std::uint32_t scans_max) {
  progress.manager.progress_monitor = on_progress;
  progress.trap = trap;
  progress.scans_max = scans_max;
  return &progress.manager;
}

/// By libjpeg's own reading of the header, which is the one that allocates.
std::uint64_t coefficient_bytes(const jpeg_decompress_struct& c) noexcept {
  std::uint64_t blocks = 0;
  for (int i = 0; i < c.num_components; ++i) {
    const jpeg_component_info& part = c.comp_info[i];
    blocks +=
        (std::uint64_t{part.width_in_blocks} + 3) * (std::uint64_t{part.height_in_blocks} + 3);
  }
  return blocks * sizeof(JBLOCK);
}

}  // namespace

void JpegReader::open(Bytes file, const ImageLimits& limits) {
  c.err = set_up(errors_, trap_);
  jpeg_create_decompress(&c);
  c.progress = set_up(progress_, trap_, limits.scans_max);
  jpeg_mem_src(&c, reinterpret_cast<const unsigned char*>(file.data()),
               static_cast<unsigned long>(file.size()));
  for (int m = 0; m < 16; ++m) jpeg_save_markers(&c, JPEG_APP0 + m, 0xFFFF);
  jpeg_save_markers(&c, JPEG_COM, 0xFFFF);
  jpeg_read_header(&c, TRUE);
  const std::uint64_t pixels = std::uint64_t{c.image_width} * c.image_height;
  if (pixels > limits.pixels_max || coefficient_bytes(c) > limits.memory_bytes_max) {
    trap_->leave(Errc::kMediaTooLarge);
  }
}

void JpegWriter::create() {
  c.err = set_up(errors_, trap_);
  jpeg_create_compress(&c);
  c.progress = set_up(progress_, trap_, 0);
  destination_.manager.init_destination = start;
  destination_.manager.empty_output_buffer = grow;
  destination_.manager.term_destination = finish;
  destination_.trap = trap_;
  destination_.out = out_;
  c.dest = &destination_.manager;
}

void JpegWriter::start(j_compress_ptr c) {
  auto& d = *reinterpret_cast<Destination*>(c->dest);
  if (!d.out->make_room(kOutputStepBytes)) d.trap->leave(Errc::kOutOfMemory);
  d.manager.next_output_byte = reinterpret_cast<JOCTET*>(d.out->data() + d.out->size());
  d.manager.free_in_buffer = d.out->capacity() - d.out->size();
}

boolean JpegWriter::grow(j_compress_ptr c) {
  auto& d = *reinterpret_cast<Destination*>(c->dest);
  // By libjpeg's rules the whole buffer is full now, whatever the two fields say.
  d.out->commit(d.out->capacity() - d.out->size());
  start(c);
  return TRUE;
}

void JpegWriter::finish(j_compress_ptr c) {
  auto& d = *reinterpret_cast<Destination*>(c->dest);
  d.out->commit(d.out->capacity() - d.out->size() - d.manager.free_in_buffer);
}

void copy_metadata(jpeg_decompress_struct& from, jpeg_compress_struct& to) {
  const bool was_gray = from.jpeg_color_space == JCS_GRAYSCALE;
  for (const jpeg_marker_struct* m = from.marker_list; m != nullptr; m = m->next) {
    const Bytes payload(reinterpret_cast<const std::byte*>(m->data), m->data_length);
    if (!survives_gray({m->marker, payload}, was_gray)) continue;
    jpeg_write_marker(&to, m->marker, m->data, m->data_length);
  }
}

}  // namespace millrace::image
