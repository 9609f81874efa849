// See Collectives.h.
#include "compiler/lower/Collectives.h"

#include "compiler/lower/Layout.h"
#include "dialects/nn/NN.h"

#include <numeric>

using namespace mlir;
using namespace danaus;

/// What @gradient_step returns for one of the sums that @update_step reads.
static Value sumOf(func::FuncOp gradient, BlockArgument sum) {
  auto results = gradient.front().getTerminator()->getOperands();
  unsigned first = gradient.getNumArguments() - results.size();
  return rootOf(results[sum.getArgNumber() - first]);
}

static std::string nameOf(func::FuncOp step, Value parameter) {
  auto argument = cast<BlockArgument>(parameter);
  auto name = step.getArgAttrOfType<StringAttr>(argument.getArgNumber(), nn::NameAttr);
  return name ? name.str() : "unnamed";
}

SmallVector<Gradient> danaus::gradientsOf(func::FuncOp train, func::FuncOp backward) {
  DenseMap<Value, int64_t> done;
  for (auto [op, stage] : stagesOf(backward)) {
    for (Value result : op->getResults())
      done[result] = std::max(done.lookup(result), stage + 1);
    if (!isOfUpdate(op))
      for (Value value : readsOf(op))
        done[value] = std::max(done.lookup(value), stage + 1);
  }
  SmallVector<Gradient> all;
  for (auto update : train.getOps<kernel::UpdateOp>()) {
    size_t first = all.size();
    for (auto [i, gradient] : llvm::enumerate(update.getGradients())) {
      Value made =
          train == backward ? rootOf(gradient) : sumOf(backward, cast<BlockArgument>(gradient));
      all.push_back({update, i, alignBytes(bytesOf(gradient.getType())), done.lookup(made),
                     nameOf(train, update.getParameters()[i])});
    }
    std::stable_sort(all.begin() + first, all.end(),
                     [](const Gradient &a, const Gradient &b) { return a.ready < b.ready; });
  }
  return all;
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

/// Gradients [begin, end) as a bucket.
static Bucket bucketOf(ArrayRef<Gradient> gradients, size_t begin, size_t end) {
  const std::string &first = gradients[begin].name, &last = gradients[end - 1].name;
  bool isOne = end - begin == 1;
  Bucket bucket{begin, end, isOne ? first : first + " to " + last,
                first + ".gradient" + (isOne ? "" : " to " + last + ".gradient")};
  for (const Gradient &gradient : gradients.slice(begin, end - begin))
    bucket.ready = std::max(bucket.ready, gradient.ready);
  return bucket;
}

SmallVector<Bucket> danaus::cutGradients(func::FuncOp backward, ArrayRef<Gradient> gradients,
                                         int64_t mostBytes, Updates updates,
                                         const StepRates &rates) {
  SmallVector<double> times = timesOf(backward, rates);
  SmallVector<Bucket> buckets;
  for (size_t begin = 0, end = 0; begin < gradients.size(); begin = end) {
    SmallVector<GradientPiece> pieces;
    for (; end < gradients.size() &&
           (updates == Updates::Together || gradients[end].update == gradients[begin].update);
         ++end)
      pieces.push_back({gradients[end].bytes, times[gradients[end].ready]});
    size_t first = 0;
    for (size_t cut : cutBuckets(pieces, mostBytes, rates)) {
      buckets.push_back(bucketOf(gradients, begin + first, begin + cut));
      first = cut;
    }
  }
  return buckets;
}

int64_t danaus::deadlineOf(int64_t ready, const Stages &stages) {
  int64_t deadline = INT64_MAX;
  for (auto [op, stage] : stages)
    if (isOfUpdate(op) && stage >= ready)
      deadline = std::min(deadline, stage);
  return deadline;
}
