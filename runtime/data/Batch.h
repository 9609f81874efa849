// Batches: rows of a dataset as float32, in the order of an epoch. The position of a run is (epoch,
// step); nothing else is remembered, so a resumed run sees exactly the batches it would have seen.
#pragma once

#include "runtime/data/Dataset.h"
#include "runtime/data/Permutation.h"

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

class BatchSource {
public:
  struct Options {
    size_t batchSize = 0;
    uint64_t seed = 0;
    RowOrder order = RowOrder::File;
    Normalization normalization = {};
  };

  /// `dataset` must outlive the source; `rows` index into it.
  static Expected<BatchSource> create(const Dataset &dataset, std::vector<uint32_t> rows,
                                      Options options);

  /// Rows in an epoch; the last batch of it may be short.
  size_t rows() const { return order.size(); }
  size_t batchSize() const { return options.batchSize; }
  size_t stepsPerEpoch() const;

  /// Draws the order of this epoch (from 0); create() has started epoch 0.
  void startEpoch(uint64_t epoch);
  uint64_t epoch() const { return currentEpoch; }

  /// Rows of this step (from 0, within the epoch) that are real.
  size_t validRows(size_t step) const;
  /// Fills input (batchSize x pixels) and labels (batchSize); rows past the last are zeros with
  /// label -1. Returns validRows(step).
  size_t fill(size_t step, float *input, int32_t *labels) const;
  /// The same for rows [begin, end) of the batch only, so that a thread team can share a batch; the
  /// pointers are those of the whole batch.
  void fillRows(size_t step, size_t begin, size_t end, float *input, int32_t *labels) const;

private:
  BatchSource(const Dataset &dataset, std::vector<uint32_t> rows, Options options,
              PixelConverter converter);

  const Dataset *dataset;
  std::vector<uint32_t> selected, order;
  Options options;
  PixelConverter converter;
  uint64_t currentEpoch = 0;
};

} // namespace danaus
