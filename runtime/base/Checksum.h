// Checksums of byte ranges: CRC-32 (zlib's polynomial: checkpoints, model binaries) and CRC-32C
// (Castagnoli: TFRecord framing of TensorBoard files). Both continue from an earlier value.
#pragma once

#include "runtime/base/Status.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace danaus {

uint32_t crc32(const void *data, size_t size, uint32_t before = 0);
uint32_t crc32c(const void *data, size_t size, uint32_t before = 0);

struct FileChecksum {
  uint64_t bytes = 0;
  uint32_t crc32 = 0;
};

/// Reads the file once, in pieces.
Expected<FileChecksum> checksumFile(const std::string &path);

} // namespace danaus
