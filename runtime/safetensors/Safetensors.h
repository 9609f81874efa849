// The safetensors format, read and written by ourselves with the checks of the reference
// implementation: u64 header length (little endian), a JSON header of at most 100 MB, then the
// bytes of the tensors without holes or overlaps. Every error is ExitCode::CheckpointInvalid and
// names the file and, where one is concerned, the tensor. Tensors are read on demand; only the
// header is kept.
#pragma once

#include "runtime/base/File.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace danaus {

/// In the order by which the reference writer sorts, widest last.
enum class TensorType : uint8_t {
  Bool,
  F4,
  F6E2M3,
  F6E3M2,
  U8,
  I8,
  F8E5M2,
  F8E4M3,
  F8E8M0,
  I16,
  U16,
  F16,
  BF16,
  I32,
  U32,
  F32,
  C64,
  F64,
  I64,
  U64,
};

/// As in the header: "F32".
const char *tensorTypeName(TensorType type);
unsigned tensorTypeBits(TensorType type);
std::optional<TensorType> tensorTypeFromName(std::string_view name);

/// "[128, 16]".
std::string shapeText(const std::vector<uint64_t> &shape);

using SafetensorsMetadata = std::map<std::string, std::string>;

/// A tensor of a file; `offset` counts from the start of the file.
struct TensorInfo {
  std::string name;
  TensorType type = TensorType::F32;
  std::vector<uint64_t> shape;
  uint64_t offset = 0, bytes = 0;
  /// Product of the shape.
  uint64_t elements = 0;
};

class SafetensorsFile {
public:
  /// Reads and checks the header; no tensor is read.
  static Expected<SafetensorsFile> open(const std::string &path);

  const std::string &path() const { return filePath; }
  /// Ordered by offset.
  const std::vector<TensorInfo> &tensors() const { return entries; }
  const SafetensorsMetadata &metadata() const { return meta; }
  const TensorInfo *find(const std::string &name) const;

  /// Reads F32, F64, F16 or BF16 as float32; `count` must be the tensor's number of elements.
  Status readFloats(const std::string &name, float *into, uint64_t count) const;
  /// Reads a tensor of I64 values.
  Status readIntegers(const std::string &name, int64_t *into, uint64_t count) const;

private:
  Expected<const TensorInfo *> require(const std::string &name, uint64_t count) const;
  friend class SafetensorsHeader;

  std::string filePath;
  FileDescriptor descriptor;
  std::vector<TensorInfo> entries;
  SafetensorsMetadata meta;
};

/// A tensor in memory, to be written or compared; the bytes belong to the caller.
struct TensorRef {
  std::string name;
  std::vector<uint64_t> shape;
  const void *data = nullptr;
  TensorType type = TensorType::F32;
  /// Where data is null and the tensor is written: called then, once; the bytes are needed until
  /// the next tensor's.
  std::function<Expected<const void *>()> fetch = {};
};

/// The order in which they lie in a file.
std::vector<const TensorRef *> writingOrder(std::span<const TensorRef> tensors);

/// Writes atomically; the same tensors in any order give the same bytes.
Status writeSafetensors(const std::string &path, std::span<const TensorRef> tensors,
                        const SafetensorsMetadata &metadata = {});
/// The same bytes, piece by piece, to any sink; `path` is for messages.
Status writeSafetensors(const std::function<Status(std::string_view)> &sink,
                        const std::string &path, std::span<const TensorRef> tensors,
                        const SafetensorsMetadata &metadata = {});

/// What a model expects of a file: names and shapes.
struct TensorDifference {
  enum Kind { Missing, Unexpected, ShapeMismatch } kind;
  std::string name;
  std::vector<uint64_t> expected, found;
};
std::vector<TensorDifference> compareTensors(const SafetensorsFile &file,
                                             std::span<const TensorRef> expected);
/// An aligned table, one line a difference, at most `limit` lines and a count of the rest.
std::string differenceTable(const std::vector<TensorDifference> &differences, size_t limit = 20);

/// CheckpointInvalid with the table; `origin` is the path of the file.
Error doesNotFit(const std::string &origin, const std::vector<TensorDifference> &differences);

/// Ok when the file has exactly these tensors; else CheckpointInvalid with the table.
Status requireTensors(const SafetensorsFile &file, std::span<const TensorRef> expected);

} // namespace danaus
