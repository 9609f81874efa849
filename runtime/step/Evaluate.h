// Running all batches of a source through the EvalStep program.
#pragma once

#include "runtime/data/Batch.h"
#include "runtime/exec/Executor.h"

namespace danaus {

struct Evaluation {
  uint64_t images = 0, correct = 0;
  double loss = 0; ///< mean over the images
  double accuracy() const { return images ? double(correct) / double(images) : 0; }
};

/// Loss and accuracy of all rows of `source`, whose batch size must be that of the EvalStep
/// program. A loss that is not finite is returned as it is. Writes the control buffer. Of several
/// ranks each takes its share of the source, and all get the result.
Expected<Evaluation> evaluate(Executor &executor, const BatchSource &source);

/// Of one batch, the first: the same images each time.
Expected<Evaluation> evaluateFirstBatch(Executor &executor, const BatchSource &source);

} // namespace danaus
