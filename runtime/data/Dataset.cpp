// The registry of datasets and the search for their folders.
#include "runtime/data/Dataset.h"

#include "runtime/base/File.h"
#include "runtime/data/formats/Cifar10.h"
#include "runtime/data/formats/DecodeImage.h"
#include "runtime/data/formats/ImageFolder.h"
#include "runtime/data/formats/Mnist.h"
#include "runtime/data/formats/Npy.h"

#include <cstdlib>

namespace danaus {

namespace {

std::string environmentVariable(const char *name) {
  const char *value = std::getenv(name);
  return value ? value : "";
}

void addFolders(const DatasetFormat &format, const std::string &root,
                std::vector<std::string> &folders) {
  std::string named = joinPath(root, format.name);
  folders.push_back(named);
  for (const std::string &name : format.folderNames) {
    folders.push_back(joinPath(root, name));
    folders.push_back(joinPath(named, name));
  }
}

bool holdsOneOf(const std::vector<std::string> &markers, const std::string &folder) {
  for (const std::string &marker : markers)
    if (pathExists(joinPath(folder, marker)))
      return true;
  return false;
}

Error notFound(const DatasetFormat &format, const std::vector<std::string> &folders) {
  std::string text = "the dataset " + format.name + " is in none of these folders:";
  for (const std::string &folder : folders)
    text += "\n  " + folder + (isFolder(folder) ? "" : "  (no such folder)");
  text += "\n" + format.howToGet + "; or set data.dir or DANAUS_DATA";
  return Error(ExitCode::DataInvalid, std::move(text));
}

} // namespace

Expected<Image> Dataset::load(size_t index) const {
  if (inMemory())
    return Image{shape, {row(index), row(index) + shape.pixels()}};
  Expected<Image> image = readImageFile(files[index]);
  // A file that was listed and cannot be read is a fault of the data.
  if (!image)
    return Error(ExitCode::DataInvalid, image.error().message());
  return image;
}

DataEnvironment DataEnvironment::fromProcess() {
  DataEnvironment environment;
  environment.danausData = environmentVariable("DANAUS_DATA");
  environment.dataHome = environmentVariable("XDG_DATA_HOME");
  std::string home = environmentVariable("HOME");
  if (environment.dataHome.empty() && !home.empty())
    environment.dataHome = joinPath(home, ".local/share");
  return environment;
}

std::vector<std::string> candidateFolders(const DatasetFormat &format, const std::string &dir,
                                          const DataEnvironment &environment) {
  std::vector<std::string> folders;
  if (!dir.empty()) {
    folders.push_back(dir);
    addFolders(format, dir, folders);
    return folders;
  }
  if (!environment.danausData.empty())
    addFolders(format, environment.danausData, folders);
  if (!environment.dataHome.empty())
    addFolders(format, joinPath(environment.dataHome, "danaus"), folders);
  addFolders(format, joinPath(environment.workFolder, "data"), folders);
  if (!format.systemName.empty())
    folders.push_back(joinPath(environment.systemFolder, format.systemName));
  return folders;
}

Expected<std::string> findDatasetFolder(const DatasetFormat &format, const std::string &dir,
                                        const DataEnvironment &environment) {
  std::vector<std::string> folders = candidateFolders(format, dir, environment);
  for (const std::vector<std::string> *markers : {&format.markers, &format.nearMarkers})
    for (const std::string &folder : folders)
      if (holdsOneOf(*markers, folder))
        return folder;
  return notFound(format, folders);
}

std::span<const DatasetFormat> datasetFormats() {
  // In the order in which data check recognises them: any folder may have a folder `train`.
  static const std::vector<DatasetFormat> formats = {fashionMnistFormat(),   mnistFormat(),
                                                     cifar10Format(),        npyFormat(),
                                                     imagenetFolderFormat(), imageFolderFormat()};
  return formats;
}

Expected<const DatasetFormat *> findDatasetFormat(const std::string &name) {
  std::string known;
  for (const DatasetFormat &format : datasetFormats()) {
    if (format.name == name)
      return &format;
    known += (known.empty() ? "" : ", ") + format.name;
  }
  return Error(ExitCode::DataInvalid, "no dataset is called '" + name + "'; there are: " + known);
}

Expected<Dataset> loadDataset(const std::string &name, const std::string &dir, Portion portion,
                              const DataEnvironment &environment) {
  Expected<const DatasetFormat *> format = findDatasetFormat(name);
  if (!format)
    return format.takeError();
  Expected<std::string> folder = findDatasetFolder(**format, dir, environment);
  if (!folder)
    return folder.takeError();
  return (*format)->read(**format, *folder, portion);
}

} // namespace danaus
