// Reads one portion of an MNIST-like dataset and checks that images and labels belong together.
#include "runtime/data/formats/Mnist.h"

#include "runtime/data/formats/Idx.h"

namespace danaus {

namespace {

using ull = unsigned long long;

Error mismatch(std::string message) { return Error(ExitCode::DataInvalid, std::move(message)); }

Status checkImages(const DatasetFormat &format, const IdxFile &images) {
  const auto &dims = images.dimensions;
  if (dims[0] == 0)
    return mismatch("'" + images.path + "' holds no images");
  if (dims[1] != format.shape.height || dims[2] != format.shape.width)
    return mismatch(danaus::format("'%s' holds images of %llu x %llu pixels; those of %s have "
                                   "%u x %u",
                                   images.path.c_str(), ull(dims[1]), ull(dims[2]),
                                   format.name.c_str(), format.shape.height, format.shape.width));
  return Status::ok();
}

Status takeLabels(const IdxFile &file, Dataset &dataset) {
  dataset.labels.resize(file.bytes.size());
  for (size_t index = 0; index < file.bytes.size(); ++index) {
    if (file.bytes[index] >= dataset.classes)
      return mismatch(format("'%s': label %zu is %u, but %s has the %u classes 0 to %u",
                             file.path.c_str(), index, unsigned(file.bytes[index]),
                             dataset.name.c_str(), dataset.classes, dataset.classes - 1));
    dataset.labels[index] = file.bytes[index];
  }
  return Status::ok();
}

DatasetFormat mnistLike(std::string name) {
  DatasetFormat format;
  format.name = std::move(name);
  format.shape = {1, 28, 28};
  format.classes = 10;
  for (const char *stem : {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                           "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}) {
    format.markers.push_back(stem);
    format.markers.push_back(std::string(stem) + ".gz");
  }
  format.read = readMnist;
  return format;
}

} // namespace

Expected<Dataset> readMnist(const DatasetFormat &format, const std::string &folder,
                            Portion portion) {
  const std::string stem = portion == Portion::Train ? "train" : "t10k";
  Expected<IdxFile> images = readIdx(folder, stem + "-images-idx3-ubyte", IdxContent::Images);
  if (!images)
    return images.takeError();
  if (Status status = checkImages(format, *images); !status)
    return status.takeError();
  Expected<IdxFile> labels = readIdx(folder, stem + "-labels-idx1-ubyte", IdxContent::Labels);
  if (!labels)
    return labels.takeError();
  if (images->dimensions[0] != labels->dimensions[0])
    return mismatch(danaus::format("'%s' holds %llu images but '%s' holds %llu labels",
                                   images->path.c_str(), ull(images->dimensions[0]),
                                   labels->path.c_str(), ull(labels->dimensions[0])));
  Dataset dataset;
  dataset.name = format.name;
  dataset.folder = folder;
  dataset.shape = format.shape;
  dataset.classes = format.classes;
  dataset.classNames = format.classNames;
  if (Status status = takeLabels(*labels, dataset); !status)
    return status.takeError();
  dataset.images = std::move(images->bytes);
  return dataset;
}

DatasetFormat mnistFormat() {
  DatasetFormat format = mnistLike("mnist");
  format.classNames = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
  format.howToGet = "put its four files, train-images-idx3-ubyte.gz and so on, into one of them";
  return format;
}

DatasetFormat fashionMnistFormat() {
  DatasetFormat format = mnistLike("fashion_mnist");
  format.classNames = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                       "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
  format.systemName = "fashion-mnist";
  format.howToGet = "on Debian and Ubuntu: apt-get install dataset-fashion-mnist";
  return format;
}

} // namespace danaus
