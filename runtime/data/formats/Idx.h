// The IDX format of MNIST: big-endian magic 00 00 08 <dimensions>, the dimensions, the bytes. Read
// straight into the final buffer, from a plain file or through zlib. Every way in which such a file
// is usually broken (HTML from a download, gzip left on, cut short, swapped names) has its own
// message.
#pragma once

#include "runtime/base/Status.h"

#include <cstdint>
#include <string>
#include <vector>

namespace danaus {

struct IdxFile {
  std::string path;
  std::vector<uint64_t> dimensions;
  std::vector<uint8_t> bytes;
};

enum class IdxContent { Images, Labels };

/// More than this many bytes of content is refused before anything is allocated.
inline constexpr uint64_t idxByteLimit = uint64_t(4) << 30;

/// Reads `<folder>/<name>` or `<folder>/<name>.gz`, whichever is there (the plain one first).
Expected<IdxFile> readIdx(const std::string &folder, const std::string &name, IdxContent content,
                          uint64_t byteLimit = idxByteLimit);

} // namespace danaus
