// Makes small MNIST-like datasets: the content of IDX files, plain or compressed.
#pragma once

#include "test/runtime/support/TempFolder.h"

#include <cstdint>
#include <vector>
#include <zlib.h>

namespace danaus::test {

inline std::string bigEndian(uint32_t value) {
  return {char(value >> 24), char(value >> 16), char(value >> 8), char(value)};
}

inline std::string idxBytes(uint32_t magic, const std::vector<uint32_t> &dimensions,
                            const std::string &content) {
  std::string bytes = bigEndian(magic);
  for (uint32_t dimension : dimensions)
    bytes += bigEndian(dimension);
  return bytes + content;
}

/// Pixel j of image i is (7 i + j) mod 256.
inline std::string idxImages(uint32_t count, uint32_t height = 28, uint32_t width = 28) {
  std::string content;
  for (uint32_t image = 0; image < count; ++image)
    for (uint32_t pixel = 0; pixel < height * width; ++pixel)
      content += char(uint8_t(7 * image + pixel));
  return idxBytes(0x0803, {count, height, width}, content);
}

/// Label i is i mod 10.
inline std::string idxLabels(uint32_t count) {
  std::string content;
  for (uint32_t image = 0; image < count; ++image)
    content += char(image % 10);
  return idxBytes(0x0801, {count}, content);
}

inline void writeGz(const std::string &path, const std::string &content) {
  gzFile file = ::gzopen(path.c_str(), "wb");
  ASSERT_NE(file, nullptr);
  ASSERT_EQ(::gzwrite(file, content.data(), unsigned(content.size())), int(content.size()));
  ASSERT_EQ(::gzclose(file), Z_OK);
}

enum class Packing { Plain, Gzip };

inline void writePacked(const std::string &path, const std::string &content, Packing packing) {
  packing == Packing::Plain ? writeText(path, content) : writeGz(path + ".gz", content);
}

/// The four files of a dataset in an existing folder.
inline void writeMnist(const std::string &folder, uint32_t train, uint32_t test,
                       Packing packing = Packing::Gzip) {
  writePacked(joinPath(folder, "train-images-idx3-ubyte"), idxImages(train), packing);
  writePacked(joinPath(folder, "train-labels-idx1-ubyte"), idxLabels(train), packing);
  writePacked(joinPath(folder, "t10k-images-idx3-ubyte"), idxImages(test), packing);
  writePacked(joinPath(folder, "t10k-labels-idx1-ubyte"), idxLabels(test), packing);
}

} // namespace danaus::test
