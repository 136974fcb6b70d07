#include "image/png_library.hpp"

#include <cstring>

namespace millrace::image {
namespace {

/// What one zTXt, iTXt or iCCP chunk may expand to, and how many of such chunks are looked at.
constexpr png_alloc_size_t kChunkBytesMax = 4 * 1024 * 1024;
constexpr png_uint_32 kChunksMax = 128;

[[noreturn]] void on_error(png_structp png, png_const_charp message) {
  auto& trap = *static_cast<CodecTrap*>(png_get_error_ptr(png));
  // libpng has texts only.
  const bool memory = std::strstr(message, "emory") != nullptr;
  trap.leave(memory ? Errc::kOutOfMemory : Errc::kMalformedMedia);
}

void on_warning(png_structp, png_const_charp) {}

void on_row(png_structp png, png_uint_32, int) {
  static_cast<CodecTrap*>(png_get_error_ptr(png))->leave_if_cancelled();
}

}  // namespace

void PngReader::open(Bytes file, const ImageLimits& limits) {
  left_ = file;
  png = png_create_read_struct(PNG_LIBPNG_VER_STRING, trap_, on_error, on_warning);
  if (png == nullptr) trap_->leave(Errc::kOutOfMemory);
  info = png_create_info_struct(png);
  if (info == nullptr) trap_->leave(Errc::kOutOfMemory);
  png_set_read_fn(png, &left_, read);
  png_set_read_status_fn(png, on_row);
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_chunk_malloc_max(png, kChunkBytesMax);
  png_set_chunk_cache_max(png, kChunksMax);
  png_read_info(png, info);
  const std::uint64_t width = png_get_image_width(png, info);
  if (width * png_get_image_height(png, info) > limits.pixels_max)
    trap_->leave(Errc::kMediaTooLarge);
}

void PngReader::read(png_structp png, png_bytep to, std::size_t size) {
  Bytes& left = *static_cast<Bytes*>(png_get_io_ptr(png));
  if (size > left.size()) png_error(png, "cut off");
  std::memcpy(to, left.data(), size);
  left = left.subspan(size);
}

PngAncillary PngReader::ancillary() const {
  PngAncillary a;
  a.has_gamma = png_get_gAMA_fixed(png, info, &a.gamma) != 0;
  if (png_get_sRGB(png, info, &a.srgb_intent) == 0) a.srgb_intent = -1;
  a.has_density = png_get_pHYs(png, info, &a.density_x, &a.density_y, &a.density_unit) != 0;
  png_get_text(png, info, &a.text, &a.text_count);
  return a;
}

Bytes PngReader::exif() const {
  png_uint_32 size = 0;
  png_bytep bytes = nullptr;
  if (png_get_eXIf_1(png, info, &size, &bytes) == 0) return {};
  return {reinterpret_cast<const std::byte*>(bytes), size};
}

void PngWriter::create() {
  png = png_create_write_struct(PNG_LIBPNG_VER_STRING, trap_, on_error, on_warning);
  if (png == nullptr) trap_->leave(Errc::kOutOfMemory);
  info = png_create_info_struct(png);
  if (info == nullptr) trap_->leave(Errc::kOutOfMemory);
  png_set_write_fn(png, this, write, nullptr);
  png_set_write_status_fn(png, on_row);
}

void PngWriter::write(png_structp png, png_bytep bytes, std::size_t size) {
  auto& self = *static_cast<PngWriter*>(png_get_io_ptr(png));
  const Bytes view(reinterpret_cast<const std::byte*>(bytes), size);
  if (!self.out_->append(view)) self.trap_->leave(Errc::kOutOfMemory);
}

}  // namespace millrace::image
