// See ImageFiles.h. Errors of the libraries end the program: these are tests.
#include "test/runtime/support/ImageFiles.h"

#include "runtime/base/File.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <jpeglib.h>
#include <png.h>

namespace danaus::test {

Image gradientImage(ImageShape shape, uint32_t seed) {
  Image image{shape, std::vector<uint8_t>(shape.pixels())};
  size_t at = 0;
  for (uint32_t channel = 0; channel < shape.channels; ++channel)
    for (uint32_t row = 0; row < shape.height; ++row)
      for (uint32_t column = 0; column < shape.width; ++column)
        image.pixels[at++] = uint8_t((40 * channel + 3 * row + 2 * column + 31 * seed) % 256);
  return image;
}

template <typename Sample> static std::vector<Sample> interleaved(const Image &image) {
  std::vector<Sample> samples;
  size_t plane = size_t(image.shape.height) * image.shape.width;
  for (size_t pixel = 0; pixel < plane; ++pixel)
    for (uint32_t channel = 0; channel < image.shape.channels; ++channel)
      samples.push_back(image.pixels[channel * plane + pixel]);
  return samples;
}

static void append(png_structp state, png_bytep bytes, size_t size) {
  static_cast<std::string *>(png_get_io_ptr(state))
      ->append(reinterpret_cast<const char *>(bytes), size);
}

static std::vector<uint8_t> packedRow(const uint16_t *samples, size_t count, int bits) {
  std::vector<uint8_t> row((count * size_t(bits) + 7) / 8);
  for (size_t index = 0; index < count; ++index) {
    if (bits == 16) {
      row[2 * index] = uint8_t(samples[index] >> 8);
      row[2 * index + 1] = uint8_t(samples[index]);
    } else {
      size_t bit = index * size_t(bits);
      row[bit / 8] |= uint8_t(samples[index] << (8 - bits - int(bit % 8)));
    }
  }
  return row;
}

std::string encodePng(const std::vector<uint16_t> &samples, uint32_t height, uint32_t width,
                      const PngOptions &options) {
  std::string bytes;
  png_structp state = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(state);
  if (setjmp(png_jmpbuf(state)))
    std::abort();
  png_set_write_fn(state, &bytes, append, nullptr);
  png_set_IHDR(state, info, width, height, options.bits, options.colourType,
               options.layout == PngLayout::Interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (options.colourType == PNG_COLOR_TYPE_PALETTE)
    png_set_PLTE(state, info, reinterpret_cast<png_const_colorp>(options.palette.data()),
                 int(options.palette.size() / 3));
  png_write_info(state, info);
  size_t perRow = samples.size() / height;
  std::vector<std::vector<uint8_t>> rows;
  std::vector<png_bytep> pointers;
  for (size_t row = 0; row < height; ++row)
    rows.push_back(packedRow(samples.data() + row * perRow, perRow, options.bits));
  for (std::vector<uint8_t> &row : rows)
    pointers.push_back(row.data());
  png_write_image(state, pointers.data());
  png_write_end(state, info);
  png_destroy_write_struct(&state, &info);
  return bytes;
}

std::string encodePng(const Image &image) {
  PngOptions options;
  options.colourType = image.shape.channels == 1 ? 0 : 2;
  return encodePng(interleaved<uint16_t>(image), image.shape.height, image.shape.width, options);
}

std::string encodeJpeg(const std::vector<uint8_t> &samples, uint32_t height, uint32_t width,
                       const JpegOptions &options) {
  jpeg_error_mgr errors;
  jpeg_compress_struct state;
  state.err = jpeg_std_error(&errors);
  jpeg_create_compress(&state);
  unsigned char *buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&state, &buffer, &size);
  state.image_width = width;
  state.image_height = height;
  bool grey = options.colours == JpegColours::Grey, cmyk = options.colours == JpegColours::Cmyk;
  state.input_components = grey ? 1 : cmyk ? 4 : 3;
  state.in_color_space = grey ? JCS_GRAYSCALE : cmyk ? JCS_CMYK : JCS_RGB;
  jpeg_set_defaults(&state);
  jpeg_set_quality(&state, options.quality, TRUE);
  if (options.progressive)
    jpeg_simple_progression(&state);
  jpeg_start_compress(&state, TRUE);
  size_t perRow = size_t(width) * size_t(state.input_components);
  while (state.next_scanline < height) {
    JSAMPROW row = const_cast<JSAMPROW>(samples.data()) + state.next_scanline * perRow;
    jpeg_write_scanlines(&state, &row, 1);
  }
  jpeg_finish_compress(&state);
  std::string bytes(reinterpret_cast<char *>(buffer), size);
  jpeg_destroy_compress(&state);
  std::free(buffer);
  return bytes;
}

std::string encodeJpeg(const Image &image) {
  JpegOptions options;
  options.colours = image.shape.channels == 1 ? JpegColours::Grey : JpegColours::Rgb;
  return encodeJpeg(interleaved<uint8_t>(image), image.shape.height, image.shape.width, options);
}

void writeImageFolder(const std::string &folder, uint32_t train, uint32_t test) {
  uint32_t number = 0;
  for (const char *portion : {"train", "val"})
    for (const char *name : {"ant", "bee", "cat"}) {
      std::string path = joinPath(joinPath(folder, portion), name);
      if (!makeFolders(path))
        std::abort();
      uint32_t count = std::string(portion) == "train" ? train : test;
      for (uint32_t index = 0; index < count; ++index, ++number) {
        Image image = gradientImage({3, 20 + number % 5, 24 + number % 7}, number);
        bool png = index % 2 == 0;
        std::string file = joinPath(path, std::to_string(index) + (png ? ".png" : ".jpg"));
        std::ofstream(file, std::ios::binary) << (png ? encodePng(image) : encodeJpeg(image));
      }
    }
}

} // namespace danaus::test
