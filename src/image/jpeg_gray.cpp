#include "image/jpeg_gray.hpp"

#include "image/jpeg_library.hpp"

namespace millrace::image {
namespace {

struct CoefficientWork {
  Bytes file;
  const ImageLimits& limits;
  CodecTrap& trap;
  JpegReader reader;
  JpegWriter writer;
};

bool luma_is_full(const jpeg_decompress_struct& c) noexcept {
  if (c.jpeg_color_space == JCS_GRAYSCALE) return c.num_components == 1;
  return c.jpeg_color_space == JCS_YCbCr && c.num_components == 3 &&
         c.comp_info[0].h_samp_factor == c.max_h_samp_factor &&
         c.comp_info[0].v_samp_factor == c.max_v_samp_factor;
}

void transcode(CoefficientWork& work) {
  jpeg_decompress_struct& from = work.reader.c;
  jpeg_compress_struct& to = work.writer.c;
  work.reader.open(work.file, work.limits);
  if (!luma_is_full(from)) work.trap.leave(Errc::kUnsupportedMedia);
  jvirt_barray_ptr* coefficients = jpeg_read_coefficients(&from);
  work.writer.create();
  jpeg_copy_critical_parameters(&from, &to);
  // jpeg_set_colorspace forgets which quantisation table is luma's.
  const int quantizer = to.comp_info[0].quant_tbl_no;
  jpeg_set_colorspace(&to, JCS_GRAYSCALE);
  to.comp_info[0].quant_tbl_no = quantizer;
  to.write_JFIF_header = from.saw_JFIF_marker;
  to.optimize_coding = TRUE;
  jpeg_write_coefficients(&to, coefficients);
  copy_metadata(from, to);
  jpeg_finish_compress(&to);
  jpeg_finish_decompress(&from);
}

/// What libjpeg converts itself, and cheapest.
J_COLOR_SPACE decoded_space(const jpeg_decompress_struct& c, GrayMethod method) noexcept {
  if (c.jpeg_color_space == JCS_CMYK || c.jpeg_color_space == JCS_YCCK) return JCS_CMYK;
  if (c.jpeg_color_space == JCS_GRAYSCALE || method == GrayMethod::kLuma) return JCS_GRAYSCALE;
  return JCS_RGB;
}

}  // namespace

Result<void> gray_coefficients(std::span<const std::byte> file, const ImageLimits& limits,
                               CodecTrap& trap, ImageBytes& out) {
  CoefficientWork work{file, limits, trap, JpegReader(trap), JpegWriter(trap, out)};
  return guarded(trap, transcode, work);
}

void decode_gray(JpegReader& reader, CodecTrap& trap, GrayMethod method, std::uint8_t* row,
                 RowSink& sink) {
  jpeg_decompress_struct& c = reader.c;
  c.out_color_space = decoded_space(c, method);
  jpeg_start_decompress(&c);
  const RowFormat format{.width = c.output_width, .height = c.output_height};
  sink.begin(format);
  while (c.output_scanline < c.output_height) {
    trap.leave_if_cancelled();
    JSAMPROW rows[] = {row};
    jpeg_read_scanlines(&c, rows, 1);
    if (c.out_color_space == JCS_CMYK) cmyk_to_rgb(c.saw_Adobe_marker, format.width, row);
    if (c.out_color_space != JCS_GRAYSCALE) to_gray(method, 3, 8, format.width, row, row);
    sink.row(row);
  }
  jpeg_finish_decompress(&c);
  sink.end();
}

}  // namespace millrace::image
