// The reader. Nothing of a header is believed before it was checked; the checks are those of the
// reference implementation (safetensors/src/tensor.rs), and the names in messages are its own
// words.
#include "runtime/safetensors/Safetensors.h"

#include "runtime/base/Json.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace danaus {

static_assert(std::endian::native == std::endian::little, "the format is little endian");

namespace {

using ull = unsigned long long;
using nlohmann::json;

constexpr uint64_t headerLimit = 100'000'000;

struct TypeRow {
  const char *name;
  unsigned bits;
};
/// Indexed by TensorType.
constexpr std::array<TypeRow, 20> typeRows = {{
    {"BOOL", 8}, {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
    {"I8", 8},   {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"I16", 16},
    {"U16", 16}, {"F16", 16},    {"BF16", 16},   {"I32", 32},    {"U32", 32},
    {"F32", 32}, {"C64", 64},    {"F64", 64},    {"I64", 64},    {"U64", 64},
}};

Error invalid(const std::string &path, const std::string &what) {
  return Error(ExitCode::CheckpointInvalid, "'" + path + "': " + what);
}

Error invalidTensor(const std::string &path, const std::string &tensor, const std::string &what) {
  return invalid(path, "tensor " + tensor + ": " + what);
}

/// A list of `size` (or any number of) unsigned integers.
bool readNumbers(const json &value, std::vector<uint64_t> &into) {
  if (!value.is_array())
    return false;
  for (const json &item : value) {
    if (!item.is_number_unsigned())
      return false;
    into.push_back(item.get<uint64_t>());
  }
  return true;
}

float halfToFloat(uint16_t half) {
  uint32_t sign = uint32_t(half & 0x8000) << 16, exponent = (half >> 10) & 31, rest = half & 1023;
  if (exponent == 0) // zero or subnormal: rest * 2^-24, exact
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(float(rest) * 0x1p-24f));
  uint32_t biased = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | biased << 23 | rest << 13);
}

float bfloatToFloat(uint16_t value) { return std::bit_cast<float>(uint32_t(value) << 16); }

template <typename Stored, typename Convert>
Status readConverted(int descriptor, const TensorInfo &tensor, const std::string &path, float *into,
                     Convert convert) {
  std::vector<Stored> piece(size_t(std::min<uint64_t>(tensor.elements, 1 << 16)));
  for (uint64_t done = 0; done < tensor.elements;) {
    uint64_t count = std::min<uint64_t>(piece.size(), tensor.elements - done);
    if (Status status =
            readExactly(descriptor, piece.data(), count * sizeof(Stored),
                        tensor.offset + done * sizeof(Stored), path, ExitCode::CheckpointInvalid);
        !status)
      return status;
    for (uint64_t index = 0; index < count; ++index)
      into[done + index] = convert(piece[index]);
    done += count;
  }
  return Status::ok();
}

} // namespace

const char *tensorTypeName(TensorType type) { return typeRows[size_t(type)].name; }
unsigned tensorTypeBits(TensorType type) { return typeRows[size_t(type)].bits; }

std::optional<TensorType> tensorTypeFromName(std::string_view name) {
  for (size_t index = 0; index < typeRows.size(); ++index)
    if (name == typeRows[index].name)
      return TensorType(index);
  return std::nullopt;
}

std::string shapeText(const std::vector<uint64_t> &shape) {
  std::string text = "[";
  for (size_t index = 0; index < shape.size(); ++index)
    text += (index ? ", " : "") + std::to_string(shape[index]);
  return text + "]";
}

/// Turns the parsed header into the tables of a SafetensorsFile.
class SafetensorsHeader {
public:
  SafetensorsHeader(SafetensorsFile &file, uint64_t dataStart, uint64_t dataBytes)
      : file(file), dataStart(dataStart), dataBytes(dataBytes) {}

