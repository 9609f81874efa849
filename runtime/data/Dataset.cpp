// The registry of datasets and the search for their folders.
#include "runtime/data/Dataset.h"

#include "runtime/base/File.h"
#include "runtime/data/Mnist.h"

#include <cstdlib>

namespace danaus {

namespace {

std::string environmentVariable(const char *name) {
  const char *value = std::getenv(name);
  return value ? value : "";
}

/// In the order in which they are tried.
std::vector<std::string> candidateFolders(const DatasetFormat &format, const std::string &dir,
                                          const DataEnvironment &environment) {
  if (!dir.empty())
    return {dir, joinPath(dir, format.name)};
  std::vector<std::string> folders;
  if (!environment.danausData.empty())
    folders.push_back(joinPath(environment.danausData, format.name));
  if (!environment.dataHome.empty())
    folders.push_back(joinPath(joinPath(environment.dataHome, "danaus"), format.name));
  folders.push_back(joinPath(joinPath(environment.workFolder, "data"), format.name));
  if (!format.systemName.empty())
    folders.push_back(joinPath(environment.systemFolder, format.systemName));
  return folders;
}

bool holdsDataset(const DatasetFormat &format, const std::string &folder) {
  for (const std::string &marker : format.markers)
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
  if (!inMemory())
    return Error(ExitCode::DataInvalid, "cannot decode " + files[index]);
  return Image{shape, {row(index), row(index) + shape.pixels()}};
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

std::span<const DatasetFormat> datasetFormats() {
  static const std::vector<DatasetFormat> formats = {fashionMnistFormat(), mnistFormat()};
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
  std::vector<std::string> folders = candidateFolders(**format, dir, environment);
  for (const std::string &folder : folders)
    if (holdsDataset(**format, folder))
      return (*format)->read(**format, folder, portion);
  return notFound(**format, folders);
}

} // namespace danaus
