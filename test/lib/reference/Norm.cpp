// Layer normalisation and its gradients, row by row.
#include "test/lib/reference/Evaluate.h"

#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;
using namespace danaus;
using namespace danaus::reference;

namespace {

void evaluate(nn::LayerNormOp op, Values &values) {
  const Tensor &input = values[op.getInput()], &weight = values[op.getWeight()],
               &bias = values[op.getBias()];
  int64_t rows = input.shape[0], columns = input.shape[1];
  double epsilon = op.getEpsilon().convertToDouble();
  Tensor result = zerosLike(op.getResult()), mean = zerosLike(op.getMean()),
         rstd = zerosLike(op.getRstd());
  for (int64_t row = 0; row < rows; ++row) {
    double sum = 0, squares = 0;
    for (int64_t j = 0; j < columns; ++j)
      sum += input.data[row * columns + j];
    mean.data[row] = sum / columns;
    for (int64_t j = 0; j < columns; ++j)
      squares += std::pow(input.data[row * columns + j] - mean.data[row], 2);
    rstd.data[row] = 1 / std::sqrt(squares / columns + epsilon);
    for (int64_t j = 0; j < columns; ++j)
      result.data[row * columns + j] =
          (input.data[row * columns + j] - mean.data[row]) * rstd.data[row] * weight.data[j] +
          bias.data[j];
  }
  values.set(op.getResult(), std::move(result));
  values.set(op.getMean(), std::move(mean));
  values.set(op.getRstd(), std::move(rstd));
}

/// (input - mean) rstd, from the given mean and rstd of each row.
Tensor normalised(const Tensor &input, const Tensor &mean, const Tensor &rstd) {
  Tensor result = input;
  int64_t columns = input.shape[1];
  for (int64_t i = 0; i < result.size(); ++i)
    result.data[i] = (input.data[i] - mean.data[i / columns]) * rstd.data[i / columns];
  return result;
}

void evaluate(nn::LayerNormBackwardOp op, Values &values) {
  const Tensor &weight = values[op.getWeight()], &rstd = values[op.getRstd()],
               &gradient = values[op.getGradient()];
  Tensor h = normalised(values[op.getInput()], values[op.getMean()], rstd);
  int64_t rows = h.shape[0], columns = h.shape[1];
  Tensor g = gradient, result = zerosLike(op.getResult());
  for (int64_t i = 0; i < g.size(); ++i)
    g.data[i] *= weight.data[i % columns];
  for (int64_t row = 0; row < rows; ++row) {
    double meanG = 0, meanGH = 0;
    for (int64_t i = row * columns; i < (row + 1) * columns; ++i) {
      meanG += g.data[i] / columns;
      meanGH += g.data[i] * h.data[i] / columns;
    }
    for (int64_t i = row * columns; i < (row + 1) * columns; ++i)
      result.data[i] = rstd.data[row] * (g.data[i] - meanG - h.data[i] * meanGH);
  }
  values.set(op.getResult(), std::move(result));
}

void evaluate(nn::LayerNormWeightBackwardOp op, Values &values) {
  const Tensor &gradient = values[op.getGradient()];
  Tensor h = normalised(values[op.getInput()], values[op.getMean()], values[op.getRstd()]);
  Tensor weight = zerosLike(op.getWeightGradient()), bias = zerosLike(op.getBiasGradient());
  int64_t columns = h.shape[1];
  for (int64_t i = 0; i < h.size(); ++i) {
    weight.data[i % columns] += gradient.data[i] * h.data[i];
    bias.data[i % columns] += gradient.data[i];
  }
  values.set(op.getWeightGradient(), std::move(weight));
  values.set(op.getBiasGradient(), std::move(bias));
}

} // namespace

LogicalResult reference::evaluateNorm(Operation *op, Values &values) {
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case<nn::LayerNormOp, nn::LayerNormBackwardOp, nn::LayerNormWeightBackwardOp>(
          [&](auto typed) {
            evaluate(typed, values);
            return success();
          })
      .Default([](Operation *) { return failure(); });
}