  Status read(const json &header) {
    if (!header.is_object())
      return invalid(file.filePath, "the header is not a JSON object");
    for (const auto &[name, value] : header.items())
      if (Status status = name == "__metadata__" ? readMetadata(value) : readTensor(name, value);
          !status)
        return status;
    return checkLayout();
  }

private:
  Status readMetadata(const json &value) {
    if (!value.is_object())
      return invalid(file.filePath, "__metadata__ is not an object");
    for (const auto &[key, text] : value.items()) {
      if (!text.is_string())
        return invalid(file.filePath, "__metadata__: the value of \"" + key + "\" is not a string");
      file.meta[key] = text.get<std::string>();
    }
    return Status::ok();
  }

  Status readTensor(const std::string &name, const json &value) {
    auto wrong = [&](const std::string &what) { return invalidTensor(file.filePath, name, what); };
    if (!value.is_object() || value.size() != 3 || !value.contains("dtype") ||
        !value.contains("shape") || !value.contains("data_offsets"))
      return wrong("its entry must have dtype, shape and data_offsets, and nothing else");
    TensorInfo tensor;
    tensor.name = name;
    const json &dtype = value["dtype"];
    std::optional<TensorType> type =
        dtype.is_string() ? tensorTypeFromName(dtype.get<std::string>()) : std::nullopt;
    if (!type)
      return wrong("unknown dtype " + dtype.dump(-1, ' ', true));
    tensor.type = *type;
    std::vector<uint64_t> offsets;
    if (!readNumbers(value["shape"], tensor.shape))
      return wrong("shape is not a list of sizes");
    if (!readNumbers(value["data_offsets"], offsets) || offsets.size() != 2)
      return wrong("data_offsets is not a pair of numbers");
    if (offsets[0] > offsets[1] || offsets[1] > dataBytes)
      return wrong(format("data_offsets [%llu, %llu] do not lie in the %llu bytes of data",
                          ull(offsets[0]), ull(offsets[1]), ull(dataBytes)));
    tensor.offset = dataStart + offsets[0];
    tensor.bytes = offsets[1] - offsets[0];
    if (Status status = checkSize(tensor); !status)
      return status;
    file.entries.push_back(std::move(tensor));
    return Status::ok();
  }

  Status checkSize(TensorInfo &tensor) {
    uint64_t bits = 0;
    tensor.elements = 1;
    bool overflow = false;
    for (uint64_t size : tensor.shape)
      overflow |= __builtin_mul_overflow(tensor.elements, size, &tensor.elements);
    overflow |= __builtin_mul_overflow(tensor.elements, tensorTypeBits(tensor.type), &bits);
    if (overflow)
      return invalidTensor(file.filePath, tensor.name,
                           "shape " + shapeText(tensor.shape) + " overflows");
    if (bits % 8 != 0 || bits / 8 != tensor.bytes)
      return invalidTensor(file.filePath, tensor.name,
                           format("%s of shape %s takes %llu bits, but its data_offsets span %llu "
                                  "bytes",
                                  tensorTypeName(tensor.type), shapeText(tensor.shape).c_str(),
                                  ull(bits), ull(tensor.bytes)));
    return Status::ok();
  }

  /// In the order of their offsets the tensors must touch each other and fill the file.
  Status checkLayout() {
    std::sort(file.entries.begin(), file.entries.end(),
              [](const TensorInfo &left, const TensorInfo &right) {
                return std::pair(left.offset, left.offset + left.bytes) <
                       std::pair(right.offset, right.offset + right.bytes);
              });
    uint64_t expected = dataStart;
    for (const TensorInfo &tensor : file.entries) {
      if (tensor.offset != expected)
        return invalidTensor(
            file.filePath, tensor.name,
            format(tensor.offset < expected
                       ? "overlaps the tensor before it (starts at %llu, that ends "
                         "at %llu)"
                       : "leaves a hole before it (starts at %llu, the one before "
                         "ends at %llu)",
                   ull(tensor.offset - dataStart), ull(expected - dataStart)));
      expected += tensor.bytes;
    }
    if (expected != dataStart + dataBytes)
      return invalid(file.filePath,
                     format("%llu bytes of data, but the tensors cover only %llu; cut "
                            "or grown?",
                            ull(dataBytes), ull(expected - dataStart)));
    return Status::ok();
  }

  SafetensorsFile &file;
  uint64_t dataStart, dataBytes;
};

