// Batches: rows of a dataset as float32, in the order of an epoch. A batch is a function of (epoch,
// step); nothing is remembered, so a resumed run sees exactly the batches it would have seen, and
// any thread can make any part of any batch.
#pragma once

#include "runtime/data/Dataset.h"
#include "runtime/data/Mix.h"
#include "runtime/data/Permutation.h"
#include "runtime/data/Transform.h"

#include <span>

namespace danaus {

/// Where a batch goes.
struct BatchSpans {
  std::span<float> input;         ///< batch size x pixels
  std::span<int32_t> labels;      ///< batch size; -1 pads a short batch
  std::span<int32_t> mixLabels{}; ///< batch size; empty: not asked for
  std::span<float> mixWeights{};  ///< batch size, of the first label; empty: not asked for
};

/// The rows of one epoch (counted from 0) in their order.
struct EpochRows {
  uint64_t epoch = 0;
  std::vector<uint32_t> rows;
};

/// The part of each batch that one of several ranks takes: `rows` of all of them, cut into runs of
/// equal length, of which the last may be short.
struct BatchShare {
  unsigned rank = 0, ranks = 1;
  size_t rows = 0; ///< of a whole batch; 0: the batch size, and one rank takes it all

  size_t length(size_t batchSize) const {
    size_t all = rows ? rows : batchSize;
    return (all + ranks - 1) / ranks;
  }
};

class BatchSource {
public:
  struct Options {
    size_t batchSize = 0; ///< rows that are filled; at least the length of the share
    BatchShare share = {};
    uint64_t seed = 0;
    RowOrder order = RowOrder::File;
    TransformOptions transforms = {};
    ImageUse use = ImageUse::Evaluation;
    MixOptions mix = {};
    /// Of images in files that are not resized: all must have it.
    ImageShape fileShape = {};
  };

  /// `dataset` must outlive the source; `rows` index into it.
  static Expected<BatchSource> create(const Dataset &dataset, std::vector<uint32_t> rows,
                                      Options options);

  /// Rows in an epoch; the last batch of it may be short.
  size_t rows() const { return selected.size(); }
  size_t batchSize() const { return options.batchSize; }
  size_t stepsPerEpoch() const;
  /// Of a row of the input.
  const ImageShape &shape() const { return pipeline.shape(); }
  /// Whether labels are mixed: the model must take both.
  bool mixes() const { return options.mix.any(); }
  /// Whether a batch costs so little that it is made between two steps, by the threads that compute
  /// the step: the images are in memory, have at most 16,384 values and are only converted.
  bool isCheap() const;

  /// The order of an epoch.
  EpochRows epochRows(uint64_t epoch) const;
  /// Rows of this step (from 0, within the epoch) that are real: of this rank, and of all.
  size_t validRows(size_t step) const;
  size_t allRows(size_t step) const;
  /// Rows of a whole batch over all ranks, and where in it those of this rank begin.
  size_t wholeBatch() const { return options.share.rows ? options.share.rows : options.batchSize; }
  size_t firstRow() const { return options.share.rank * options.share.length(options.batchSize); }
  /// Fills the whole batch; rows past the last are zeros with label -1. Errors are DataInvalid and
  /// name the image.
  Status fill(const EpochRows &epoch, size_t step, const BatchSpans &into,
              TransformScratch &scratch) const;
  /// The same for rows [begin, end) of the batch only and without mixing, so that threads can share
  /// a batch; the spans are those of the whole batch.
  Status fillRows(const EpochRows &epoch, size_t step, size_t begin, size_t end,
                  const BatchSpans &into, TransformScratch &scratch) const;
  /// What is left to do once all rows are filled: mixup, cutmix.
  void mix(const EpochRows &epoch, size_t step, const BatchSpans &into) const;

private:
  BatchSource(const Dataset &dataset, std::vector<uint32_t> rows, Options options,
              ImagePipeline pipeline);
  Status fillRow(uint64_t epoch, uint32_t index, float *into, TransformScratch &scratch) const;
  Status mixRow(const EpochRows &epoch, size_t step, size_t row, const BatchSpans &into,
                TransformScratch &scratch) const;

  const Dataset *dataset;
  std::vector<uint32_t> selected;
  Options options;
  ImagePipeline pipeline;
};

} // namespace danaus
