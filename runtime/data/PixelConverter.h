// Bytes to float32.
#pragma once

#include "runtime/base/Status.h"
#include "runtime/data/Image.h"

#include <vector>

namespace danaus {

/// (x / 255 - mean) / deviation, one pair a channel; empty: x / 255.
struct Normalization {
  std::vector<float> mean, deviation;
};

/// u8 -> float32 with the same bits as float(x) / 255.0f and, when normalising, (that - mean) /
/// deviation, both divisions correctly rounded.
class PixelConverter {
public:
  /// mean and deviation must be empty or have one finite entry a channel, deviation > 0.
  static Expected<PixelConverter> create(const ImageShape &shape,
                                         const Normalization &normalization);
  /// One image.
  void convert(const uint8_t *pixels, float *into) const;

  using Kernel = void (*)(const uint8_t *pixels, size_t count, float *into);
  using NormalizingKernel = void (*)(const uint8_t *pixels, size_t count, float mean,
                                     float deviation, float *into);

private:
  ImageShape shape;
  Normalization normalization;
  /// Chosen once by what this CPU can do.
  Kernel scale = nullptr;
  NormalizingKernel scaleAndNormalize = nullptr;
};

} // namespace danaus
