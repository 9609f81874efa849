// See Evaluate.h.
#include "runtime/train/Evaluate.h"

#include "runtime/plan/Control.h"

#include <algorithm>

namespace danaus {

uint64_t fillBatch(Executor &executor, const BatchSource &source, size_t step) {
  float *input = executor.input().data();
  int32_t *labels = executor.label().data();
  size_t rows = source.batchSize();
  size_t parts = std::min<size_t>(executor.threads(), rows);
  executor.device().parallelFor(parts, [&](uint64_t part) {
    source.fillRows(step, part * rows / parts, (part + 1) * rows / parts, input, labels);
  });
  return source.validRows(step);
}

Expected<Evaluation> evaluate(Executor &executor, const BatchSource &source) {
  Evaluation result;
  double lossSum = 0;
  for (size_t step = 0; step < source.stepsPerEpoch(); ++step) {
    uint64_t rows = fillBatch(executor, source, step);
    executor.control()[control::InverseCount] = float(1.0 / double(rows));
    if (Status status = executor.run(fb::ProgramKind::EvalStep); !status)
      return status.takeError();
    lossSum += double(executor.metrics()[metrics::Loss]) * double(rows);
    result.correct += uint64_t(executor.metrics()[metrics::Correct]);
    result.images += rows;
  }
  if (result.images)
    result.loss = lossSum / double(result.images);
  return result;
}

} // namespace danaus
