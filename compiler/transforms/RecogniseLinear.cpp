// nn-recognise, the dense part: a product with a weight is a linear, and an addition after a linear
// of any structure is its bias.
#include "compiler/transforms/Recognise.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace danaus;

namespace {

void recogniseLinear(nn::MatmulOp op, recognise::Weights &weights) {
  bool left = weights.contains(op.getLhs()), right = weights.contains(op.getRhs());
  if (left && right)
    return; // a weight computed from weights
  if (left || !right) {
    op.emitRemark() << "not a linear: "
                    << (left ? "the parameter is the left factor, and a linear is x times W^T; "
                               "write it as matmul(x, transpose(W))"
                             : "neither factor is computed from parameters alone");
    return;
  }
  OpBuilder builder(op);
  Value weight = recognise::transposed(builder, op.getRhs());
  auto linear = nn::LinearOp::create(builder, op.getLoc(), op.getType(), op.getLhs(), weight,
                                     /*bias=*/Value());
  op.replaceAllUsesWith(linear.getResult());
  op.erase();
}

/// Moves a following addition of (out) into the linear, which moves to the addition's place, where
/// the bias is known.
template <typename Linear> void absorbBias(Linear op) {
  if (op.getBias() || !op.getResult().hasOneUse())
    return;
  auto add = dyn_cast<nn::AddOp>(*op.getResult().user_begin());
  if (!add || add.getLhs() != op.getResult() || nn::shapeOf(add.getRhs()).size() != 1)
    return;
  op->moveBefore(add);
  op.getBiasMutable().assign(add.getRhs());
  op->setLoc(add.getLoc());
  add.replaceAllUsesWith(op.getResult());
  add.erase();
}

} // namespace

void recognise::recogniseLinears(func::FuncOp function, Weights &weights) {
  SmallVector<nn::MatmulOp> products;
  function.walk([&](nn::MatmulOp op) { products.push_back(op); });
  for (nn::MatmulOp op : products)
    recogniseLinear(op, weights);
}

void recognise::absorbBiases(func::FuncOp function) {
  SmallVector<Operation *> linears;
  function.walk([&](nn::StructuredLinearOpInterface op) { linears.push_back(op); });
  for (Operation *op : linears)
    TypeSwitch<Operation *>(op)
        .Case<nn::LinearOp, nn::LowRankLinearOp, nn::MonarchLinearOp, nn::BlockDiagonalLinearOp>(
            [](auto linear) { absorbBias(linear); });
}
