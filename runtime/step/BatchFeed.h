// The host's side of a step: the next batch of an epoch into an executor. Cheap batches
// (BatchSource::isCheap) are made between two steps on the device's host threads, which are awake
// anyway: handing a tenth of a millisecond of work to others would cost more. All others are made
// ahead by background threads, as many as the device's host threads. The bits are the same.
#pragma once

#include "runtime/data/Prefetch.h"
#include "runtime/exec/Executor.h"

namespace danaus {

class BatchFeed {
public:
  /// Both must outlive the feed, which fills `executor` with batches of `source` for the program
  /// whose batch size the source has. CheckpointInvalid when the source mixes labels and the model
  /// was compiled without; DataInvalid when there is no memory for batches.
  static Expected<std::unique_ptr<BatchFeed>> create(Executor &executor, const BatchSource &source);

  /// The next batch is this step of this epoch.
  void startEpoch(uint64_t epoch, size_t step);
  /// Fills the executor's input and labels with the next batch of the epoch, if prepare() has not
  /// done it. Returns its real rows.
  Expected<uint64_t> next();
  /// While a step runs (Executor::fillsAhead): fills the inputs of the next one, if the epoch has
  /// one, and begins to copy them.
  Status prepare();

private:
  BatchFeed(Executor &executor, const BatchSource &source) : executor(executor), source(source) {}
  Status fill();
  void fillHere();
  Status copyAhead();

  Executor &executor;
  const BatchSource &source;
  std::unique_ptr<Prefetch> ahead; ///< null: batches are made here
  EpochRows epoch;                 ///< where batches are made here
  size_t step = 0;
  bool isPrepared = false; ///< the batch of `step` is in the executor
};

} // namespace danaus
