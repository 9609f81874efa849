// A dataset and the registry of the ones we can read. Images stay u8 (Fashion-MNIST: 47 MB) or, in
// image folders, files until they are asked for; Batch.h turns rows into float32. A new dataset is
// one DatasetFormat in Dataset.cpp and the reader of its file format. Nothing is ever downloaded.
// Errors carry ExitCode::DataInvalid.
#pragma once

#include "runtime/base/Status.h"
#include "runtime/data/Image.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace danaus {

/// Images of one shape in memory, or the files of an image folder, decoded when they are asked for.
struct Dataset {
  std::string name;
  /// The folder it was read from.
  std::string folder;
  /// Of every image in memory; of files only the channels are known.
  ImageShape shape;
  uint32_t classes = 0;
  std::vector<std::string> classNames;
  /// count() x shape.pixels(); empty where `files` is not.
  std::vector<uint8_t> images;
  /// count() paths of JPEG or PNG files; empty where the images are in memory.
  std::vector<std::string> files;
  std::vector<int32_t> labels;

  size_t count() const { return labels.size(); }
  bool inMemory() const { return files.empty(); }
  /// Image `index`, decoded where it is a file (DataInvalid names the file). Thread-safe.
  Expected<Image> load(size_t index) const;
  /// Only in memory.
  const uint8_t *row(size_t index) const { return images.data() + index * shape.pixels(); }
};

enum class Portion { Train, Test };

/// What the search for datasets takes from the process' environment; tests fill it by hand.
struct DataEnvironment {
  std::string danausData; ///< $DANAUS_DATA
  std::string dataHome;   ///< $XDG_DATA_HOME, else $HOME/.local/share
  std::string workFolder = ".";
  std::string systemFolder = "/usr/share/datasets";
  static DataEnvironment fromProcess();
};

/// A dataset that we can read: `name` as in `data.name`.
struct DatasetFormat {
  std::string name;
  ImageShape shape;
  uint32_t classes = 0;
  std::vector<std::string> classNames;
  /// What else its folder may be called than `name`: what its archive unpacks to.
  std::vector<std::string> folderNames;
  /// Below DataEnvironment::systemFolder; empty: no Debian package carries it.
  std::string systemName;
  /// How a person gets it: "apt-get install dataset-fashion-mnist".
  std::string howToGet;
  /// One of these (by file name) in a folder tells that the dataset is there.
  std::vector<std::string> markers;
  /// Looked for when no folder has a marker: what is there when a step is missing (an archive that
  /// is not unpacked); `read` says which.
  std::vector<std::string> nearMarkers;
  Expected<Dataset> (*read)(const DatasetFormat &, const std::string &folder, Portion) = nullptr;
};

std::span<const DatasetFormat> datasetFormats();
/// Unknown name: an error that lists the known ones.
Expected<const DatasetFormat *> findDatasetFormat(const std::string &name);

/// The folders in which the dataset is looked for, in order. `dir` as in loadDataset().
std::vector<std::string> candidateFolders(const DatasetFormat &format, const std::string &dir,
                                          const DataEnvironment &environment);
/// The first of them that holds the dataset (or what is nearly the dataset: then reading it fails
/// with a message of its own); none: an error that lists all of them and says how to get it.
Expected<std::string> findDatasetFolder(const DatasetFormat &format, const std::string &dir,
                                        const DataEnvironment &environment);

/// Finds the folder (`dir` if given, else the search order of docs) and reads one portion of it.
/// `dir`: data.dir of the spec, empty when not given.
Expected<Dataset> loadDataset(const std::string &name, const std::string &dir, Portion portion,
                              const DataEnvironment &environment = DataEnvironment::fromProcess());

} // namespace danaus
