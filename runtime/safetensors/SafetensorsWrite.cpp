// The writer: tensors sorted as the reference implementation sorts them (widest type first, then by
// name), header padded with spaces so that the data start at a multiple of 8.
#include "runtime/base/AtomicFile.h"
#include "runtime/safetensors/Safetensors.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

namespace danaus {

namespace {

Expected<uint64_t> byteSize(const std::string &path, const TensorRef &tensor) {
  uint64_t bits = tensorTypeBits(tensor.type);
  bool overflow = false;
  for (uint64_t size : tensor.shape)
    overflow |= __builtin_mul_overflow(bits, size, &bits);
  if (overflow || bits % 8 != 0)
    return Error(ExitCode::CheckpointInvalid, "'" + path + "': tensor " + tensor.name + ": shape " +
                                                  shapeText(tensor.shape) + " cannot be stored");
  return bits / 8;
}

Status checkNames(const std::string &path, const std::vector<const TensorRef *> &sorted) {
  std::vector<std::string> names;
  for (const TensorRef *tensor : sorted)
    names.push_back(tensor->name);
  names.push_back("__metadata__");
  std::sort(names.begin(), names.end());
  auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end())
    return Error(ExitCode::CheckpointInvalid,
                 "'" + path + "': two tensors are called " + *twice + ", or that name is reserved");
  return Status::ok();
}

} // namespace

std::vector<const TensorRef *> writingOrder(std::span<const TensorRef> tensors) {
  std::vector<const TensorRef *> sorted;
  for (const TensorRef &tensor : tensors)
    sorted.push_back(&tensor);
  std::sort(sorted.begin(), sorted.end(), [](const TensorRef *left, const TensorRef *right) {
    return left->type != right->type ? left->type > right->type : left->name < right->name;
  });
  return sorted;
}

Status writeSafetensors(const std::function<Status(std::string_view)> &sink,
                        const std::string &path, std::span<const TensorRef> tensors,
                        const SafetensorsMetadata &metadata) {
  std::vector<const TensorRef *> sorted = writingOrder(tensors);
  if (Status status = checkNames(path, sorted); !status)
    return status;
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty())
    header["__metadata__"] = metadata;
  std::vector<uint64_t> sizes;
  uint64_t offset = 0;
  for (const TensorRef *tensor : sorted) {
    Expected<uint64_t> bytes = byteSize(path, *tensor);
    if (!bytes)
      return bytes.takeError();
    header[tensor->name] = {{"dtype", tensorTypeName(tensor->type)},
                            {"shape", tensor->shape},
                            {"data_offsets", {offset, offset + *bytes}}};
    offset += *bytes;
    sizes.push_back(*bytes);
  }
  std::string text = header.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  uint64_t length = text.size();
  char prefix[8];
  std::memcpy(prefix, &length, 8);
  if (Status status = sink({prefix, 8}); !status)
    return status;
  if (Status status = sink(text); !status)
    return status;
  for (size_t index = 0; index < sorted.size(); ++index) {
    const void *data = sorted[index]->data;
    if (!data && sorted[index]->fetch) {
      Expected<const void *> fetched = sorted[index]->fetch();
      if (!fetched)
        return fetched.takeError();
      data = *fetched;
    }
    if (Status status = sink({static_cast<const char *>(data), sizes[index]}); !status)
      return status;
  }
  return Status::ok();
}

Status writeSafetensors(const std::string &path, std::span<const TensorRef> tensors,
                        const SafetensorsMetadata &metadata) {
  Expected<AtomicFile> file = AtomicFile::create(path);
  if (!file)
    return file.takeError();
  Status status = writeSafetensors([&](std::string_view bytes) { return file->write(bytes); }, path,
                                   tensors, metadata);
  return status ? file->commit() : status;
}

} // namespace danaus
