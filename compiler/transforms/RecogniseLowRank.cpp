// nn-recognise, the low-rank part: two linears in a row through a narrow middle. By now products
// with weights are linears and additions are biases, so every spelling of the chain looks alike
// here.
#include "compiler/transforms/Recognise.h"

using namespace mlir;
using namespace danaus;

namespace {

/// The linear whose result reaches `value` through element-wise operations, and the last of these;
/// nulls where there is none of either.
std::pair<nn::LinearOp, Operation *> linearBehindElementwise(Value value) {
  Operation *between = value.getDefiningOp(), *op = between;
  while (isa_and_nonnull<nn::ReluOp, nn::GeluOp, nn::GeluTanhOp, nn::AddOp>(op))
    op = op->getOperand(0).getDefiningOp();
  if (op == between)
    return {};
  return {dyn_cast_if_present<nn::LinearOp>(op), between};
}

int64_t narrowestSide(nn::LinearOp inner, nn::LinearOp outer) {
  return std::min(inner.getInFeatures(), outer.getOutFeatures());
}

void recognisePair(nn::LinearOp outer) {
  auto remark = [&] { return outer.emitRemark() << "not a low-rank linear: "; };
  auto inner = outer.getInput().getDefiningOp<nn::LinearOp>();
  if (!inner) {
    auto [behind, between] = linearBehindElementwise(outer.getInput());
    if (behind && behind.getOutFeatures() < narrowestSide(behind, outer))
      remark() << between->getName() << " stands between the two products";
    return;
  }
  int64_t width = inner.getOutFeatures(), narrowest = narrowestSide(inner, outer);
  if (width >= narrowest) {
    remark() << "inner width " << width << " is not below min(in, out) = " << narrowest
             << ": no gain";
    return;
  }
  if (inner.getBias()) {
    remark() << "a bias is added between the two products";
    return;
  }
  if (!inner.getResult().hasOneUse()) {
    remark() << "the intermediate " << nn::shapeText(nn::shapeOf(inner.getResult()))
             << " has another user";
    return;
  }
  OpBuilder builder(outer);
  auto lowRank =
      nn::LowRankLinearOp::create(builder, outer.getLoc(), outer.getType(), inner.getInput(),
                                  inner.getWeight(), outer.getWeight(), outer.getBias());
  outer.replaceAllUsesWith(lowRank.getResult());
  outer.erase();
  inner.erase();
}

} // namespace

void recognise::recogniseLowRank(func::FuncOp function) {
  SmallVector<nn::LinearOp> linears;
  function.walk([&](nn::LinearOp op) { linears.push_back(op); });
  // Whoever is merged as the inner one was visited before as the outer one.
  for (nn::LinearOp op : linears)
    recognisePair(op);
}
