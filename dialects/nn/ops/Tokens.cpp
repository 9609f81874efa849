// Verifiers and gradients of the operations on tokens.
#include "dialects/nn/NN.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace danaus::nn;

namespace {
LogicalResult verifyMean(Operation *op, Value tokens, Value mean) {
  auto x = shapeOf(tokens), y = shapeOf(mean);
  // mean_tokens_c1, mean_tokens_backward_c1
  if (x.size() != 3 || y.size() != 2 || y[0] != x[0] || y[1] != x[2])
    return op->emitOpError() << "tokens " << shapeText(x) << " and mean " << shapeText(y)
                             << " must be (batch, tokens, d) and (batch, d)";
  return success();
}
} // namespace

LogicalResult MeanTokensOp::verify() { return verifyMean(*this, getInput(), getResult()); }
LogicalResult MeanTokensBackwardOp::verify() {
  return verifyMean(*this, getResult(), getGradient());
}

void MeanTokensOp::buildBackward(OpBuilder &builder, ValueRange gradients, const llvm::BitVector &,
                                 SmallVectorImpl<Value> &operands) {
  operands[0] = MeanTokensBackwardOp::create(builder, getLoc(), getInput().getType(), gradients[0]);
}

LogicalResult DropoutOp::verify() {
  double rate = getRate().convertToDouble();
  // dropout_c1
  if (!(rate >= 0 && rate < 1))
    return emitOpError() << "rate must be in [0, 1), got " << rate;
  // dropout_c2
  auto shape = shapeOf(getInput());
  if (shape.empty())
    return emitOpError("input must have a dimension of samples");
  int64_t perSample = llvm::product_of(shape.drop_front());
  int64_t group = getGroup();
  if (group < 1 || perSample % group != 0)
    return emitOpError() << "group = " << group << " does not divide the " << perSample
                         << " elements of a sample";
  // dropout_c3
  if (getControl().getType().getNumElements() != 16)
    return emitOpError() << "control must have 16 elements, got "
                         << shapeText(shapeOf(getControl()));
  return success();
}

/// The same elements are dropped: the counters are the same.
void DropoutOp::buildBackward(OpBuilder &builder, ValueRange gradients, const llvm::BitVector &,
                              SmallVectorImpl<Value> &operands) {
  operands[0] = DropoutOp::create(builder, getLoc(), getType(), gradients[0], getControl(),
                                  getRateAttr(), getStreamAttr(), getGroupAttr());
}
