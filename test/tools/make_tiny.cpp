// make_tiny FOLDER: writes FOLDER/tiny.dnb, FOLDER/long.dnb (which trains for hours) and a small
// dataset FOLDER/data/fashion_mnist, so that a shell script can run the program without the
// compiler and without real data.
#include "runtime/base/File.h"
#include "test/runtime/support/TinyModel.h"

#include <fstream>

using namespace danaus;
using namespace danaus::test;

static std::string bigEndian(uint32_t value) {
  return {char(value >> 24), char(value >> 16), char(value >> 8), char(value)};
}

static void writePortion(const std::string &stem, const Dataset &data) {
  std::ofstream images(stem + "-images-idx3-ubyte", std::ios::binary);
  images << bigEndian(0x803) << bigEndian(uint32_t(data.count())) << bigEndian(28) << bigEndian(28);
  images.write(reinterpret_cast<const char *>(data.images.data()),
               std::streamsize(data.images.size()));
  std::ofstream labels(stem + "-labels-idx1-ubyte", std::ios::binary);
  labels << bigEndian(0x801) << bigEndian(uint32_t(data.count()));
  for (int32_t label : data.labels)
    labels << char(label);
}

int main(int argc, char **argv) {
  if (argc != 2)
    return 2;
  std::string folder = argv[1], data = joinPath(folder, "data/fashion_mnist");
  if (!makeFolders(data) || !writeTinyModel(joinPath(folder, "tiny.dnb"), tinyModel()) ||
      !writeTinyModel(joinPath(folder, "long.dnb"), tinyModel({.epochs = 1000000})))
    return 1;
  writePortion(joinPath(data, "train"), tinyDataset(93, 0));
  writePortion(joinPath(data, "t10k"), tinyDataset(29, 1));
  return 0;
}
