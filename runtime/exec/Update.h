// One update of the weights as the programs that make it: TrainStep alone, or with
// training.accumulate = K > 1 a GradientStep for each of K micro-batches and then an UpdateStep.
// Whoever trains or measures goes through here, so that nothing else asks which of the two it is.
#pragma once

#include "runtime/exec/Executor.h"

#include <functional>

namespace danaus {

/// A program and how often it runs in a full update.
struct UpdatePart {
  fb::ProgramKind kind;
  uint64_t times;
};

/// In the order in which they run.
std::vector<UpdatePart> updateParts(const fb::Model &model);

/// Micro-batches in a full update, at least 1.
uint64_t microBatches(const fb::Model &model);

/// Rows of one micro-batch; 0 when a program of the update is missing.
uint64_t microBatchRows(const Executor &executor);

/// Launches of one full update.
uint64_t updateLaunches(const Executor &executor);

/// Which samples of each micro-batch are this rank's: for dropout, which counts those of all ranks.
struct MicroBatchShare {
  uint64_t rows;  ///< of a micro-batch, over all ranks
  uint64_t first; ///< of this rank
};

/// Runs an update of `count` micro-batches, from 1 to microBatches(): a short last batch may leave
/// some out. `fill(i)` puts micro-batch i into the executor; its error ends the update, which then
/// did not happen. The rest of the control buffer, whose InverseCount is that of the whole update,
/// was written before; FirstMicroBatch and FirstSample are written here. Afterwards metrics() are
/// those of the update.
/// `meanwhile` as in Executor::run; `share`: nothing where all samples are this rank's.
Status runUpdate(Executor &executor, uint64_t count, const std::function<Status(uint64_t)> &fill,
                 const std::function<Status()> &meanwhile = {},
                 std::optional<MicroBatchShare> share = {});

} // namespace danaus
