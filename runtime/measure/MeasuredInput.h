// Batches without end for steps that are measured: those of training, epoch after epoch.
#pragma once

#include "runtime/step/BatchFeed.h"
#include "runtime/step/ModelData.h"

namespace danaus {

class MeasuredInput {
public:
  /// Of the training images in `data`, a portion that holds them, augmented as in training if `use`
  /// says so, in batches of `rows`, those of the program that is measured. `executor` must outlive
  /// it. Errors are those of makeBatchSource and BatchFeed::create.
  static Expected<std::unique_ptr<MeasuredInput>> open(Executor &executor, Dataset data,
                                                       uint64_t rows, ImageUse use);

  /// Puts the next batch into the executor.
  Status next();
  /// As BatchFeed::prepare.
  Status prepare() { return feed->prepare(); }

private:
  MeasuredInput(Dataset dataset) : data(std::move(dataset)) {}

  Dataset data;
  std::optional<BatchSource> source;
  std::unique_ptr<BatchFeed> feed;
  uint64_t epoch = 0, step = 0;
};

} // namespace danaus
