// danaus-make-data: small synthetic datasets and images for shell tests.
//   danaus-make-data mnist|cifar10|image_folder|npy FOLDER TRAIN TEST
//     image_folder: images a class; cifar10: TRAIN images in each of the five batches
//   danaus-make-data png|jpeg FILE CHANNELS HEIGHT WIDTH
#include "test/runtime/support/CifarFiles.h"
#include "test/runtime/support/IdxFiles.h"
#include "test/runtime/support/ImageFiles.h"
#include "test/runtime/support/NpyFiles.h"

using namespace danaus;
using namespace danaus::test;

static uint32_t number(const std::string &text) { return uint32_t(std::stoul(text)); }

static int usage() {
  std::fputs("usage: danaus-make-data mnist|cifar10|image_folder|npy FOLDER TRAIN TEST\n"
             "       danaus-make-data png|jpeg FILE CHANNELS HEIGHT WIDTH\n",
             stderr);
  return 2;
}

static int makeImage(const std::vector<std::string> &words) {
  if (words.size() != 5)
    return usage();
  Image image = gradientImage({number(words[2]), number(words[3]), number(words[4])});
  writeText(words[1], words[0] == "png" ? encodePng(image) : encodeJpeg(image));
  return pathExists(words[1]) ? 0 : 1;
}

int main(int argc, char **argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  if (!words.empty() && (words[0] == "png" || words[0] == "jpeg"))
    return makeImage(words);
  if (words.size() != 4)
    return usage();
  auto [train, test] = std::pair{number(words[2]), number(words[3])};
  if (!makeFolders(words[1]))
    return 1;
  if (words[0] == "mnist")
    writeMnist(words[1], train, test);
  else if (words[0] == "cifar10")
    writeCifar10(words[1], train, test);
  else if (words[0] == "image_folder")
    writeImageFolder(words[1], train, test);
  else if (words[0] == "npy")
    writeNpy(words[1], train, test);
  else
    return usage();
  return 0;
}
