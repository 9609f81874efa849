// See Published.h. The hashes are those of the uncompressed files: of the published .gz files,
// whose own MD5 stand beside them, and of Debian's package dataset-fashion-mnist alike.
#include "runtime/data/formats/Published.h"

#include "runtime/base/File.h"
#include "runtime/base/Md5.h"
#include "runtime/data/formats/Cifar10.h"

#include <algorithm>

namespace danaus {

namespace {

struct PublishedIdx {
  const char *name;
  Portion portion;
  const char *images, *labels;
};

constexpr PublishedIdx publishedIdx[] = {
    // .gz: f68b3c2dcbeaaa9fbdd348bbdeb94873, d53e105ee54ea40749a09fcbcd1e9432
    {"mnist", Portion::Train, "6bbc9ace898e44ae57da46a324031adb",
     "a25bea736e30d166cdddb491f175f624"},
    // .gz: 9fb629c4189551a2d022fa330f9573f3, ec29112dd5afa0611ce80d1b7f02629c
    {"mnist", Portion::Test, "2646ac647ad5339dbf082846283269ea",
     "27ae3e4e09519cfbb04c329615203637"},
    // .gz: 8d4fb7e6c68d591d4c3dfef9ec88bf0d, 25c81989df183df01b3e8a0aad5dffbe
    {"fashion_mnist", Portion::Train, "f4a8712d7a061bf5bd6d2ca38dc4d50a",
     "9018921c3c673c538a1fc5bad174d6f9"},
    // .gz: bef4ecab320f06d8554ea6380940ec79, bb300cfdad3c16e7a12a480ee83cd310
    {"fashion_mnist", Portion::Test, "8181f5470baa50b63fa0f6fddb340f0a",
     "15d484375f8d13e6eb1aabb0c3f46965"},
};

void addBigEndian(Md5 &hash, uint32_t value) {
  uint8_t bytes[4] = {uint8_t(value >> 24), uint8_t(value >> 16), uint8_t(value >> 8),
                      uint8_t(value)};
  hash.add(bytes, 4);
}

/// Of the IDX file that holds these images.
std::string md5OfImages(const Dataset &dataset) {
  Md5 hash;
  for (uint32_t number :
       {0x0803u, uint32_t(dataset.count()), dataset.shape.height, dataset.shape.width})
    addBigEndian(hash, number);
  hash.add(dataset.images.data(), dataset.images.size());
  return hash.finish();
}

std::string md5OfLabels(const Dataset &dataset) {
  Md5 hash;
  addBigEndian(hash, 0x0801);
  addBigEndian(hash, uint32_t(dataset.count()));
  std::vector<uint8_t> labels(dataset.labels.begin(), dataset.labels.end());
  hash.add(labels.data(), labels.size());
  return hash.finish();
}

PublishedComparison compareIdx(const Dataset &dataset, const PublishedIdx &published) {
  std::string images = md5OfImages(dataset), labels = md5OfLabels(dataset);
  if (images == published.images && labels == published.labels)
    return {Published::Matches, "the published set (MD5 of images and labels)"};
  const char *what = images == published.images   ? "labels"
                     : labels == published.labels ? "images"
                                                  : "images and labels";
  return {Published::Differs,
          format("not the published set: other %s (MD5 of images %s, of labels %s)", what,
                 images.c_str(), labels.c_str())};
}

PublishedComparison compareCifar10(const Dataset &dataset, Portion portion) {
  for (const std::string &name : cifar10Files(portion)) {
    Expected<uint64_t> bytes = fileSize(joinPath(dataset.folder, name));
    if (!bytes || *bytes != cifarRecords * cifarRecordBytes)
      return {Published::Differs, format("not the published set: %s has %llu bytes, not %llu",
                                         name.c_str(), (unsigned long long)(bytes ? *bytes : 0),
                                         (unsigned long long)(cifarRecords * cifarRecordBytes))};
  }
  size_t wanted = portion == Portion::Train ? 5000 : 1000;
  for (uint32_t label = 0; label < dataset.classes; ++label) {
    auto count = size_t(std::count(dataset.labels.begin(), dataset.labels.end(), int32_t(label)));
    if (count != wanted)
      return {Published::Differs, format("not the published set: %zu images of class %s, not %zu",
                                         count, dataset.classNames[label].c_str(), wanted)};
  }
  return {Published::Matches, format("sizes and counts of the published set (%zu images of each "
                                     "class)",
                                     wanted)};
}

} // namespace

PublishedComparison compareWithPublished(const Dataset &dataset, Portion portion) {
  if (dataset.name == "cifar10")
    return compareCifar10(dataset, portion);
  for (const PublishedIdx &published : publishedIdx)
    if (dataset.name == published.name && portion == published.portion)
      return compareIdx(dataset, published);
  return {};
}

std::optional<std::string> publishedSetWithLabels(const Dataset &dataset, Portion portion) {
  std::string labels = md5OfLabels(dataset);
  for (const PublishedIdx &published : publishedIdx)
    if (published.portion == portion && labels == published.labels)
      return published.name;
  return std::nullopt;
}

} // namespace danaus
