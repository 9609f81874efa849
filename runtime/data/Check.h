// Looks at a whole dataset before a training does: recognises what is in a folder, counts, decodes
// every image of a folder (on several threads) and compares with the published set. Prints nothing.
#pragma once

#include "runtime/data/formats/Published.h"

#include <functional>

namespace danaus {

struct DamagedImage {
  size_t index = 0;    ///< in the dataset
  std::string message; ///< names the file
};

struct PortionCheck {
  Portion portion = Portion::Train;
  /// Why the portion cannot be read at all; then the rest is empty.
  std::string problem;
  size_t images = 0;
  std::vector<size_t> perClass;
  /// Of the images that could be decoded; equal where all images have one shape.
  uint32_t minHeight = 0, maxHeight = 0, minWidth = 0, maxWidth = 0, channels = 0;
  std::vector<DamagedImage> damaged; ///< by index
  PublishedComparison published;
};

struct DatasetCheck {
  std::string name, folder;
  std::vector<std::string> classNames; ///< empty where they are numbers
  std::vector<PortionCheck> portions;  ///< training, test

  /// Both portions can be read and every image decoded. (Not to be the published set is no fault.)
  bool intact() const;
};

struct CheckOptions {
  unsigned threads = 1;
  /// Called now and then from the calling thread while images are decoded.
  std::function<void(size_t done, size_t total)> progress = {};
};

DatasetCheck checkDataset(const DatasetFormat &format, const std::string &folder,
                          const CheckOptions &options = {});

struct FoundDataset {
  const DatasetFormat *format = nullptr;
  std::string folder;
};

/// The dataset in `path` or in a folder of its name below. MNIST and Fashion-MNIST have the same
/// files: the labels decide, else the folder's name. Nothing known: an error that says what was
/// looked for where and how to get it.
Expected<FoundDataset> recogniseDataset(const std::string &path);

} // namespace danaus