Expected<SafetensorsFile> SafetensorsFile::open(const std::string &path) {
  Expected<FileDescriptor> descriptor = openForReading(path);
  if (!descriptor)
    return Error(ExitCode::CheckpointInvalid, descriptor.error().message());
  Expected<uint64_t> size = fileSize(path);
  if (!size)
    return size.takeError();
  if (*size < 8)
    return invalid(
        path, format("is cut short: %llu bytes, the header's length alone takes 8", ull(*size)));
  uint64_t headerBytes = 0;
  if (Status status = readExactly(descriptor->get(), &headerBytes, 8, 0, path); !status)
    return status.takeError();
  if (headerBytes > headerLimit)
    return invalid(path, format("announces a header of %llu bytes, more than the 100 MB allowed; "
                                "this is not a safetensors file",
                                ull(headerBytes)));
  if (headerBytes > *size - 8)
    return invalid(path, format("is cut short: a header of %llu bytes is announced, %llu are left",
                                ull(headerBytes), ull(*size - 8)));
  std::string text(headerBytes, '\0');
  if (Status status = readExactly(descriptor->get(), text.data(), headerBytes, 8, path); !status)
    return status.takeError();
  if (text.empty() || text[0] != '{')
    return invalid(path, "the header does not start with '{'; this is not a safetensors file");
  Expected<json> header =
      parseJson(text, "the header of '" + path + "'", ExitCode::CheckpointInvalid, 4);
  if (!header)
    return header.takeError();
  SafetensorsFile file;
  file.filePath = path;
  file.descriptor = std::move(*descriptor);
  SafetensorsHeader reader(file, 8 + headerBytes, *size - 8 - headerBytes);
  if (Status status = reader.read(*header); !status)
    return status.takeError();
  return file;
}

const TensorInfo *SafetensorsFile::find(const std::string &name) const {
  for (const TensorInfo &tensor : entries)
    if (tensor.name == name)
      return &tensor;
  return nullptr;
}

Expected<const TensorInfo *> SafetensorsFile::require(const std::string &name,
                                                      uint64_t count) const {
  const TensorInfo *tensor = find(name);
  if (!tensor)
    return invalidTensor(filePath, name, "missing");
  if (tensor->elements != count)
    return invalidTensor(filePath, name,
                         format("shape %s has %llu elements, %llu are expected",
                                shapeText(tensor->shape).c_str(), ull(tensor->elements),
                                ull(count)));
  return tensor;
}

Status SafetensorsFile::readFloats(const std::string &name, float *into, uint64_t count) const {
  Expected<const TensorInfo *> found = require(name, count);
  if (!found)
    return found.takeError();
  const TensorInfo &tensor = **found;
  switch (tensor.type) {
  case TensorType::F32:
    return readExactly(descriptor.get(), into, tensor.bytes, tensor.offset, filePath,
                       ExitCode::CheckpointInvalid);
  case TensorType::F64:
    return readConverted<double>(descriptor.get(), tensor, filePath, into,
                                 [](double value) { return float(value); });
  case TensorType::F16:
    return readConverted<uint16_t>(descriptor.get(), tensor, filePath, into, halfToFloat);
  case TensorType::BF16:
    return readConverted<uint16_t>(descriptor.get(), tensor, filePath, into, bfloatToFloat);
  default:
    return invalidTensor(filePath, name,
                         std::string(tensorTypeName(tensor.type)) +
                             " cannot be read as float32; F32, F64, F16 and BF16 can");
  }
}

Status SafetensorsFile::readIntegers(const std::string &name, int64_t *into, uint64_t count) const {
  Expected<const TensorInfo *> found = require(name, count);
  if (!found)
    return found.takeError();
  const TensorInfo &tensor = **found;
  if (tensor.type != TensorType::I64)
    return invalidTensor(filePath, name,
                         std::string(tensorTypeName(tensor.type)) + " where I64 is expected");
  return readExactly(descriptor.get(), into, tensor.bytes, tensor.offset, filePath,
                     ExitCode::CheckpointInvalid);
}

} // namespace danaus
