// Images by formula for the tests of transforms; PIL was given the same ones.
#pragma once

#include "runtime/data/Dataset.h"
#include "runtime/data/Resize.h"

namespace danaus::test {

inline Image makeImage(const ImageShape &shape) {
  Image image{shape, {}};
  for (uint32_t channel = 0; channel < shape.channels; ++channel)
    for (uint32_t y = 0; y < shape.height; ++y)
      for (uint32_t x = 0; x < shape.width; ++x)
        image.pixels.push_back(uint8_t(x * 7 + y * 13 + channel * 101 + x * y * 3 + x * x / 5));
  return image;
}

inline ImageView viewOf(const Image &image) {
  return ImageView::of(image.pixels.data(), image.shape);
}

/// Noise of many images; image i has label i % 10.
inline Dataset makeDataset(size_t count, ImageShape shape) {
  Dataset dataset;
  dataset.name = "made";
  dataset.shape = shape;
  dataset.classes = 10;
  for (size_t index = 0; index < count * shape.pixels(); ++index)
    dataset.images.push_back(uint8_t(index * 31 + index / 256));
  for (size_t index = 0; index < count; ++index)
    dataset.labels.push_back(int32_t(index % 10));
  return dataset;
}

} // namespace danaus::test
