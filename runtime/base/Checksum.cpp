// CRC-32 by zlib, CRC-32C by a table (only a few bytes a record pass through it).
#include "runtime/base/Checksum.h"

#include "runtime/base/File.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <unistd.h>
#include <vector>
#include <zlib.h>

namespace danaus {

namespace {

constexpr std::array<uint32_t, 256> castagnoliTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit)
      value = (value >> 1) ^ ((value & 1) ? 0x82F63B78u : 0);
    table[byte] = value;
  }
  return table;
}

constexpr std::array<uint32_t, 256> castagnoli = castagnoliTable();

} // namespace

uint32_t crc32(const void *data, size_t size, uint32_t before) {
  return uint32_t(::crc32_z(before, static_cast<const Bytef *>(data), size));
}

uint32_t crc32c(const void *data, size_t size, uint32_t before) {
  const auto *bytes = static_cast<const unsigned char *>(data);
  uint32_t value = ~before;
  for (size_t index = 0; index < size; ++index)
    value = (value >> 8) ^ castagnoli[(value ^ bytes[index]) & 0xFF];
  return ~value;
}

Expected<FileChecksum> checksumFile(const std::string &path) {
  Expected<FileDescriptor> file = openForReading(path);
  if (!file)
    return file.takeError();
  FileChecksum sum;
  std::vector<char> piece(size_t(1) << 18);
  while (true) {
    ssize_t got = ::read(file->get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return ioError("read", path, errno);
    if (got == 0)
      return sum;
    sum.bytes += uint64_t(got);
    sum.crc32 = crc32(piece.data(), size_t(got), sum.crc32);
  }
}

} // namespace danaus
