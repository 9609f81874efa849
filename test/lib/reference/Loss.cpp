// Losses and batch metrics. The indices of control and metrics are those of runtime/plan/Control.h.
#include "runtime/plan/Control.h"
#include "test/lib/reference/Evaluate.h"

#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;
using namespace danaus;
using namespace danaus::reference;

namespace {

/// One row of logits.
ArrayRef<double> rowOf(const Tensor &logits, int64_t row) {
  return ArrayRef<double>(logits.data).slice(row * logits.shape[1], logits.shape[1]);
}

/// What a row should be: `weight` on the first label, the rest on the second.
struct Target {
  int64_t label, second;
  double weight;

  double at(int64_t column) const {
    return weight * (column == label) + (1 - weight) * (column == second);
  }
};

template <typename Op> Target targetOf(Op op, const Values &values, int64_t row) {
  const Tensor *second = values.find(op.getMixLabels()), *weight = values.find(op.getMixWeight());
  int64_t label = values[op.getLabels()].data[row];
  return {label, second ? int64_t(second->data[row]) : label, weight ? weight->data[row] : 1};
}

/// The first of the largest logits. No logit is larger than another where one is NaN: then 0.
int64_t largestOf(ArrayRef<double> z) {
  int64_t best = 0;
  for (int64_t i = 1; i < int64_t(z.size()); ++i)
    if (z[i] > z[best])
      best = i;
  return best;
}

void evaluate(nn::CrossEntropyLossOp op, Values &values) {
  const Tensor &logits = values[op.getLogits()], &labels = values[op.getLabels()];
  double smoothing = op.getLabelSmoothing().convertToDouble();
  Tensor loss = zerosLike(op.getLoss()), correct = zerosLike(op.getCorrect());
  for (int64_t row = 0; row < labels.size(); ++row) {
    Target target = targetOf(op, values, row);
    if (target.label < 0)
      continue;
    ArrayRef<double> z = rowOf(logits, row);
    double sum = 0, wanted = 0;
    for (auto [column, value] : llvm::enumerate(z)) {
      sum += value;
      wanted += target.at(column) * value;
    }
    loss.data[row] = logSumExp(z) - (1 - smoothing) * wanted - smoothing / z.size() * sum;
    correct.data[row] = largestOf(z) == target.label;
  }
  values.set(op.getLoss(), std::move(loss));
  values.set(op.getCorrect(), std::move(correct));
}

void evaluate(nn::CrossEntropyBackwardOp op, Values &values) {
  const Tensor &logits = values[op.getLogits()], &labels = values[op.getLabels()];
  double smoothing = op.getLabelSmoothing().convertToDouble();
  double weight = values[op.getControl()].data[control::GradientWeight];
  Tensor result = zerosLike(op.getResult());
  for (int64_t row = 0; row < labels.size(); ++row) {
    Target target = targetOf(op, values, row);
    int64_t classes = logits.shape[1];
    if (target.label < 0)
      continue;
    ArrayRef<double> z = rowOf(logits, row);
    double norm = logSumExp(z);
    for (int64_t j = 0; j < classes; ++j)
      result.data[row * classes + j] =
          weight * (std::exp(z[j] - norm) - smoothing / classes - (1 - smoothing) * target.at(j));
  }
  values.set(op.getResult(), std::move(result));
}

double sumOf(const Tensor &tensor) {
  double sum = 0;
  for (double value : tensor.data)
    sum += value;
  return sum;
}

void evaluate(nn::BatchMetricsOp op, Values &values) {
  Tensor result = zerosLike(op.getResult());
  double inverseCount = values[op.getControl()].data[control::InverseCount];
  result.data[metrics::Loss] = sumOf(values[op.getLoss()]) * inverseCount;
  result.data[metrics::Correct] = sumOf(values[op.getCorrect()]);
  if (const Tensor *squares = values.find(op.getSquareNorm()))
    result.data[metrics::GradNorm] =
        std::sqrt(sumOf(*squares)) *
        (op.getScaled() ? values[op.getControl()].data[control::InverseScale] : 1);
  values.set(op.getResult(), std::move(result));
}

} // namespace

double reference::logSumExp(ArrayRef<double> z) {
  double largest = z[0], sum = 0;
  for (double value : z)
    largest = std::fmax(largest, value);
  for (double value : z)
    sum += std::exp(value - largest);
  return largest + std::log(sum);
}

LogicalResult reference::evaluateLoss(Operation *op, Values &values) {
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case<nn::CrossEntropyLossOp, nn::CrossEntropyBackwardOp, nn::BatchMetricsOp>(
          [&](auto typed) {
            evaluate(typed, values);
            return success();
          })
      .Default([](Operation *) { return failure(); });
}
