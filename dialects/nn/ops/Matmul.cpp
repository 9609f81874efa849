// Verifiers, costs and gradients of the matrix products.
#include "dialects/nn/NN.h"

#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace danaus::nn;

// --- matmul -------------------------------------------------------------------------------------

LogicalResult MatmulOp::verify() {
  auto a = shapeOf(getLhs()), b = shapeOf(getRhs()), c = shapeOf(getResult());
  // matmul_c1
  if (a.size() != 2 || b.size() != 2 || c.size() != 2)
    return emitOpError() << "expects matrices, got " << shapeText(a) << " and " << shapeText(b);
  // matmul_c2
  if (a[1] != b[0])
    return emitOpError() << "inner dimensions differ: " << shapeText(a) << " times "
                         << shapeText(b);
  // matmul_c3
  if (c[0] != a[0] || c[1] != b[1])
    return emitOpError() << "result of " << shapeText(a) << " times " << shapeText(b)
                         << " cannot be " << shapeText(c);
  return success();
}

int64_t MatmulOp::getMacs() {
  return shapeOf(getLhs())[0] * shapeOf(getLhs())[1] * shapeOf(getRhs())[1];
}

// --- batch_matmul -------------------------------------------------------------------------------

LogicalResult BatchMatmulOp::verify() {
  auto a = shapeOf(getLhs()), b = shapeOf(getRhs()), c = shapeOf(getResult());
  // batch_matmul_c1
  if (a.size() != 3 || b.size() != 3 || c.size() != 3)
    return emitOpError() << "expects rank 3, got " << shapeText(a) << " and " << shapeText(b);
  // batch_matmul_c2
  if (a[0] != b[0])
    return emitOpError() << "batch dimensions differ: " << shapeText(a) << " times "
                         << shapeText(b);
  // batch_matmul_c3
  if (a[2] != b[1])
    return emitOpError() << "inner dimensions differ: " << shapeText(a) << " times "
                         << shapeText(b);
  // batch_matmul_c4
  if (c[0] != a[0] || c[1] != a[1] || c[2] != b[2])
    return emitOpError() << "result of " << shapeText(a) << " times " << shapeText(b)
                         << " cannot be " << shapeText(c);
  return success();
}

int64_t BatchMatmulOp::getMacs() {
  return getLhs().getType().getNumElements() * shapeOf(getRhs())[2];
}

// --- linear -------------------------------------------------------------------------------------

LogicalResult LinearOp::verify() {
  auto x = shapeOf(getInput()), w = shapeOf(getWeight()), y = shapeOf(getResult());
  // linear_c1
  if (x.size() != 2 || y.size() != 2 || x[0] != y[0])
    return emitOpError() << "input " << shapeText(x) << " and result " << shapeText(y)
                         << " must be matrices of equally many rows";
  // linear_c2
  if (w.size() != 2 || w[0] != y[1] || w[1] != x[1])
    return emitOpError() << "weight " << shapeText(w) << " must be (out, in) = " << y[1] << "x"
                         << x[1];
  // linear_c3
  if (getBias() && shapeOf(getBias()) != y.drop_front())
    return emitOpError() << "bias " << shapeText(shapeOf(getBias())) << " must be (out) = " << y[1];
  return success();
}

int64_t LinearOp::getInFeatures() { return shapeOf(getWeight())[1]; }
int64_t LinearOp::getOutFeatures() { return shapeOf(getWeight())[0]; }
std::string LinearOp::describeStructure() { return "dense"; }
int64_t LinearOp::getParameterCount() {
  return getWeight().getType().getNumElements() + (getBias() ? getOutFeatures() : 0);
}
int64_t LinearOp::getMacs() {
  return shapeOf(getInput())[0] * getWeight().getType().getNumElements();
}

Value LinearOp::buildContractions(OpBuilder &builder) {
  int64_t rows = shapeOf(getInput())[0];
  auto t = builder.getAffineDimExpr(0), o = builder.getAffineDimExpr(1),
       i = builder.getAffineDimExpr(2);
  auto map = [&](AffineExpr a, AffineExpr b) { return AffineMap::get(3, 0, {a, b}, getContext()); };
  Value y = ContractOp::create(builder, getLoc(), getType(), getInput(), getWeight(),
                               ArrayRef<int64_t>{rows, getOutFeatures(), getInFeatures()},
                               builder.getAffineMapArrayAttr({map(t, i), map(o, i), map(t, o)}));
  return getBias() ? AddOp::create(builder, getLoc(), getType(), y, getBias()).getResult() : y;
}

// --- contract -----------------------------------------------------------------------------------

