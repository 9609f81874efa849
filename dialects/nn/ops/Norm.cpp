// Verifiers and gradients of layer normalisation.
#include "dialects/nn/NN.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace danaus::nn;

namespace {
/// input (rows, C), a vector of C elements, a vector of rows.
LogicalResult verifyRows(Operation *op, Value input, Value columns, Value rows) {
  auto x = shapeOf(input);
  // layer_norm_c1, layer_norm_backward_c1, layer_norm_weight_backward_c1
  if (x.size() != 2)
    return op->emitOpError() << "input " << shapeText(x) << " must be (rows, C)";
  if (shapeOf(columns) != x.drop_front())
    return op->emitOpError() << "weight and bias must be (C) = " << x[1] << ", got "
                             << shapeText(shapeOf(columns));
  // layer_norm_c2
  if (shapeOf(rows) != x.take_front())
    return op->emitOpError() << "mean and rstd must be (rows) = " << x[0] << ", got "
                             << shapeText(shapeOf(rows));
  return success();
}
} // namespace

LogicalResult LayerNormOp::verify() {
  // layer_norm_c3
  if (!(getEpsilon().convertToDouble() > 0))
    return emitOpError() << "epsilon must be positive, got " << getEpsilon().convertToDouble();
  if (failed(verifyRows(*this, getInput(), getWeight(), getMean())))
    return failure();
  return verifyRows(*this, getInput(), getBias(), getMean());
}

LogicalResult LayerNormBackwardOp::verify() {
  return verifyRows(*this, getInput(), getWeight(), getMean());
}

LogicalResult LayerNormWeightBackwardOp::verify() {
  return verifyRows(*this, getInput(), getWeightGradient(), getMean());
}

void LayerNormOp::buildBackward(OpBuilder &builder, ValueRange gradients,
                                const llvm::BitVector &wanted, SmallVectorImpl<Value> &operands) {
  if (wanted[0])
    operands[0] = LayerNormBackwardOp::create(builder, getLoc(), getInput().getType(), getInput(),
                                              getWeight(), getMean(), getRstd(), gradients[0]);
  if (!wanted[1] && !wanted[2])
    return;
  auto weights = LayerNormWeightBackwardOp::create(builder, getLoc(), getWeight().getType(),
                                                   getBias().getType(), getInput(), getMean(),
                                                   getRstd(), gradients[0]);
  operands[1] = weights.getWeightGradient();
  operands[2] = weights.getBiasGradient();
}
