// Folders of JPEG and PNG files, one a class: DIR/train/CLASS/* and DIR/val/CLASS/* (or DIR/test).
// ImageNet as its tools leave it is one; the classes are numbered in sorted order of their names.
// The files are listed here and decoded when Dataset::load asks for them.
#pragma once

#include "runtime/data/Dataset.h"

namespace danaus {

/// Hidden files and those without an image's extension are left out; links are followed. Every
/// class must have an image, and both portions the same classes; else DataInvalid.
Expected<Dataset> readImageFolder(const DatasetFormat &format, const std::string &folder,
                                  Portion portion);
DatasetFormat imageFolderFormat();
DatasetFormat imagenetFolderFormat();

/// The names of the classes alone, in order, without a look at the images.
Expected<std::vector<std::string>> imageFolderClasses(const std::string &folder);

/// The folder of a portion: train; val or, where there is none, test. Nothing when it is missing.
std::optional<std::string> imageFolderPortion(const std::string &folder, Portion portion);

} // namespace danaus
