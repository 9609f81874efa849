// Bilinear resizing with antialiasing, to the bit as PIL's Image.resize(size, BILINEAR) of bytes:
// a triangle filter as wide as the scale when an image shrinks, across first, then down, with
// weights of 22 fractional bits and bytes between the two passes. (Pillow 13 goes down first where
// that saves work, which changes some bytes by one.)
#pragma once

#include "runtime/data/Image.h"

namespace danaus {

/// A rectangle of pixels.
struct PixelBox {
  uint32_t top = 0, left = 0, height = 0, width = 0;
  bool operator==(const PixelBox &) const = default;
};

/// Pixels of someone else: rows of one channel are `rowStride` bytes apart, channels
/// `planeStride`.
struct ImageView {
  const uint8_t *pixels = nullptr;
  ImageShape shape;
  size_t rowStride = 0, planeStride = 0;

  static ImageView of(const uint8_t *pixels, const ImageShape &shape) {
    return {pixels, shape, shape.width, size_t(shape.height) * shape.width};
  }
  /// The part inside `box`, which lies in the image.
  ImageView cut(const PixelBox &box) const {
    return {pixels + box.top * rowStride + box.left,
            {shape.channels, box.height, box.width},
            rowStride,
            planeStride};
  }
};

/// Filters of one axis: output i is the sum of count[i] inputs from first[i] on, times weights.
struct ResizeTaps {
  uint32_t inputs = 0, outputs = 0, begin = 0, length = 0; ///< what they were made for
  uint32_t most = 0;                                       ///< weights kept for each output
  std::vector<uint32_t> first, count;
  std::vector<int32_t> weights; ///< length x most, of 22 fractional bits

  /// For the outputs [begin, begin + length) of `outputs` made from `inputs`.
  void prepare(uint32_t inputs, uint32_t outputs, uint32_t begin, uint32_t length);
  /// The inputs [low, high) that all outputs together use.
  uint32_t low() const { return first.front(); }
  uint32_t high() const { return first.back() + count.back(); }
};

/// Keeps its filters and buffers from one image to the next; for one thread.
class Resizer {
public:
  /// Resizes `from` to height x width and writes what is inside `box` of the result to `into`
  /// (channels x box.height x box.width). No size may be 0.
  void resize(const ImageView &from, uint32_t height, uint32_t width, const PixelBox &box,
              uint8_t *into);

private:
  /// All that `down` needs of one channel, from its row down.low() and column across.low() on.
  void passAcross(const uint8_t *plane, size_t stride, size_t rowCount);

  ResizeTaps across, down;
  std::vector<uint8_t> columns, results, rows;
};

} // namespace danaus
