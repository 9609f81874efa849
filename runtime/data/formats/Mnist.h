// The MNIST layout: four IDX files of 28 x 28 grey images in ten classes. MNIST and Fashion-MNIST.
#pragma once

#include "runtime/data/Dataset.h"

namespace danaus {

Expected<Dataset> readMnist(const DatasetFormat &format, const std::string &folder,
                            Portion portion);
DatasetFormat mnistFormat();
DatasetFormat fashionMnistFormat();

} // namespace danaus
