// Datasets as four numpy arrays: train_images.npy, train_labels.npy, test_images.npy and
// test_labels.npy. Images are uint8 of shape (N, H, W), (N, C, H, W) or (N, H, W, C) with C = 1 or
// 3; labels are one-dimensional integers from 0 up.
#pragma once

#include "runtime/data/Dataset.h"

namespace danaus {

/// More classes are refused: a label like that is a mistake.
inline constexpr uint64_t npyClassLimit = 65536;

/// The classes are 0 up to the largest label of both portions; the images of both have one shape.
/// Images with the channels last are turned into planes.
Expected<Dataset> readNpy(const DatasetFormat &format, const std::string &folder, Portion portion);
DatasetFormat npyFormat();

} // namespace danaus
