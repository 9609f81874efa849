// Makes JPEG and PNG files of every kind that the decoders must take, and folders of them.
#pragma once

#include "runtime/data/Image.h"

#include <string>
#include <vector>

namespace danaus::test {

/// Value (channel c, row y, column x) is a smooth function of all three, different for each seed.
Image gradientImage(ImageShape shape, uint32_t seed = 0);

enum class PngLayout { Sequential, Interlaced };

/// What stands in the file: `colourType` and `bits` as in the PNG specification (0 grey, 2 RGB,
/// 3 palette, 4 grey and alpha, 6 RGB and alpha).
struct PngOptions {
  int colourType = 2, bits = 8;
  PngLayout layout = PngLayout::Sequential;
  std::vector<uint8_t> palette; ///< red, green, blue; only of type 3
};
/// `samples`: row by row, pixel by pixel, one entry a sample of the file whatever its bits.
std::string encodePng(const std::vector<uint16_t> &samples, uint32_t height, uint32_t width,
                      const PngOptions &options);
/// Grey or RGB with 8 bits.
std::string encodePng(const Image &image);

enum class JpegColours { Grey, Rgb, Cmyk };
struct JpegOptions {
  JpegColours colours = JpegColours::Rgb;
  int quality = 95;
  bool progressive = false;
};
/// `samples`: row by row, pixel by pixel; 1, 3 or 4 a pixel.
std::string encodeJpeg(const std::vector<uint8_t> &samples, uint32_t height, uint32_t width,
                       const JpegOptions &options = {});
/// Grey or RGB.
std::string encodeJpeg(const Image &image);

/// An image folder with the classes "ant", "bee" and "cat": `train` and `test` images of each in
/// FOLDER/train and FOLDER/val, PNG and JPEG in turn, each of another size from 20 x 24 up.
void writeImageFolder(const std::string &folder, uint32_t train, uint32_t test);

} // namespace danaus::test
