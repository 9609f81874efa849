// Lists image folders. A file costs no system call here (ImageNet has 1.3 million): its kind comes
// with its name.
#include "runtime/data/formats/ImageFolder.h"

#include "runtime/base/File.h"
#include "runtime/data/formats/DecodeImage.h"

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <memory>

namespace danaus {

namespace {

Error invalid(const std::string &path, const std::string &what) {
  return Error(ExitCode::DataInvalid, "'" + path + "' " + what);
}

struct CloseFolder {
  void operator()(DIR *folder) const { ::closedir(folder); }
};

struct Listing {
  std::vector<std::string> folders, images; ///< names, sorted
  size_t others = 0;
};

/// Everything in a folder that is not hidden.
Expected<Listing> list(const std::string &path) {
  std::unique_ptr<DIR, CloseFolder> folder(::opendir(path.c_str()));
  if (!folder)
    return Error(ExitCode::DataInvalid, ioError("open the folder", path, errno).message());
  Listing listing;
  errno = 0;
  for (const dirent *entry; (entry = ::readdir(folder.get())); errno = 0) {
    std::string name = entry->d_name;
    if (name[0] == '.')
      continue;
    bool image = hasImageExtension(name);
    bool told =
        entry->d_type == DT_DIR || entry->d_type == DT_REG || (image && entry->d_type == DT_LNK);
    if (told ? entry->d_type == DT_DIR : isFolder(joinPath(path, name)))
      listing.folders.push_back(std::move(name));
    else if (image)
      listing.images.push_back(std::move(name));
    else
      ++listing.others;
  }
  if (errno)
    return Error(ExitCode::DataInvalid, ioError("read the folder", path, errno).message());
  std::sort(listing.folders.begin(), listing.folders.end());
  std::sort(listing.images.begin(), listing.images.end());
  return listing;
}

Expected<std::string> requirePortion(const std::string &folder, Portion portion) {
  if (std::optional<std::string> found = imageFolderPortion(folder, portion))
    return *found;
  if (portion == Portion::Train)
    return invalid(folder, "has no folder 'train': the images for training are "
                           "train/CLASS/*.jpg, .jpeg or .png");
  return invalid(folder, "has neither a folder 'val' nor 'test': the images for the final test are "
                         "val/CLASS/*.jpg, .jpeg or .png");
}

Expected<std::vector<std::string>> listClasses(const std::string &path) {
  Expected<Listing> listing = list(path);
  if (!listing)
    return listing.takeError();
  if (!listing->folders.empty())
    return std::move(listing->folders);
  if (!listing->images.empty())
    return invalid(path, format("holds %zu images but no folders: put them into one folder a "
                                "class",
                                listing->images.size()));
  return invalid(path, "is empty: there must be one folder a class in it");
}

/// The first name that only one of them has; both are sorted.
Status checkSameClasses(const std::string &first, const std::vector<std::string> &inFirst,
                        const std::string &second, const std::vector<std::string> &inSecond) {
  auto onlyIn = [](const std::vector<std::string> &one, const std::vector<std::string> &other) {
    std::vector<std::string> only;
    std::set_difference(one.begin(), one.end(), other.begin(), other.end(),
                        std::back_inserter(only));
    return only;
  };
  auto difference = [&](const std::string &has, const std::string &lacks,
                        const std::vector<std::string> &only) {
    return Error(ExitCode::DataInvalid,
                 format("'%s' has the class '%s' but '%s' has not (%zu such class%s): both must "
                        "have the same folders",
                        has.c_str(), only.front().c_str(), lacks.c_str(), only.size(),
                        only.size() == 1 ? "" : "es"));
  };
  if (std::vector<std::string> only = onlyIn(inFirst, inSecond); !only.empty())
    return difference(first, second, only);
  if (std::vector<std::string> only = onlyIn(inSecond, inFirst); !only.empty())
    return difference(second, first, only);
  return Status::ok();
}

Error noImages(const std::string &path, const Listing &listing) {
  if (!listing.folders.empty())
    return invalid(path, format("holds no images itself, only folders such as '%s', which are not "
                                "searched: move the images up",
                                listing.folders.front().c_str()));
  if (listing.others)
    return invalid(path, format("holds no images: none of its %zu files ends in .jpg, .jpeg or "
                                ".png",
                                listing.others));
  return invalid(path, "is empty: every class needs at least one image");
}

Status appendImages(const std::string &path, int32_t label, Dataset &dataset) {
  Expected<Listing> listing = list(path);
  if (!listing)
    return listing.takeError();
  if (listing->images.empty())
    return noImages(path, *listing);
  for (const std::string &name : listing->images) {
    dataset.files.push_back(joinPath(path, name));
    dataset.labels.push_back(label);
  }
  return Status::ok();
}

DatasetFormat folderFormat(const std::string &name) {
  DatasetFormat format;
  format.name = name;
  format.shape = {3, 0, 0};
  format.markers = {"train", "val", "test"};
  format.read = readImageFolder;
  return format;
}

} // namespace

std::optional<std::string> imageFolderPortion(const std::string &folder, Portion portion) {
  std::vector<std::string> names{"train"};
  if (portion == Portion::Test)
    names = {"val", "test"};
  for (const std::string &name : names)
    if (std::string path = joinPath(folder, name); isFolder(path))
      return path;
  return std::nullopt;
}

Expected<std::vector<std::string>> imageFolderClasses(const std::string &folder) {
  Expected<std::string> path = requirePortion(folder, Portion::Train);
  if (!path)
    return path.takeError();
  return listClasses(*path);
}

Expected<Dataset> readImageFolder(const DatasetFormat &format, const std::string &folder,
                                  Portion portion) {
  Expected<std::string> path = requirePortion(folder, portion);
  if (!path)
    return path.takeError();
  Portion otherPortion = portion == Portion::Train ? Portion::Test : Portion::Train;
  Expected<std::string> otherPath = requirePortion(folder, otherPortion);
  if (!otherPath)
    return otherPath.takeError();
  Expected<std::vector<std::string>> classes = listClasses(*path);
  if (!classes)
    return classes.takeError();
  Expected<std::vector<std::string>> others = listClasses(*otherPath);
  if (!others)
    return others.takeError();
  if (Status status = checkSameClasses(*path, *classes, *otherPath, *others); !status)
    return status.takeError();
  Dataset dataset;
  dataset.name = format.name;
  dataset.folder = folder;
  dataset.shape = format.shape;
  dataset.classes = uint32_t(classes->size());
  for (size_t label = 0; label < classes->size(); ++label)
    if (Status status = appendImages(joinPath(*path, (*classes)[label]), int32_t(label), dataset);
        !status)
      return status.takeError();
  dataset.classNames = std::move(*classes);
  return dataset;
}

DatasetFormat imageFolderFormat() {
  DatasetFormat format = folderFormat("image_folder");
  format.howToGet = "put the images into train/CLASS and val/CLASS below one of them";
  return format;
}

DatasetFormat imagenetFolderFormat() {
  DatasetFormat format = folderFormat("imagenet_folder");
  format.folderNames = {"imagenet"};
  format.howToGet = "get ILSVRC2012 from https://image-net.org and unpack it into train/CLASS and "
                    "val/CLASS below one of them";
  return format;
}

} // namespace danaus
