// One decoded image: bytes, channel by channel, row by row. What readers give and transforms take.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace danaus {

/// One image: pixels are stored channel by channel, row by row.
struct ImageShape {
  uint32_t channels = 0, height = 0, width = 0;
  size_t pixels() const { return size_t(channels) * height * width; }
  bool operator==(const ImageShape &) const = default;
};

struct Image {
  ImageShape shape;
  std::vector<uint8_t> pixels; ///< shape.pixels()
};

} // namespace danaus
