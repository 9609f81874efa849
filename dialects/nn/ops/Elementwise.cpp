// Verifiers and gradients of the element-wise operations.
#include "dialects/nn/NN.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace danaus::nn;

namespace {
bool isSuffix(ArrayRef<int64_t> suffix, ArrayRef<int64_t> shape) {
  return suffix.size() <= shape.size() && shape.take_back(suffix.size()) == suffix;
}
} // namespace

LogicalResult AddOp::verify() {
  // add_c1
  if (!isSuffix(shapeOf(getRhs()), shapeOf(getLhs())))
    return emitOpError() << "cannot add " << shapeText(shapeOf(getRhs())) << " to "
                         << shapeText(shapeOf(getLhs()))
                         << ": the right shape must be a suffix of the left one";
  return success();
}

void AddOp::buildBackward(OpBuilder &builder, ValueRange gradients, const llvm::BitVector &wanted,
                          SmallVectorImpl<Value> &operands) {
  operands[0] = gradients[0];
  if (!wanted[1])
    return;
  operands[1] = gradients[0];
  if (getRhs().getType() != getLhs().getType())
    operands[1] = SumLeadingOp::create(builder, getLoc(), getRhs().getType(), gradients[0]);
}

LogicalResult SumLeadingOp::verify() {
  auto in = shapeOf(getInput()), out = shapeOf(getResult());
  // sum_leading_c1
  if (out.size() >= in.size() || !isSuffix(out, in))
    return emitOpError() << "result " << shapeText(out) << " is not a proper suffix of input "
                         << shapeText(in);
  return success();
}

void ReluOp::buildBackward(OpBuilder &builder, ValueRange gradients, const llvm::BitVector &,
                           SmallVectorImpl<Value> &operands) {
  operands[0] = ReluBackwardOp::create(builder, getLoc(), getType(), getResult(), gradients[0]);
}

void GeluOp::buildBackward(OpBuilder &builder, ValueRange gradients, const llvm::BitVector &,
                           SmallVectorImpl<Value> &operands) {
  operands[0] = GeluBackwardOp::create(builder, getLoc(), getType(), getInput(), gradients[0]);
}

void GeluTanhOp::buildBackward(OpBuilder &builder, ValueRange gradients, const llvm::BitVector &,
                               SmallVectorImpl<Value> &operands) {
  operands[0] = GeluTanhBackwardOp::create(builder, getLoc(), getType(), getInput(), gradients[0]);
}
