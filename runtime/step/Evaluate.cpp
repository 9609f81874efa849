// See Evaluate.h.
#include "runtime/step/Evaluate.h"

#include "runtime/plan/Control.h"
#include "runtime/step/BatchFeed.h"

namespace danaus {

static Expected<Evaluation> evaluateSteps(Executor &executor, const BatchSource &source,
                                          size_t steps) {
  Expected<std::unique_ptr<BatchFeed>> feed = BatchFeed::create(executor, source);
  if (!feed)
    return feed.takeError();
  (*feed)->startEpoch(0, 0);
  Evaluation result;
  double lossSum = 0;
  for (size_t step = 0; step < steps; ++step) {
    Expected<uint64_t> rows = (*feed)->next();
    if (!rows)
      return rows.takeError();
    if (*rows == 0) // of a short batch all rows are other ranks'
      continue;
    executor.control()[control::InverseCount] = float(1.0 / double(*rows));
    if (Status status = executor.run(fb::ProgramKind::EvalStep); !status)
      return status.takeError();
    lossSum += double(executor.metrics()[metrics::Loss]) * double(*rows);
    result.correct += uint64_t(executor.metrics()[metrics::Correct]);
    result.images += *rows;
  }
  double sums[] = {lossSum, double(result.correct), double(result.images)};
  if (Status status = executor.ranks().sum(sums); !status)
    return status.takeError();
  lossSum = sums[0];
  result.correct = uint64_t(sums[1]);
  result.images = uint64_t(sums[2]);
  if (result.images)
    result.loss = lossSum / double(result.images);
  return result;
}

Expected<Evaluation> evaluate(Executor &executor, const BatchSource &source) {
  return evaluateSteps(executor, source, source.stepsPerEpoch());
}

Expected<Evaluation> evaluateFirstBatch(Executor &executor, const BatchSource &source) {
  return evaluateSteps(executor, source, 1);
}

} // namespace danaus
