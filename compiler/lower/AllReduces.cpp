// See AllReduces.h.
#include "compiler/lower/AllReduces.h"

#include "compiler/lower/Layout.h"
#include "dialects/kernel/Kernel.h"

#include <numeric>

using namespace mlir;
using namespace danaus;

/// What @gradient_step returns for one of the sums that @update_step reads.
static Value sumOf(func::FuncOp gradient, BlockArgument sum) {
  auto results = gradient.front().getTerminator()->getOperands();
  unsigned first = gradient.getNumArguments() - results.size();
  return rootOf(results[sum.getArgNumber() - first]);
}

ReadyStages danaus::readyStages(func::FuncOp train, func::FuncOp backward) {
  DenseMap<Value, int64_t> done;
  for (auto [op, stage] : stagesOf(backward)) {
    for (Value result : op->getResults())
      done[result] = std::max(done.lookup(result), stage + 1);
    if (!isOfUpdate(op))
      for (Value value : readsOf(op))
        done[value] = std::max(done.lookup(value), stage + 1);
  }
  ReadyStages ready;
  for (auto update : train.getOps<kernel::UpdateOp>())
    for (Value gradient : update.getGradients())
      ready[rootOf(gradient)] = done.lookup(
          train == backward ? rootOf(gradient) : sumOf(backward, cast<BlockArgument>(gradient)));
  return ready;
}

/// Seconds after which so many stages of `step` are done.
static SmallVector<double> timesOf(func::FuncOp step, const StepRates &rates) {
  SmallVector<double> seconds(1, 0);
  for (auto [op, stage] : stagesOf(step)) {
    seconds.resize(std::max(seconds.size(), size_t(stage) + 2), 0);
    double bytes = 0;
    for (Type type : op->getOperandTypes())
      bytes += isOfUpdate(op) ? 0 : bytesOf(type);
    for (Type type : op->getResultTypes())
      bytes += isOfUpdate(op) ? 0 : bytesOf(type);
    seconds[stage + 1] += std::max(2 * macsOf(op) / rates.flops, bytes / rates.bytes);
  }
  std::partial_sum(seconds.begin(), seconds.end(), seconds.begin());
  return seconds;
}

SmallVector<AllReduce> danaus::cutGradients(func::FuncOp backward,
                                            ArrayRef<GradientPlace> gradients, int64_t mostBytes,
                                            const StepRates &rates) {
  SmallVector<double> times = timesOf(backward, rates);
  SmallVector<GradientPiece> pieces;
  for (const GradientPlace &gradient : gradients)
    pieces.push_back({gradient.bytes, times[gradient.ready]});
  SmallVector<AllReduce> buckets;
  size_t begin = 0;
  for (size_t end : cutBuckets(pieces, mostBytes, rates)) {
    AllReduce &bucket = buckets.emplace_back();
    const GradientPlace &first = gradients[begin], &last = gradients[end - 1];
    bucket.offset = first.offset;
    bucket.elements = (last.offset + last.bytes - first.offset) / 4;
    bucket.label = first.name + ".gradient";
    if (end - begin > 1)
      bucket.label += " to " + last.name + ".gradient";
    for (; begin < end; ++begin)
      bucket.ready = std::max(bucket.ready, gradients[begin].ready);
  }
  return buckets;
}

int64_t danaus::deadlineOf(const AllReduce &reduce, const Stages &stages) {
  int64_t deadline = INT64_MAX;
  for (auto [op, stage] : stages)
    if (isOfUpdate(op) && stage >= reduce.ready)
      deadline = std::min(deadline, stage);
  return deadline;
}
