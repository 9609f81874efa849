// Verifiers of the losses, and the gradient of cross-entropy.
#include "dialects/nn/NN.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace danaus::nn;

namespace {
LogicalResult verifyCrossEntropy(Operation *op, Value logits, Value labels, Value mixLabels,
                                 Value mixWeight, double smoothing) {
  auto z = shapeOf(logits), y = shapeOf(labels);
  // cross_entropy_loss_c1, cross_entropy_backward_c1
  if (z.size() != 2 || z[0] != y[0])
    return op->emitOpError() << "logits " << shapeText(z) << " and labels " << shapeText(y)
                             << " must have equally many rows";
  // cross_entropy_loss_c2, cross_entropy_backward_c2
  if (!(smoothing >= 0 && smoothing < 1))
    return op->emitOpError() << "label_smoothing must be in [0, 1), got " << smoothing;
  // cross_entropy_loss_c3, cross_entropy_backward_c3
  if (bool(mixLabels) != bool(mixWeight))
    return op->emitOpError("has only one of mix_labels and mix_weight");
  for (Value mix : {mixLabels, mixWeight})
    if (mix && shapeOf(mix) != y)
      return op->emitOpError() << "mix_labels and mix_weight must be (rows) = " << shapeText(y)
                               << ", got " << shapeText(shapeOf(mix));
  return success();
}
} // namespace

LogicalResult CrossEntropyLossOp::verify() {
  for (Value row : {getLoss(), getCorrect()})
    if (shapeOf(row) != shapeOf(getLabels())) // cross_entropy_loss_c1
      return emitOpError() << "loss and correct must be (rows) = "
                           << shapeText(shapeOf(getLabels())) << ", got "
                           << shapeText(shapeOf(row));
  return verifyCrossEntropy(*this, getLogits(), getLabels(), getMixLabels(), getMixWeight(),
                            getLabelSmoothing().convertToDouble());
}

void CrossEntropyLossOp::buildBackward(OpBuilder &builder, ValueRange, const llvm::BitVector &,
                                       SmallVectorImpl<Value> &operands) {
  operands[0] = CrossEntropyBackwardOp::create(
      builder, getLoc(), getLogits().getType(), getLogits(), getLabels(), getControl(),
      getMixLabels(), getMixWeight(), getLabelSmoothingAttr());
}

LogicalResult CrossEntropyBackwardOp::verify() {
  return verifyCrossEntropy(*this, getLogits(), getLabels(), getMixLabels(), getMixWeight(),
                            getLabelSmoothing().convertToDouble());
}

LogicalResult BatchMetricsOp::verify() {
  // batch_metrics_c1
  if (getLoss().getType() != getCorrect().getType() || shapeOf(getLoss()).size() != 1)
    return emitOpError() << "loss " << shapeText(shapeOf(getLoss())) << " and correct "
                         << shapeText(shapeOf(getCorrect())) << " must be (rows)";
  // batch_metrics_c2
  if (getResult().getType().getNumElements() != 16)
    return emitOpError() << "result must have 16 elements, got " << shapeText(shapeOf(getResult()));
  return success();
}
