// The block-diagonal linear: one contraction with the blocks as a dimension that all three have.
#include "dialects/nn/NN.h"

#include "mlir/IR/Builders.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace danaus::nn;

int64_t BlockDiagonalLinearOp::getNumBlocks() { return shapeOf(getBlkdiag())[0]; }

LogicalResult BlockDiagonalLinearOp::verify() {
  auto x = shapeOf(getInput()), w = shapeOf(getBlkdiag()), y = shapeOf(getResult());
  // block_diagonal_linear_c1
  if (x.size() != 2 || y.size() != 2 || x[0] != y[0])
    return emitOpError() << "input " << shapeText(x) << " and result " << shapeText(y)
                         << " must be matrices of equally many rows";
  // block_diagonal_linear_c2
  if (w.size() != 3 || w[0] < 1 || w[1] != int64_t(llvm::divideCeil(y[1], w[0])) ||
      w[2] != int64_t(llvm::divideCeil(x[1], w[0])))
    return emitOpError() << "blkdiag " << shapeText(w)
                         << " must be (N, ceil(out / N), ceil(in / N)) with in = " << x[1]
                         << ", out = " << y[1];
  // block_diagonal_linear_c3
  if (getBias() && shapeOf(getBias()) != y.drop_front())
    return emitOpError() << "bias " << shapeText(shapeOf(getBias())) << " must be (out) = " << y[1];
  return success();
}

int64_t BlockDiagonalLinearOp::getInFeatures() { return shapeOf(getInput())[1]; }
int64_t BlockDiagonalLinearOp::getOutFeatures() { return shapeOf(getResult())[1]; }
std::string BlockDiagonalLinearOp::describeStructure() {
  return "block_diagonal N=" + std::to_string(getNumBlocks());
}
int64_t BlockDiagonalLinearOp::getParameterCount() {
  return getBlkdiag().getType().getNumElements() + (getBias() ? getOutFeatures() : 0);
}
int64_t BlockDiagonalLinearOp::getMacs() {
  return shapeOf(getInput())[0] * getBlkdiag().getType().getNumElements();
}

Value BlockDiagonalLinearOp::buildContractions(OpBuilder &builder) {
  auto w = shapeOf(getBlkdiag());
  int64_t rows = shapeOf(getInput())[0], blocks = w[0], s = w[1], p = w[2];
  auto d = [&](unsigned i) { return builder.getAffineDimExpr(i); };
  auto map = [&](ArrayRef<AffineExpr> exprs) { return AffineMap::get(4, 0, exprs, getContext()); };
  // y[t, k*s + o] = sum_i x[t, k*p + i] * blkdiag[k, o, i], dimensions (t, k, o, i)
  Value y = ContractOp::create(
      builder, getLoc(), getType(), getInput(), getBlkdiag(), ArrayRef<int64_t>{rows, blocks, s, p},
      builder.getAffineMapArrayAttr(
          {map({d(0), d(1) * p + d(3)}), map({d(1), d(2), d(3)}), map({d(0), d(1) * s + d(2)})}));
  return getBias() ? AddOp::create(builder, getLoc(), getType(), y, getBias()).getResult() : y;
}
