// The low-rank linear: two contractions in a row.
#include "dialects/nn/NN.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace danaus::nn;

LogicalResult LowRankLinearOp::verify() {
  auto x = shapeOf(getInput()), down = shapeOf(getDown()), up = shapeOf(getUp()),
       y = shapeOf(getResult());
  // low_rank_linear_c1
  if (x.size() != 2 || y.size() != 2 || x[0] != y[0])
    return emitOpError() << "input " << shapeText(x) << " and result " << shapeText(y)
                         << " must be matrices of equally many rows";
  // low_rank_linear_c2
  if (down.size() != 2 || down[1] != x[1])
    return emitOpError() << "down " << shapeText(down) << " must be (r, in) with in = " << x[1];
  // low_rank_linear_c3
  if (up.size() != 2 || up[0] != y[1] || up[1] != down[0])
    return emitOpError() << "up " << shapeText(up) << " must be (out, r) = " << y[1] << "x"
                         << down[0];
  // low_rank_linear_c4
  if (getBias() && shapeOf(getBias()) != y.drop_front())
    return emitOpError() << "bias " << shapeText(shapeOf(getBias())) << " must be (out) = " << y[1];
  return success();
}

int64_t LowRankLinearOp::getInFeatures() { return shapeOf(getDown())[1]; }
int64_t LowRankLinearOp::getOutFeatures() { return shapeOf(getUp())[0]; }
std::string LowRankLinearOp::describeStructure() {
  return "low_rank r=" + std::to_string(shapeOf(getDown())[0]);
}
int64_t LowRankLinearOp::getParameterCount() {
  return getDown().getType().getNumElements() + getUp().getType().getNumElements() +
         (getBias() ? getOutFeatures() : 0);
}
int64_t LowRankLinearOp::getMacs() {
  return shapeOf(getInput())[0] *
         (getDown().getType().getNumElements() + getUp().getType().getNumElements());
}

Value LowRankLinearOp::buildContractions(OpBuilder &builder) {
  int64_t rows = shapeOf(getInput())[0], r = shapeOf(getDown())[0];
  auto hiddenType = tensorOf(getContext(), {rows, r});
  auto t = builder.getAffineDimExpr(0), o = builder.getAffineDimExpr(1),
       i = builder.getAffineDimExpr(2);
  auto map = [&](AffineExpr a, AffineExpr b) { return AffineMap::get(3, 0, {a, b}, getContext()); };
  auto maps = builder.getAffineMapArrayAttr({map(t, i), map(o, i), map(t, o)});
  Value hidden = ContractOp::create(builder, getLoc(), hiddenType, getInput(), getDown(),
                                    ArrayRef<int64_t>{rows, r, getInFeatures()}, maps);
  Value y = ContractOp::create(builder, getLoc(), getType(), hidden, getUp(),
                               ArrayRef<int64_t>{rows, getOutFeatures(), r}, maps);
  return getBias() ? AddOp::create(builder, getLoc(), getType(), y, getBias()).getResult() : y;
}
