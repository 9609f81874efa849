// Protobuf wire format: a field is (number << 3 | type); type 0 varint, 1 eight bytes, 2 length and
// bytes, 5 four bytes. Record: u64 length, masked crc of it, data, masked crc of them.
#include "runtime/run/TfEvents.h"

#include "runtime/base/Checksum.h"

#include <cstring>

namespace danaus {

namespace {

constexpr uint64_t frameBytes = 8 + 4 + 4;

void putVarint(std::string &out, uint64_t value) {
  for (; value >= 128; value >>= 7)
    out += char(value | 128);
  out += char(value);
}

void putKey(std::string &out, unsigned field, unsigned type) { putVarint(out, field << 3 | type); }

void putBytes(std::string &out, unsigned field, std::string_view bytes) {
  putKey(out, field, 2);
  putVarint(out, bytes.size());
  out += bytes;
}

template <typename T> void putRaw(std::string &out, T value) {
  out.append(reinterpret_cast<const char *>(&value), sizeof(T));
}

template <typename T> T getRaw(std::string_view bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

/// A plain CRC of data that hold CRCs is weak: TFRecord rotates and adds.
uint32_t maskedCrc(std::string_view bytes) {
  uint32_t crc = crc32c(bytes.data(), bytes.size());
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
}

std::string frame(const std::string &data) {
  std::string out;
  putRaw<uint64_t>(out, data.size());
  putRaw(out, maskedCrc(out));
  out += data;
  putRaw(out, maskedCrc(data));
  return out;
}

/// The bytes of the record that the content starts with; 0 when it is not whole.
uint64_t recordSize(std::string_view content) {
  if (content.size() < frameBytes)
    return 0;
  uint64_t length = getRaw<uint64_t>(content);
  if (length > content.size() - frameBytes ||
      getRaw<uint32_t>(content.substr(8)) != maskedCrc(content.substr(0, 8)) ||
      getRaw<uint32_t>(content.substr(12 + length)) != maskedCrc(content.substr(12, length)))
    return 0;
  return length + frameBytes;
}

} // namespace

std::string eventFileHeader(double wallTime) {
  std::string event;
  putKey(event, 1, 1);
  putRaw(event, wallTime);
  putBytes(event, 3, "brain.Event:2");
  return frame(event);
}

std::string eventRecord(double wallTime, uint64_t step, const EventScalars &scalars) {
  std::string event, summary;
  putKey(event, 1, 1);
  putRaw(event, wallTime);
  putKey(event, 2, 0);
  putVarint(event, step);
  for (const auto &[tag, value] : scalars) {
    std::string entry;
    putBytes(entry, 1, tag);
    putKey(entry, 2, 5);
    putRaw(entry, value);
    putBytes(summary, 1, entry);
  }
  putBytes(event, 5, summary);
  return frame(event);
}

std::pair<uint64_t, uint64_t> measureEventRecords(std::string_view content, uint64_t records) {
  uint64_t bytes = 0, count = 0;
  while (count < records) {
    uint64_t size = recordSize(content.substr(bytes));
    if (size == 0)
      break;
    bytes += size;
    ++count;
  }
  return {bytes, count};
}

} // namespace danaus
