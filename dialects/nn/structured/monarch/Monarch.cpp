// The Monarch linear: two block-diagonal contractions whose index maps hold the permutation, so
// that nothing is moved at run time.
#include "dialects/nn/NN.h"

#include "mlir/IR/Builders.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace danaus::nn;

int64_t MonarchLinearOp::getNumBlocks() { return shapeOf(getBlkdiag1())[0]; }

LogicalResult MonarchLinearOp::verify() {
  auto x = shapeOf(getInput()), w1 = shapeOf(getBlkdiag1()), w2 = shapeOf(getBlkdiag2()),
       y = shapeOf(getResult());
  // monarch_linear_c1
  if (x.size() != 2 || y.size() != 2 || x[0] != y[0])
    return emitOpError() << "input " << shapeText(x) << " and result " << shapeText(y)
                         << " must be matrices of equally many rows";
  // monarch_linear_c2
  if (w1.size() != 3 || w1[0] < 1 || w1[2] != int64_t(llvm::divideCeil(x[1], w1[0])))
    return emitOpError() << "blkdiag1 " << shapeText(w1)
                         << " must be (N, q, ceil(in / N)) with in = " << x[1];
  // monarch_linear_c3
  if (w2.size() != 3 || w2[0] != w1[0] || w2[2] != w1[1] ||
      w2[1] != int64_t(llvm::divideCeil(y[1], w1[0])))
    return emitOpError() << "blkdiag2 " << shapeText(w2)
                         << " must be (N, ceil(out / N), q) = " << w1[0] << "x"
                         << llvm::divideCeil(y[1], w1[0]) << "x" << w1[1];
  // monarch_linear_c4
  if (getBias() && shapeOf(getBias()) != y.drop_front())
    return emitOpError() << "bias " << shapeText(shapeOf(getBias())) << " must be (out) = " << y[1];
  return success();
}

int64_t MonarchLinearOp::getInFeatures() { return shapeOf(getInput())[1]; }
int64_t MonarchLinearOp::getOutFeatures() { return shapeOf(getResult())[1]; }
std::string MonarchLinearOp::describeStructure() {
  return "monarch N=" + std::to_string(getNumBlocks());
}
int64_t MonarchLinearOp::getParameterCount() {
  return getBlkdiag1().getType().getNumElements() + getBlkdiag2().getType().getNumElements() +
         (getBias() ? getOutFeatures() : 0);
}
int64_t MonarchLinearOp::getMacs() {
  return shapeOf(getInput())[0] *
         (getBlkdiag1().getType().getNumElements() + getBlkdiag2().getType().getNumElements());
}

Value MonarchLinearOp::buildContractions(OpBuilder &builder) {
  auto w1 = shapeOf(getBlkdiag1()), w2 = shapeOf(getBlkdiag2());
  int64_t rows = shapeOf(getInput())[0], blocks = w1[0], q = w1[1], p = w1[2], s = w2[1];
  auto hiddenType = tensorOf(getContext(), {rows, blocks * q});
  auto d = [&](unsigned i) { return builder.getAffineDimExpr(i); };
  auto map = [&](ArrayRef<AffineExpr> exprs) { return AffineMap::get(4, 0, exprs, getContext()); };
  // h[t, k*q + a] = sum_i x[t, k*p + i] * blkdiag1[k, a, i], dimensions (t, k, a, i)
  Value hidden = ContractOp::create(
      builder, getLoc(), hiddenType, getInput(), getBlkdiag1(),
      ArrayRef<int64_t>{rows, blocks, q, p},
      builder.getAffineMapArrayAttr(
          {map({d(0), d(1) * p + d(3)}), map({d(1), d(2), d(3)}), map({d(0), d(1) * q + d(2)})}));
  // y[t, o*N + l] = sum_c h[t, c*N + l] * blkdiag2[l, o, c], dimensions (t, l, o, c)
  Value y = ContractOp::create(
      builder, getLoc(), getType(), hidden, getBlkdiag2(), ArrayRef<int64_t>{rows, blocks, s, q},
      builder.getAffineMapArrayAttr({map({d(0), d(3) * blocks + d(1)}), map({d(1), d(2), d(3)}),
                                     map({d(0), d(2) * blocks + d(1)})}));
  return getBias() ? AddOp::create(builder, getLoc(), getType(), y, getBias()).getResult() : y;
}
