#include "test_images.hpp"

#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include <jpeglib.h>
#include <png.h>

namespace millrace::image {
namespace {

struct Errors {
  jpeg_error_mgr manager;
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
};

void fail_with_text(j_common_ptr c) {
  auto* errors = reinterpret_cast<Errors*>(c->err);
  c->err->format_message(c, errors->message);
  std::longjmp(errors->jump, 1);
}

void warn(j_common_ptr c, int level) {
  if (level < 0) fail_with_text(c);
}

/// Runs `work` on an opened decompressor; no destructors within.
template <class Out>
void with_jpeg(std::span<const std::byte> jpeg, Out& out,
               void (*work)(jpeg_decompress_struct&, Out&)) {
  Errors errors{};
  jpeg_decompress_struct c{};
  c.err = jpeg_std_error(&errors.manager);
  errors.manager.error_exit = fail_with_text;
  errors.manager.emit_message = warn;
  const bool failed = setjmp(errors.jump) != 0;
  if (!failed) {
    jpeg_create_decompress(&c);
    jpeg_mem_src(&c, reinterpret_cast<const unsigned char*>(jpeg.data()), jpeg.size());
    jpeg_read_header(&c, TRUE);
    work(c, out);
    jpeg_finish_decompress(&c);
  }
  jpeg_destroy_decompress(&c);
  if (failed) throw std::runtime_error(errors.message);
}

void read_coefficients(jpeg_decompress_struct& c, Coefficients& out) {
  jvirt_barray_ptr* arrays = jpeg_read_coefficients(&c);
  const jpeg_component_info& luma = c.comp_info[0];
  out.columns = (c.image_width + 7) / 8;
  out.rows = (c.image_height + 7) / 8;
  out.components = c.num_components;
  out.progressive = c.progressive_mode != 0;
  for (const UINT16 q : luma.quant_table->quantval) out.quantizers.push_back(q);
  for (JDIMENSION y = 0; y < out.rows; ++y) {
    JBLOCKARRAY row =
        (*c.mem->access_virt_barray)(reinterpret_cast<j_common_ptr>(&c), arrays[0], y, 1, FALSE);
    for (JDIMENSION x = 0; x < out.columns; ++x) {
      out.values.insert(out.values.end(), row[0][x], row[0][x] + DCTSIZE2);
    }
  }
}

void read_pixels(jpeg_decompress_struct& c, Pixels& out) {
  c.out_color_space = JCS_GRAYSCALE;
  jpeg_start_decompress(&c);
  out.width = c.output_width;
  out.height = c.output_height;
  out.channels = 1;
  out.values.resize(std::size_t{out.width} * out.height);
  while (c.output_scanline < c.output_height) {
    JSAMPROW row = out.values.data() + std::size_t{c.output_scanline} * out.width;
    jpeg_read_scanlines(&c, &row, 1);
  }
}

}  // namespace

File read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path);
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

File load(std::string_view name) {
  const std::string folder =
      std::string(MILLRACE_TEST_IMAGES) + (name == "raccoon.jpg" ? "/" : "/small/");
  return read_file(folder + std::string(name));
}

std::vector<std::string> real_photographs() {
  std::vector<std::string> found;
  const std::filesystem::path folder = "/usr/share/backgrounds/mate";
  std::error_code ignored;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, ignored)) {
    if (entry.path().extension() == ".jpg") found.push_back(entry.path().string());
  }
  return found;
}

const std::vector<std::string>& all_jpegs() {
  static const std::vector<std::string> kNames = {"photo_420.jpg",
                                                  "photo_422.jpg",
                                                  "photo_440.jpg",
                                                  "photo_411.jpg",
                                                  "photo_444.jpg",
                                                  "photo_mixed.jpg",
                                                  "photo_q100.jpg",
                                                  "progressive_420.jpg",
                                                  "progressive_444.jpg",
                                                  "restart_420.jpg",
                                                  "gray.jpg",
                                                  "restart_progressive.jpg",
                                                  "metadata.jpg",
                                                  "gray_progressive.jpg",
                                                  "separate_scans.jpg",
                                                  "arithmetic.jpg",
                                                  "rgb.jpg",
                                                  "luma_subsampled.jpg",
                                                  "cmyk.jpg"};
  return kNames;
}

const std::vector<std::string>& all_pngs() {
  static const std::vector<std::string> kNames = {
      "rgb.png",        "rgb_interlaced.png", "palette.png", "palette_alpha.png", "rgba.png",
      "gray_alpha.png", "rgb16.png",          "gray16.png",  "gray1.png"};
  return kNames;
}

Coefficients coefficients(std::span<const std::byte> jpeg) {
  Coefficients out;
  with_jpeg(jpeg, out, read_coefficients);
  return out;
}

Pixels decode_jpeg(std::span<const std::byte> jpeg) {
  Pixels out;
  with_jpeg(jpeg, out, read_pixels);
  return out;
}

Pixels decode_png(std::span<const std::byte> png) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  if (png_image_begin_read_from_memory(&image, png.data(), png.size()) == 0) {
    throw std::runtime_error(image.message);
  }
  // Samples as they are stored: the simplified interface would convert 16 bits from linear light.
  image.format &= ~static_cast<png_uint_32>(PNG_FORMAT_FLAG_COLORMAP | PNG_FORMAT_FLAG_LINEAR);
  Pixels out{.width = image.width,
             .height = image.height,
             .channels = PNG_IMAGE_PIXEL_CHANNELS(image.format),
             .values = {}};
  out.values.resize(PNG_IMAGE_SIZE(image));
  if (png_image_finish_read(&image, nullptr, out.values.data(), 0, nullptr) == 0) {
    const std::string message = image.message;
    png_image_free(&image);
    throw std::runtime_error(message);
  }
  return out;
}

double difference(const Pixels& a, const Pixels& b) {
  if (a.values.size() != b.values.size() || a.values.empty()) return 255;
  double sum = 0;
  for (std::size_t i = 0; i < a.values.size(); ++i) sum += std::abs(a.values[i] - b.values[i]);
  return sum / static_cast<double>(a.values.size());
}

}  // namespace millrace::image
