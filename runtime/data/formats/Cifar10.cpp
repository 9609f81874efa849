// Reads CIFAR-10 batches. A file is judged by its size and labels; only where these are wrong is it
// asked what it is instead.
#include "runtime/data/formats/Cifar10.h"

#include "runtime/base/File.h"
#include "runtime/data/formats/FileHead.h"

#include <algorithm>
#include <cstring>

namespace danaus {

namespace {

using ull = unsigned long long;
constexpr uint64_t fileByteLimit = uint64_t(4) << 30;
constexpr const char *homePage = "https://www.cs.toronto.edu/~kriz/cifar.html";

Error broken(const std::string &path, const std::string &what) {
  return Error(ExitCode::DataInvalid, "'" + path + "' " + what);
}

/// What stands in the folder in place of the batches.
Error missing(const std::string &folder, const std::string &name, Portion portion) {
  std::string path = joinPath(folder, name);
  if (std::string packed = path + ".gz"; pathExists(packed))
    return broken(packed, "is still compressed with gzip: gunzip it");
  for (const char *archive : {"cifar-10-binary.tar.gz", "cifar-10-binary.tar"})
    if (pathExists(joinPath(folder, archive)))
      return broken(joinPath(folder, archive),
                    format("is not unpacked: tar -xf it, so that %s lies in '%s' or in "
                           "'%s/cifar-10-batches-bin'",
                           name.c_str(), folder.c_str(), folder.c_str()));
  for (const char *python :
       {"data_batch_1", "test_batch", "cifar-10-batches-py", "cifar-10-python.tar.gz"})
    if (pathExists(joinPath(folder, python)))
      return broken(joinPath(folder, python),
                    format("belongs to the Python version of CIFAR-10; this needs the binary "
                           "version, cifar-10-binary.tar.gz of %s",
                           homePage));
  if (portion == Portion::Test)
    return broken(path, "is missing: it holds the test images of CIFAR-10");
  return broken(path, "is missing: the training images of CIFAR-10 are data_batch_1.bin to "
                      "data_batch_5.bin");
}

/// Why a file of a wrong size or with a wrong first label is none of the batches.
Error wrongFile(const std::string &path, FileKind kind, const std::string &reason) {
  switch (kind) {
  case FileKind::WebPage:
    return broken(path, "is a web page, not data: a download went wrong; fetch the archive again");
  case FileKind::Gzip:
    return broken(path, "is still compressed with gzip: rename it to .gz and gunzip it (if it is "
                        "the whole archive, tar -xzf it)");
  case FileKind::Tar:
    return broken(path, "is a tar archive: unpack it with tar -xf");
  case FileKind::Pickle:
    return broken(path,
                  format("is a Python pickle, from the Python version of CIFAR-10; this needs the "
                         "binary version, cifar-10-binary.tar.gz of %s",
                         homePage));
  default:
    return broken(path, reason);
  }
}

/// Records in the file.
Expected<uint64_t> checkSize(const std::string &path) {
  Expected<uint64_t> bytes = fileSize(path);
  if (!bytes)
    return bytes.takeError();
  if (*bytes == 0)
    return broken(path, "is empty");
  if (*bytes > fileByteLimit)
    return broken(path, format("has %llu bytes, more than the %llu that are allowed", ull(*bytes),
                               ull(fileByteLimit)));
  Expected<std::string> head = readHead(path);
  if (!head)
    return head.takeError();
  if (*bytes % cifarRecordBytes != 0)
    return wrongFile(path, recogniseHead(*head),
                     format("has %llu bytes, which is no whole number of records of %llu bytes (a "
                            "published file has %llu): it is cut short or no batch of CIFAR-10",
                            ull(*bytes), ull(cifarRecordBytes),
                            ull(cifarRecords * cifarRecordBytes)));
  if (FileKind kind = recogniseHead(*head); kind != FileKind::Unknown && uint8_t((*head)[0]) > 9)
    return wrongFile(path, kind, std::string("is ") + describe(kind));
  return *bytes / cifarRecordBytes;
}

Status appendBatch(const std::string &path, Dataset &dataset) {
  Expected<uint64_t> records = checkSize(path);
  if (!records)
    return records.takeError();
  Expected<FileDescriptor> file = openForReading(path);
  if (!file)
    return file.takeError();
  size_t pixels = dataset.shape.pixels(), first = dataset.count();
  dataset.images.resize((first + *records) * pixels);
  dataset.labels.resize(first + *records);
  constexpr uint64_t together = 256;
  std::vector<uint8_t> piece(together * cifarRecordBytes);
  for (uint64_t begin = 0; begin < *records; begin += together) {
    uint64_t count = std::min(together, *records - begin);
    if (Status status = readExactly(file->get(), piece.data(), count * cifarRecordBytes,
                                    begin * cifarRecordBytes, path);
        !status)
      return status;
    for (uint64_t index = 0; index < count; ++index) {
      const uint8_t *record = piece.data() + index * cifarRecordBytes;
      if (record[0] >= dataset.classes)
        return broken(path, format("has the label %u in record %llu; CIFAR-10 has the classes 0 to "
                                   "9 (the files of CIFAR-100 are others)",
                                   unsigned(record[0]), ull(begin + index)));
      size_t row = first + begin + index;
      dataset.labels[row] = record[0];
      std::memcpy(dataset.images.data() + row * pixels, record + 1, pixels);
    }
  }
  return Status::ok();
}

} // namespace

std::vector<std::string> cifar10Files(Portion portion) {
  if (portion == Portion::Test)
    return {"test_batch.bin"};
  return {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
          "data_batch_5.bin"};
}

Expected<Dataset> readCifar10(const DatasetFormat &format, const std::string &folder,
                              Portion portion) {
  Dataset dataset;
  dataset.name = format.name;
  dataset.folder = folder;
  dataset.shape = format.shape;
  dataset.classes = format.classes;
  dataset.classNames = format.classNames;
  std::vector<std::string> names = cifar10Files(portion);
  for (const std::string &name : names)
    if (!pathExists(joinPath(folder, name)))
      return missing(folder, name, portion);
  for (const std::string &name : names)
    if (Status status = appendBatch(joinPath(folder, name), dataset); !status)
      return status.takeError();
  return dataset;
}

DatasetFormat cifar10Format() {
  DatasetFormat format;
  format.name = "cifar10";
  format.shape = {3, 32, 32};
  format.classes = 10;
  format.classNames = {"airplane", "automobile", "bird",  "cat",  "deer",
                       "dog",      "frog",       "horse", "ship", "truck"};
  format.folderNames = {"cifar-10-batches-bin"};
  format.howToGet =
      std::string("unpack cifar-10-binary.tar.gz of ") + homePage + " (tar -xzf) into one of them";
  for (Portion portion : {Portion::Train, Portion::Test})
    for (const std::string &name : cifar10Files(portion)) {
      format.markers.push_back(name);
      format.nearMarkers.push_back(name + ".gz");
    }
  for (const char *name : {"cifar-10-binary.tar.gz", "cifar-10-binary.tar", "data_batch_1",
                           "test_batch", "cifar-10-batches-py", "cifar-10-python.tar.gz"})
    format.nearMarkers.push_back(name);
  format.read = readCifar10;
  return format;
}

} // namespace danaus
