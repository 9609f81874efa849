// Reads pairs of numpy arrays. Memory is asked for only after the header's promise was held against
// the size of the file.
#include "runtime/data/formats/Npy.h"

#include "runtime/base/File.h"
#include "runtime/data/formats/NpyHeader.h"

#include <algorithm>
#include <cstring>

namespace danaus {

namespace {

using ull = unsigned long long;
constexpr uint64_t byteLimit = uint64_t(64) << 30;

Error broken(const std::string &path, const std::string &what) {
  return Error(ExitCode::DataInvalid, "'" + path + "' " + what);
}

std::string shapeText(const std::vector<uint64_t> &shape) {
  std::string text;
  for (uint64_t extent : shape)
    text += (text.empty() ? "" : ", ") + std::to_string(extent);
  return "(" + text + (shape.size() == 1 ? ",)" : ")");
}

struct Array {
  std::string path;
  NpyHeader header;
  uint64_t elementBytes = 1;
  uint64_t bytes = 0; ///< of all elements
};

/// Opens an array whose elements have `elementBytes` and holds its size against that of the file.
Status checkSize(Array &array) {
  uint64_t bytes = array.elementBytes;
  bool overflow = false;
  for (uint64_t extent : array.header.shape)
    overflow |= __builtin_mul_overflow(bytes, extent, &bytes);
  if (overflow || bytes > byteLimit)
    return broken(array.path, format("announces the shape %s, more than the %llu bytes that are "
                                     "allowed",
                                     shapeText(array.header.shape).c_str(), ull(byteLimit)));
  Expected<uint64_t> size = fileSize(array.path);
  if (!size)
    return size.takeError();
  uint64_t wanted = array.header.dataOffset + bytes;
  if (*size < wanted)
    return broken(array.path,
                  format("is cut short: %llu bytes expected, %llu found", ull(wanted), ull(*size)));
  if (*size > wanted)
    return broken(array.path,
                  format("goes on after the %llu bytes that its header announces", ull(wanted)));
  array.bytes = bytes;
  return Status::ok();
}

Expected<Array> openArray(const std::string &folder, const std::string &name) {
  Array array;
  array.path = joinPath(folder, name);
  if (!pathExists(array.path))
    return broken(array.path, "is missing: a dataset of numpy arrays is train_images.npy, "
                              "train_labels.npy, test_images.npy and test_labels.npy");
  Expected<NpyHeader> header = readNpyHeader(array.path);
  if (!header)
    return header.takeError();
  array.header = std::move(*header);
  return array;
}

Status readBytes(const Array &array, void *into) {
  Expected<FileDescriptor> file = openForReading(array.path);
  if (!file)
    return file.takeError();
  return readExactly(file->get(), into, array.bytes, array.header.dataOffset, array.path,
                     ExitCode::DataInvalid);
}

enum class Layout { Planes, ChannelsLast };

struct Images {
  Array array;
  ImageShape shape;
  Layout layout = Layout::Planes;
  uint64_t count() const { return array.header.shape[0]; }
};

bool isChannelCount(uint64_t extent) { return extent == 1 || extent == 3; }

/// Which extent is which; the first is the count.
Status decideLayout(Images &images) {
  const std::vector<uint64_t> &shape = images.array.header.shape;
  auto wrong = [&](const char *what) {
    return broken(images.array.path, format("has the shape %s%s", shapeText(shape).c_str(), what));
  };
  if (shape.size() != 3 && shape.size() != 4)
    return wrong("; images have (N, H, W), (N, C, H, W) or (N, H, W, C)");
  for (uint64_t extent : shape)
    if (extent == 0 || extent > (uint64_t(1) << 31))
      return wrong(": there are no images in it");
  bool first = shape.size() == 4 && isChannelCount(shape[1]);
  bool last = shape.size() == 4 && isChannelCount(shape[3]);
  if (shape.size() == 4 && first == last)
    return wrong(first ? ", where the channels could be first or last: use images wider than 3"
                       : ": neither the second nor the last extent is 1 or 3, the channels that "
                         "images can have");
  auto extents = [](uint64_t channels, uint64_t height, uint64_t width) {
    return ImageShape{uint32_t(channels), uint32_t(height), uint32_t(width)};
  };
  images.layout = last ? Layout::ChannelsLast : Layout::Planes;
  images.shape = last    ? extents(shape[3], shape[1], shape[2])
                 : first ? extents(shape[1], shape[2], shape[3])
                         : extents(1, shape[1], shape[2]);
  return Status::ok();
}

Status checkOrder(const Array &array) {
  if (!array.header.fortranOrder)
    return Status::ok();
  return broken(array.path, "is in Fortran order: save numpy.ascontiguousarray(...) of it");
}

Expected<Images> openImages(const std::string &folder, const std::string &stem) {
  Expected<Array> array = openArray(folder, stem + "_images.npy");
  if (!array)
    return array.takeError();
  Images images{std::move(*array), {}, Layout::Planes};
  const std::string &dtype = images.array.header.dtype;
  if (dtype != "|u1" && dtype != "u1" && dtype != "<u1")
    return broken(images.array.path,
                  format("holds elements of type '%s'; images must be uint8 ('|u1'), from 0 to 255",
                         dtype.c_str()));
  if (Status status = checkOrder(images.array); !status)
    return status.takeError();
  if (Status status = decideLayout(images); !status)
    return status.takeError();
  if (Status status = checkSize(images.array); !status)
    return status.takeError();
  return images;
}

/// Bytes of an integer type, 0 for any other; the sign by the letter.
uint64_t integerBytes(const std::string &dtype) {
  std::string_view type = dtype;
  if (type.starts_with('|') || type.starts_with('<'))
    type.remove_prefix(1);
  if (type.size() != 2 || (type[0] != 'i' && type[0] != 'u'))
    return 0;
  uint64_t bytes = uint64_t(type[1] - '0');
  return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8 ? bytes : 0;
}

/// Element `index`, little endian, sign-extended where it has a sign.
int64_t integerAt(const std::vector<uint8_t> &bytes, uint64_t size, bool isSigned, uint64_t index) {
  uint64_t value = 0;
  for (uint64_t byte = 0; byte < size; ++byte)
    value |= uint64_t(bytes[index * size + byte]) << (8 * byte);
  unsigned shift = unsigned(64 - 8 * size);
  return isSigned ? int64_t(value << shift) >> shift : int64_t(value);
}

Status convertLabels(const Array &array, const std::vector<uint8_t> &bytes,
                     std::vector<int32_t> &labels) {
  uint64_t count = array.header.shape[0];
  bool isSigned = array.header.dtype.find('i') != std::string::npos;
  labels.resize(count);
  for (uint64_t index = 0; index < count; ++index) {
    int64_t label = integerAt(bytes, array.elementBytes, isSigned, index);
    if (label < 0 || uint64_t(label) >= npyClassLimit)
      return broken(array.path, format("has the label %lld at index %llu; labels are 0 to %llu",
                                       (long long)label, ull(index), ull(npyClassLimit - 1)));
    labels[index] = int32_t(label);
  }
  return Status::ok();
}

Expected<std::vector<int32_t>> readLabels(const std::string &folder, const std::string &stem) {
  Expected<Array> array = openArray(folder, stem + "_labels.npy");
  if (!array)
    return array.takeError();
  const NpyHeader &header = array->header;
  array->elementBytes = integerBytes(header.dtype);
  if (array->elementBytes == 0)
    return broken(array->path, format("holds elements of type '%s'; labels must be integers in "
                                      "little endian ('|u1', '<i8', ...)",
                                      header.dtype.c_str()));
  if (header.shape.size() != 1)
    return broken(array->path,
                  format("has the shape %s; labels have (N,)", shapeText(header.shape).c_str()));
  if (Status status = checkSize(*array); !status)
    return status.takeError();
  std::vector<uint8_t> bytes(array->bytes);
  if (Status status = readBytes(*array, bytes.data()); !status)
    return status.takeError();
  std::vector<int32_t> labels;
  if (Status status = convertLabels(*array, bytes, labels); !status)
    return status.takeError();
  return labels;
}

/// In place, image by image.
void toPlanes(std::vector<uint8_t> &images, const ImageShape &shape) {
  size_t plane = size_t(shape.height) * shape.width;
  std::vector<uint8_t> one(shape.pixels());
  for (uint8_t *image = images.data(); image != images.data() + images.size();
       image += one.size()) {
    std::memcpy(one.data(), image, one.size());
    for (size_t channel = 0; channel < shape.channels; ++channel)
      for (size_t pixel = 0; pixel < plane; ++pixel)
        image[channel * plane + pixel] = one[pixel * shape.channels + channel];
  }
}

Status checkSameShape(const Images &images, const Images &other) {
  if (images.shape == other.shape)
    return Status::ok();
  return Error(ExitCode::DataInvalid,
               format("'%s' has the shape %s, but '%s' has %s: the images of both must have one "
                      "shape",
                      images.array.path.c_str(), shapeText(images.array.header.shape).c_str(),
                      other.array.path.c_str(), shapeText(other.array.header.shape).c_str()));
}

} // namespace

Expected<Dataset> readNpy(const DatasetFormat &format, const std::string &folder, Portion portion) {
  std::string stem = portion == Portion::Train ? "train" : "test";
  std::string otherStem = portion == Portion::Train ? "test" : "train";
  Expected<Images> images = openImages(folder, stem), other = openImages(folder, otherStem);
  if (!images)
    return images.takeError();
  if (!other)
    return other.takeError();
  if (Status status = checkSameShape(*images, *other); !status)
    return status.takeError();
  Expected<std::vector<int32_t>> labels = readLabels(folder, stem);
  if (!labels)
    return labels.takeError();
  if (labels->size() != images->count())
    return broken(images->array.path,
                  danaus::format("holds %llu images, but %s_labels.npy beside it %zu labels",
                                 ull(images->count()), stem.c_str(), labels->size()));
  Expected<std::vector<int32_t>> otherLabels = readLabels(folder, otherStem);
  if (!otherLabels)
    return otherLabels.takeError();
  Dataset dataset;
  dataset.name = format.name;
  dataset.folder = folder;
  dataset.shape = images->shape;
  for (const std::vector<int32_t> *list : {&*labels, &*otherLabels})
    for (int32_t label : *list)
      dataset.classes = std::max(dataset.classes, uint32_t(label) + 1);
  dataset.labels = std::move(*labels);
  dataset.images.resize(images->array.bytes);
  if (Status status = readBytes(images->array, dataset.images.data()); !status)
    return status.takeError();
  if (images->layout == Layout::ChannelsLast)
    toPlanes(dataset.images, dataset.shape);
  return dataset;
}

DatasetFormat npyFormat() {
  DatasetFormat format;
  format.name = "npy";
  format.howToGet = "put train_images.npy, train_labels.npy, test_images.npy and test_labels.npy "
                    "into one of them";
  format.markers = {"train_images.npy", "train_labels.npy", "test_images.npy", "test_labels.npy"};
  format.read = readNpy;
  return format;
}

} // namespace danaus
