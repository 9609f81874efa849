// Optimizer steps, as PyTorch's single-tensor forms compute them.
#include "runtime/plan/Control.h"
#include "test/lib/reference/Evaluate.h"

#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;
using namespace danaus;
using namespace danaus::reference;

namespace {

/// min(1, max_norm / (norm + 1e-6)), or 1 where nothing is clipped.
double clipScale(std::optional<APFloat> maxNorm, const Tensor &metrics) {
  if (!maxNorm)
    return 1;
  double scale = maxNorm->convertToDouble() / (metrics.data[metrics::GradNorm] + 1e-6);
  return scale > 1 ? 1 : scale; // a NaN stays
}

/// Whether the update happens at all: not after a loss that is NaN or Inf, nor after such a norm of
/// a scaled gradient; the norm is 0 where nobody needs it.
bool isFiniteStep(const Tensor &metrics) {
  return std::isfinite(metrics.data[metrics::Loss]) &&
         std::isfinite(metrics.data[metrics::GradNorm]);
}

/// What the gradient is multiplied by.
template <typename Op> double gradientScale(Op op, const Tensor &control, const Tensor &metrics) {
  return clipScale(op.getMaxNorm(), metrics) *
         (op.getScaled() ? control.data[control::InverseScale] : 1);
}

void evaluate(nn::SquareNormOp op, Values &values) {
  Tensor result = zerosLike(op.getResult());
  for (Value gradient : op.getGradients())
    for (double g : values[gradient].data)
      result.data[0] += g * g;
  values.set(op.getResult(), std::move(result));
}

void evaluate(nn::AccumulateOp op, Values &values) {
  Tensor result = values[op.getTerm()];
  if (values[op.getControl()].data[control::FirstMicroBatch] == 0)
    for (auto [to, sum] : llvm::zip_equal(result.data, values[op.getSum()].data))
      to += sum;
  values.set(op.getResult(), std::move(result));
}

void evaluate(nn::SgdStepOp op, Values &values) {
  const Tensor &gradient = values[op.getGradient()], &control = values[op.getControl()],
               &metrics = values[op.getMetrics()];
  const Tensor *velocity = values.find(op.getVelocity());
  Tensor p = values[op.getParameter()], v = velocity ? *velocity : Tensor();
  double scale = gradientScale(op, control, metrics);
  double momentum = op.getMomentum().convertToDouble();
  double decay = op.getWeightDecay().convertToDouble();
  bool first = control.data[control::FirstUpdate] != 0;
  for (int64_t i = 0; isFiniteStep(metrics) && i < p.size(); ++i) {
    double g = gradient.data[i] * scale + decay * p.data[i];
    if (velocity)
      g = v.data[i] = first ? g : momentum * v.data[i] + g;
    p.data[i] -= control.data[control::LearningRate] * g;
  }
  values.set(op.getNewParameter(), std::move(p));
  if (velocity)
    values.set(op.getNewVelocity(), std::move(v));
}

void evaluate(nn::AdamStepOp op, Values &values) {
  const Tensor &gradient = values[op.getGradient()], &control = values[op.getControl()],
               &metrics = values[op.getMetrics()];
  Tensor p = values[op.getParameter()], m = values[op.getM()], v = values[op.getV()];
  double scale = gradientScale(op, control, metrics);
  double beta1 = op.getBeta1().convertToDouble(), beta2 = op.getBeta2().convertToDouble();
  double epsilon = op.getEpsilon().convertToDouble();
  double decay = op.getWeightDecay().convertToDouble();
  double lr = control.data[control::LearningRate];
  double correction1 = control.data[control::Correction1],
         correction2 = control.data[control::Correction2];
  for (int64_t i = 0; isFiniteStep(metrics) && i < p.size(); ++i) {
    double g = gradient.data[i] * scale;
    if (op.getDecoupled())
      p.data[i] *= 1 - lr * decay;
    else
      g += decay * p.data[i];
    m.data[i] = beta1 * m.data[i] + (1 - beta1) * g;
    v.data[i] = beta2 * v.data[i] + (1 - beta2) * g * g;
    p.data[i] -= lr * correction1 * m.data[i] / (std::sqrt(v.data[i]) * correction2 + epsilon);
  }
  values.set(op.getNewParameter(), std::move(p));
  values.set(op.getNewM(), std::move(m));
  values.set(op.getNewV(), std::move(v));
}

void evaluate(nn::EmaStepOp op, Values &values) {
  Tensor average = values[op.getAverage()];
  double decay = op.getDecay().convertToDouble();
  if (isFiniteStep(values[op.getMetrics()]))
    for (auto [to, from] : llvm::zip_equal(average.data, values[op.getParameter()].data))
      to = decay * to + (1 - decay) * from;
  values.set(op.getResult(), std::move(average));
}

} // namespace

LogicalResult reference::evaluateOptimizer(Operation *op, Values &values) {
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case<nn::SquareNormOp, nn::AccumulateOp, nn::SgdStepOp, nn::AdamStepOp, nn::EmaStepOp>(
          [&](auto typed) {
            evaluate(typed, values);
            return success();
          })
      .Default([](Operation *) { return failure(); });
}
