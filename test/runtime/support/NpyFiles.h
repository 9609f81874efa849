// Makes .npy files, as numpy.save writes them or with any header.
#pragma once

#include "test/runtime/support/TempFolder.h"

#include <cstdint>

namespace danaus::test {

/// `header`: the dict; blanks and a newline fill it up so that the elements begin at a multiple of
/// 64 bytes.
inline std::string npyBytes(const std::string &header, const std::string &content,
                            unsigned version = 1) {
  size_t prefix = version == 1 ? 10 : 12;
  size_t size = (prefix + header.size() + 1 + 63) / 64 * 64 - prefix;
  std::string bytes = "\x93NUMPY";
  bytes += {char(version), 0, char(size & 255), char(size >> 8 & 255)};
  if (version > 1)
    bytes += {char(size >> 16 & 255), char(size >> 24)};
  return bytes + header + std::string(size - header.size() - 1, ' ') + "\n" + content;
}

inline std::string npyHeader(const std::string &dtype, const std::string &shape) {
  return "{'descr': '" + dtype + "', 'fortran_order': False, 'shape': " + shape + ", }";
}

/// Byte j is (5 j) mod 251.
inline std::string npyContent(size_t bytes) {
  std::string content;
  for (size_t index = 0; index < bytes; ++index)
    content += char(uint8_t(5 * index % 251));
  return content;
}

/// Little-endian integers i mod 4 of `bytes` bytes each.
inline std::string npyLabels(uint32_t count, unsigned bytes) {
  std::string content;
  for (uint32_t index = 0; index < count; ++index) {
    content += char(index % 4);
    content.append(bytes - 1, '\0');
  }
  return content;
}

/// Four files in an existing folder: images (N, 6, 5) of uint8, labels 0 to 3 of int64.
inline void writeNpy(const std::string &folder, uint32_t train, uint32_t test) {
  for (auto [stem, count] : {std::pair{"train", train}, std::pair{"test", test}}) {
    std::string shape = "(" + std::to_string(count) + ", 6, 5)";
    writeText(joinPath(folder, stem) + "_images.npy",
              npyBytes(npyHeader("|u1", shape), npyContent(count * 30)));
    writeText(joinPath(folder, stem) + "_labels.npy",
              npyBytes(npyHeader("<i8", "(" + std::to_string(count) + ",)"), npyLabels(count, 8)));
  }
}

} // namespace danaus::test
