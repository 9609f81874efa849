// From an image of a dataset to a row of the model's input. In this order (docs/Augmentation.md):
//   random_resized_crop, else resize -> pad -> channels -> random_crop -> horizontal_flip
//   -> float32, normalize -> random_erasing
// What is random is drawn for (seed, epoch, index of the image in its dataset) and nothing else, so
// that threads, batches and processes change nothing; each transform has its own numbers, so that
// adding one does not change the others. What concerns a whole batch is in Mix.h.
#pragma once

#include "runtime/data/PixelConverter.h"
#include "runtime/data/Resize.h"

#include <optional>

namespace danaus {

/// Evaluation leaves out everything that is random.
enum class ImageUse { Training, Evaluation };

/// random_resized_crop: the share of the area and the ratio of width to height of what is cut out.
struct ResizedCrop {
  double minScale = 0.08, maxScale = 1, minRatio = 0.75, maxRatio = 1.3333;
};

/// What is 0 or nothing is not done.
struct TransformOptions {
  uint32_t resize = 0;      ///< both sides; the shorter side is resized, the middle cut out
  uint32_t pad = 0;         ///< zero pixels on every side
  uint32_t channels = 0;    ///< that grey images are repeated to
  uint32_t cropPadding = 0; ///< random_crop
  double flipProbability = 0, eraseProbability = 0;
  std::optional<ResizedCrop> resizedCrop = {}; ///< needs `resize`
  Normalization normalization = {};
};

/// Buffers of one thread, kept from one image to the next.
struct TransformScratch {
  Resizer resizer;
  std::vector<uint8_t> resized, placed;
};

class ImagePipeline {
public:
  /// `images` is the shape of the dataset's images; height and width 0: they vary, which needs
  /// `resize`. DataInvalid where the options do not fit the images.
  static Expected<ImagePipeline> create(const ImageShape &images, TransformOptions options,
                                        ImageUse use, uint64_t seed);

  /// Of what comes out.
  const ImageShape &shape() const { return output; }
  /// Whether pixels are only converted.
  bool isPlain() const { return !resizes && !places && !erases; }
  const PixelConverter &converter() const { return convert; }

  /// Writes shape().pixels() numbers. DataInvalid when the image is not of the dataset's shape; the
  /// message begins "is 3 x 10 x 10": the caller puts the image's name before it.
  Status run(const ImageView &image, uint64_t epoch, uint64_t index, float *into,
             TransformScratch &scratch) const;

private:
  ImagePipeline(const ImageShape &images, TransformOptions options, ImageUse use, uint64_t seed,
                PixelConverter converter);
  ImageView resized(const ImageView &image, uint64_t epoch, uint64_t index,
                    TransformScratch &scratch) const;
  const uint8_t *placed(const ImageView &image, uint64_t epoch, uint64_t index,
                        TransformScratch &scratch) const;
  void erase(uint64_t epoch, uint64_t index, float *pixels) const;

  ImageShape images, output;
  TransformOptions options;
  uint64_t seed;
  bool resizes, places, erases;
  PixelConverter convert;
};

/// The shape of what comes out of a pipeline for images of this shape (0 stays unknown).
ImageShape outputShape(const ImageShape &images, const TransformOptions &options);

class RandomStream;

/// What random_resized_crop cuts out of an image: ten tries, then the largest middle part whose
/// ratio is allowed (as torchvision's RandomResizedCrop.get_params).
PixelBox drawResizedCrop(const ImageShape &image, const ResizedCrop &crop, RandomStream &numbers);

/// What random_erasing sets to 0: 2 to 33 % of the area with a ratio of 0.3 to 3.3; nothing (a
/// height of 0) where ten tries do not fit (as torchvision's RandomErasing.get_params).
PixelBox drawErasedBox(const ImageShape &image, RandomStream &numbers);

} // namespace danaus
