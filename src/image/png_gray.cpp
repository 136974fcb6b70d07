#include "image/png_gray.hpp"

namespace millrace::image {
namespace {

struct Decoding {
  RowFormat out;
  std::uint32_t channels = 1;  ///< of libpng's rows
  std::size_t row_bytes = 0;
  bool interlaced = false;
};

Decoding set_transforms(PngReader& reader, bool keep_depth) {
  png_structp png = reader.png;
  png_infop info = reader.info;
  const int color = png_get_color_type(png, info);
  const bool transparent = png_get_valid(png, info, PNG_INFO_tRNS) != 0;
  if (color == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  if (transparent) png_set_tRNS_to_alpha(png);
  if (color == PNG_COLOR_TYPE_GRAY && (transparent || !keep_depth))
    png_set_expand_gray_1_2_4_to_8(png);
  Decoding d;
  d.interlaced = png_set_interlace_handling(png) > 1;
  png_read_update_info(png, info);
  d.channels = png_get_channels(png, info);
  d.row_bytes = png_get_rowbytes(png, info);
  d.out = {.width = png_get_image_width(png, info),
           .height = png_get_image_height(png, info),
           .bits = png_get_bit_depth(png, info),
           .alpha = d.channels == 2 || d.channels == 4};
  return d;
}

/// Gray rows are passed on as they are, the others converted in place.
void emit(const Decoding& d, GrayMethod method, std::uint8_t* row, RowSink& sink) {
  if (d.channels >= 3) to_gray(method, d.channels, d.out.bits, d.out.width, row, row);
  sink.row(row);
}

}  // namespace

void decode_gray(PngReader& reader, CodecTrap& trap, GrayMethod method, bool keep_depth,
                 ImageBytes& held, RowSink& sink) {
  const Decoding d = set_transforms(reader, keep_depth);
  // pixels_max was checked: no overflow.
  const std::size_t rows_held = d.interlaced ? d.out.height : 1;
  if (!held.make_room(d.row_bytes * rows_held)) trap.leave(Errc::kOutOfMemory);
  auto* const rows = reinterpret_cast<std::uint8_t*>(held.data());
  const int passes = d.interlaced ? PNG_INTERLACE_ADAM7_PASSES : 1;
  for (int pass = 0; pass + 1 < passes; ++pass) {
    for (std::size_t y = 0; y < d.out.height; ++y)
      png_read_row(reader.png, rows + y * d.row_bytes, nullptr);
  }
  sink.begin(d.out);
  for (std::size_t y = 0; y < d.out.height; ++y) {
    std::uint8_t* const row = rows + (d.interlaced ? y * d.row_bytes : 0);
    png_read_row(reader.png, row, nullptr);
    emit(d, method, row, sink);
  }
  png_read_end(reader.png, nullptr);
  sink.end();
}

}  // namespace millrace::image