namespace {
/// The terms of an affine expression that is a sum of non-negative multiples of dimensions;
/// failure where it is something else.
FailureOr<SmallVector<int64_t>> coefficientsOf(AffineExpr expr, unsigned dims) {
  SmallVector<int64_t> coefficients(dims);
  SmallVector<std::pair<AffineExpr, int64_t>> work{{expr, 1}};
  while (!work.empty()) {
    auto [e, factor] = work.pop_back_val();
    if (auto dim = dyn_cast<AffineDimExpr>(e)) {
      coefficients[dim.getPosition()] += factor;
    } else if (auto constant = dyn_cast<AffineConstantExpr>(e)) {
      if (constant.getValue() != 0)
        return failure();
    } else if (e.getKind() == AffineExprKind::Add) {
      auto sum = cast<AffineBinaryOpExpr>(e);
      work.push_back({sum.getLHS(), factor});
      work.push_back({sum.getRHS(), factor});
    } else if (e.getKind() == AffineExprKind::Mul) {
      auto product = cast<AffineBinaryOpExpr>(e);
      auto scale = dyn_cast<AffineConstantExpr>(product.getRHS());
      if (!scale || scale.getValue() < 0)
        return failure();
      work.push_back({product.getLHS(), factor * scale.getValue()});
    } else {
      return failure();
    }
  }
  return coefficients;
}

/// Whether the map sends different points of the dimensions it uses to different indices.
bool isInjective(AffineMap map, ArrayRef<int64_t> sizes) {
  llvm::BitVector used(sizes.size());
  for (AffineExpr expr : map.getResults()) {
    auto coefficients = coefficientsOf(expr, sizes.size());
    if (failed(coefficients))
      return false;
    SmallVector<std::pair<int64_t, int64_t>> terms; // coefficient, size
    for (auto [dim, coefficient] : llvm::enumerate(*coefficients)) {
      if (coefficient == 0)
        continue;
      if (used[dim])
        return false;
      used.set(dim);
      terms.push_back({coefficient, sizes[dim]});
    }
    llvm::sort(terms);
    int64_t reach = 0;
    for (auto [coefficient, size] : terms) {
      if (coefficient <= reach && size > 1)
        return false;
      reach += coefficient * (size - 1);
    }
  }
  return true;
}
} // namespace

LogicalResult ContractOp::verify() {
  auto sizes = getSizes();
  Value indexed[] = {getLhs(), getRhs(), getResult()};
  static constexpr const char *names[] = {"lhs", "rhs", "result"};
  // contract_c1
  if (getMaps().size() != 3)
    return emitOpError() << "expects three maps (lhs, rhs, result), got " << getMaps().size();
  for (unsigned i = 0; i < 3; ++i)
    if (getMap(i).getNumDims() != sizes.size() ||
        getMap(i).getNumResults() != shapeOf(indexed[i]).size())
      return emitOpError() << "map of " << names[i] << " has " << getMap(i).getNumDims()
                           << " dimensions and " << getMap(i).getNumResults()
                           << " results, expected " << sizes.size() << " and "
                           << shapeOf(indexed[i]).size();
  // contract_c2
  for (int64_t size : sizes)
    if (size < 1)
      return emitOpError() << "sizes must be at least 1, got [" << sizes << "]";
  // contract_c3
  for (unsigned dim = 0; dim < sizes.size(); ++dim)
    if (getMap(0).isFunctionOfDim(dim) + getMap(1).isFunctionOfDim(dim) +
            getMap(2).isFunctionOfDim(dim) <
        2)
      return emitOpError() << "dimension d" << dim << " occurs in fewer than two maps";
  // contract_c4
  for (unsigned i = 0; i < 3; ++i)
    for (AffineExpr expr : getMap(i).getResults())
      if (failed(coefficientsOf(expr, sizes.size())))
        return emitOpError() << "map of " << names[i]
                             << " is not a sum of non-negative multiples of dimensions";
  // contract_c5
  if (!isInjective(getMap(2), sizes))
    return emitOpError() << "the result's map writes an element from several points";
  return success();
}

int64_t ContractOp::getMacs() {
  int64_t macs = 1;
  for (int64_t size : getSizes())
    macs *= size;
  return macs;
}

void ContractOp::buildBackward(OpBuilder &builder, ValueRange gradients,
                               const llvm::BitVector &wanted, SmallVectorImpl<Value> &operands) {
  if (wanted[0])
    operands[0] = ContractOp::create(
        builder, getLoc(), getLhs().getType(), gradients[0], getRhs(), getSizes(),
        builder.getAffineMapArrayAttr({getMap(2), getMap(1), getMap(0)}));
  if (wanted[1])
    operands[1] = ContractOp::create(
        builder, getLoc(), getRhs().getType(), gradients[0], getLhs(), getSizes(),
        builder.getAffineMapArrayAttr({getMap(2), getMap(0), getMap(1)}));
}
