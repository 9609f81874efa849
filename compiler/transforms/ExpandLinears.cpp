// nn-expand-linears: every linear and matrix product becomes contractions and a bias addition.
#include "compiler/Passes.h"
#include "dialects/nn/NN.h"

namespace danaus {
#define GEN_PASS_DEF_NNEXPANDLINEARS
#include "compiler/Passes.h.inc"
} // namespace danaus

using namespace mlir;
using namespace danaus;

namespace {

/// (b, m, k) x (b, k, n) -> (b, m, n); without b for rank 2.
Value expandProduct(OpBuilder &builder, Operation *op) {
  Value lhs = op->getOperand(0), rhs = op->getOperand(1);
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  unsigned batch = type.getRank() - 2;
  SmallVector<int64_t> sizes(type.getShape());
  sizes.push_back(nn::shapeOf(lhs).back());
  SmallVector<AffineExpr> left, right, out;
  for (unsigned i = 0; i < batch; ++i)
    for (auto *exprs : {&left, &right, &out})
      exprs->push_back(builder.getAffineDimExpr(i));
  auto m = builder.getAffineDimExpr(batch), n = builder.getAffineDimExpr(batch + 1),
       k = builder.getAffineDimExpr(batch + 2);
  left.append({m, k});
  right.append({k, n});
  out.append({m, n});
  auto map = [&](ArrayRef<AffineExpr> exprs) {
    return AffineMap::get(batch + 3, 0, exprs, builder.getContext());
  };
  return nn::ContractOp::create(builder, op->getLoc(), type, lhs, rhs, sizes,
                                builder.getAffineMapArrayAttr({map(left), map(right), map(out)}));
}

struct ExpandLinears : danaus::impl::NNExpandLinearsBase<ExpandLinears> {
  void runOnOperation() override {
    SmallVector<Operation *> products;
    getOperation().walk([&](Operation *op) {
      if (isa<nn::StructuredLinearOpInterface, nn::MatmulOp, nn::BatchMatmulOp>(op))
        products.push_back(op);
    });
    for (Operation *op : products) {
      OpBuilder builder(op);
      auto linear = dyn_cast<nn::StructuredLinearOpInterface>(op);
      Value result = linear ? linear.buildContractions(builder) : expandProduct(builder, op);
      op->getResult(0).replaceAllUsesWith(result);
      op->erase();
    }
  }
};

} // namespace
