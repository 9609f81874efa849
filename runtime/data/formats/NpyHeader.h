// The header of numpy's .npy files, versions 1 to 3: \x93NUMPY, the version, the length of the
// header (2 or 4 bytes, little endian), a Python dict with the keys descr, fortran_order and shape,
// and then the elements. https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
// Reads exactly what numpy writes; knows nothing of images.
#pragma once

#include "runtime/base/Status.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace danaus {

struct NpyHeader {
  std::string dtype; ///< as in the file: "|u1", "<i8"
  bool fortranOrder = false;
  std::vector<uint64_t> shape;
  uint64_t dataOffset = 0; ///< of the first element, from the start of the file
};

/// A longer header, or one of more dimensions, is refused.
inline constexpr uint64_t npyHeaderByteLimit = 65536;
inline constexpr size_t npyRankLimit = 8;

/// `head`: the first bytes of the file, all of the header at least. `path` is for messages; errors
/// are DataInvalid.
Expected<NpyHeader> parseNpyHeader(std::string_view head, const std::string &path);

/// Opens the file and reads its header.
Expected<NpyHeader> readNpyHeader(const std::string &path);

} // namespace danaus
