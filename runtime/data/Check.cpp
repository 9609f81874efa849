// See Check.h.
#include "runtime/data/Check.h"

#include "runtime/base/File.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

namespace danaus {

namespace {

void addSize(const ImageShape &shape, PortionCheck &check) {
  bool first = check.channels == 0;
  check.channels = shape.channels;
  check.minHeight = first ? shape.height : std::min(check.minHeight, shape.height);
  check.minWidth = first ? shape.width : std::min(check.minWidth, shape.width);
  check.maxHeight = std::max(check.maxHeight, shape.height);
  check.maxWidth = std::max(check.maxWidth, shape.width);
}

/// Decodes all files; the calling thread is one of the workers and the one that reports.
void decodeAll(const Dataset &dataset, const CheckOptions &options, PortionCheck &check) {
  std::atomic<size_t> next = 0;
  std::mutex mutex;
  auto work = [&](bool reports) {
    for (size_t index; (index = next++) < dataset.count();) {
      Expected<Image> image = dataset.load(index);
      {
        std::lock_guard lock(mutex);
        if (image)
          addSize(image->shape, check);
        else
          check.damaged.push_back({index, image.error().message()});
      }
      if (reports && options.progress)
        options.progress(index, dataset.count());
    }
  };
  std::vector<std::thread> helpers;
  for (unsigned helper = 1; helper < options.threads; ++helper)
    helpers.emplace_back(work, false);
  work(true);
  for (std::thread &helper : helpers)
    helper.join();
  std::sort(check.damaged.begin(), check.damaged.end(),
            [](const auto &a, const auto &b) { return a.index < b.index; });
}

PortionCheck checkPortion(const Dataset &dataset, Portion portion, const CheckOptions &options) {
  PortionCheck check;
  check.portion = portion;
  check.images = dataset.count();
  check.perClass.resize(dataset.classes);
  for (int32_t label : dataset.labels)
    ++check.perClass[size_t(label)];
  if (dataset.inMemory())
    addSize(dataset.shape, check);
  else
    decodeAll(dataset, options, check);
  check.published = compareWithPublished(dataset, portion);
  return check;
}

bool mentionsFashion(std::string path) {
  std::transform(path.begin(), path.end(), path.begin(),
                 [](unsigned char letter) { return char(std::tolower(letter)); });
  return path.find("fashion") != std::string::npos;
}

/// Which of the two sets with these files it is.
std::string nameOfIdx(const DatasetFormat &format, const std::string &folder) {
  for (Portion portion : {Portion::Test, Portion::Train})
    if (Expected<Dataset> dataset = format.read(format, folder, portion))
      if (std::optional<std::string> name = publishedSetWithLabels(*dataset, portion))
        return *name;
  return mentionsFashion(folder) ? "fashion_mnist" : "mnist";
}

/// ImageNet's classes are called n01440764 and so on.
std::string nameOfImageFolder(const DatasetFormat &format, const std::string &folder) {
  Expected<Dataset> dataset = format.read(format, folder, Portion::Test);
  if (!dataset || dataset->classes != 1000)
    return "image_folder";
  for (const std::string &name : dataset->classNames)
    if (name.size() != 9 || name[0] != 'n' ||
        name.find_first_not_of("0123456789", 1) != std::string::npos)
      return "image_folder";
  return "imagenet_folder";
}

Error nothingKnown(const std::string &path) {
  if (!isFolder(path))
    return Error(ExitCode::DataInvalid,
                 "'" + path + "' is no folder" + (pathExists(path) ? "" : ": there is nothing"));
  std::string text = "no dataset is recognised in '" + path +
                     "' or in a folder below that is called like one; looked for";
  for (const DatasetFormat &format : datasetFormats()) {
    text += "\n  " + format.name + ": " + format.markers.front();
    if (format.markers.size() > 1)
      text += ", " + format.markers[1] + " ...";
    text += "\n    " + format.howToGet;
  }
  return Error(ExitCode::DataInvalid, std::move(text));
}

} // namespace

bool DatasetCheck::intact() const {
  return std::all_of(portions.begin(), portions.end(), [](const PortionCheck &portion) {
    return portion.problem.empty() && portion.damaged.empty();
  });
}

DatasetCheck checkDataset(const DatasetFormat &format, const std::string &folder,
                          const CheckOptions &options) {
  DatasetCheck check{format.name, folder, format.classNames, {}};
  for (Portion portion : {Portion::Train, Portion::Test}) {
    Expected<Dataset> dataset = format.read(format, folder, portion);
    if (dataset) {
      check.portions.push_back(checkPortion(*dataset, portion, options));
      check.classNames = dataset->classNames;
      continue;
    }
    PortionCheck failed;
    failed.portion = portion;
    failed.problem = dataset.error().message();
    check.portions.push_back(std::move(failed));
  }
  return check;
}

Expected<FoundDataset> recogniseDataset(const std::string &path) {
  if (!isFolder(path))
    return nothingKnown(path);
  for (const DatasetFormat &format : datasetFormats()) {
    Expected<std::string> folder = findDatasetFolder(format, path, {});
    if (!folder)
      continue;
    std::string name = format.name;
    if (name == "mnist" || name == "fashion_mnist")
      name = nameOfIdx(format, *folder);
    if (name == "image_folder" || name == "imagenet_folder")
      name = nameOfImageFolder(format, *folder);
    return FoundDataset{*findDatasetFormat(name), *folder};
  }
  return nothingKnown(path);
}

} // namespace danaus
