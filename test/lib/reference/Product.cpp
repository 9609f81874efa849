// Matrix products, contractions and the linears: the sums as their descriptions write them.
#include "test/lib/reference/Evaluate.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::reference;

namespace {

/// The element, or 0 past the end of any dimension.
double read(const Tensor &tensor, ArrayRef<int64_t> index) {
  for (auto [i, size] : llvm::zip_equal(index, tensor.shape))
    if (i >= size)
      return 0;
  return tensor.data[offsetOf(index, tensor.shape)];
}

/// Adds to the element; dropped past the end of any dimension.
void addTo(Tensor &tensor, ArrayRef<int64_t> index, double value) {
  for (auto [i, size] : llvm::zip_equal(index, tensor.shape))
    if (i >= size)
      return;
  tensor.data[offsetOf(index, tensor.shape)] += value;
}

void addBias(Tensor &y, const Tensor *bias) {
  for (int64_t i = 0; bias && i < y.size(); ++i)
    y.data[i] += bias->data[i % bias->size()];
}

Tensor evaluate(nn::MatmulOp op, const Values &values) {
  const Tensor &a = values[op.getLhs()], &b = values[op.getRhs()];
  Tensor result = zerosLike(op.getResult());
  int64_t m = a.shape[0], k = a.shape[1], n = b.shape[1];
  forEachIndex({m, n, k}, [&](ArrayRef<int64_t> d) {
    addTo(result, {d[0], d[1]}, read(a, {d[0], d[2]}) * read(b, {d[2], d[1]}));
  });
  return result;
}

Tensor evaluate(nn::BatchMatmulOp op, const Values &values) {
  const Tensor &a = values[op.getLhs()], &b = values[op.getRhs()];
  Tensor result = zerosLike(op.getResult());
  forEachIndex({a.shape[0], a.shape[1], b.shape[2], a.shape[2]}, [&](ArrayRef<int64_t> d) {
    addTo(result, {d[0], d[1], d[2]}, read(a, {d[0], d[1], d[3]}) * read(b, {d[0], d[3], d[2]}));
  });
  return result;
}

/// x W^T, without bias.
Tensor timesTransposed(const Tensor &x, const Tensor &weight) {
  Tensor result({x.shape[0], weight.shape[0]});
  forEachIndex({x.shape[0], weight.shape[0], x.shape[1]}, [&](ArrayRef<int64_t> d) {
    addTo(result, {d[0], d[1]}, read(x, {d[0], d[2]}) * read(weight, {d[1], d[2]}));
  });
  return result;
}

Tensor evaluate(nn::LinearOp op, const Values &values) {
  Tensor y = timesTransposed(values[op.getInput()], values[op.getWeight()]);
  addBias(y, values.find(op.getBias()));
  return y;
}

Tensor evaluate(nn::LowRankLinearOp op, const Values &values) {
  Tensor hidden = timesTransposed(values[op.getInput()], values[op.getDown()]);
  Tensor y = timesTransposed(hidden, values[op.getUp()]);
  addBias(y, values.find(op.getBias()));
  return y;
}

Tensor evaluate(nn::MonarchLinearOp op, const Values &values) {
  const Tensor &x = values[op.getInput()], &w1 = values[op.getBlkdiag1()],
               &w2 = values[op.getBlkdiag2()];
  int64_t rows = x.shape[0], blocks = w1.shape[0], q = w1.shape[1], p = w1.shape[2],
          s = w2.shape[1];
  Tensor hidden({rows, blocks * q});
  forEachIndex({rows, blocks, q, p}, [&](ArrayRef<int64_t> d) {
    auto [t, k, a, i] = std::tuple(d[0], d[1], d[2], d[3]);
    addTo(hidden, {t, k * q + a}, read(w1, {k, a, i}) * read(x, {t, k * p + i}));
  });
  Tensor y = zerosLike(op.getResult());
  forEachIndex({rows, blocks, s, q}, [&](ArrayRef<int64_t> d) {
    auto [t, l, o, c] = std::tuple(d[0], d[1], d[2], d[3]);
    addTo(y, {t, o * blocks + l}, read(w2, {l, o, c}) * read(hidden, {t, c * blocks + l}));
  });
  addBias(y, values.find(op.getBias()));
  return y;
}

Tensor evaluate(nn::BlockDiagonalLinearOp op, const Values &values) {
  const Tensor &x = values[op.getInput()], &w = values[op.getBlkdiag()];
  Tensor y = zerosLike(op.getResult());
  forEachIndex({x.shape[0], w.shape[0], w.shape[1], w.shape[2]}, [&](ArrayRef<int64_t> d) {
    auto [t, k, o, i] = std::tuple(d[0], d[1], d[2], d[3]);
    addTo(y, {t, k * w.shape[1] + o}, read(w, {k, o, i}) * read(x, {t, k * w.shape[2] + i}));
  });
  addBias(y, values.find(op.getBias()));
  return y;
}

/// The value of an affine expression at a point.
int64_t valueOf(AffineExpr expr, ArrayRef<int64_t> point) {
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return point[dim.getPosition()];
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return constant.getValue();
  auto binary = cast<AffineBinaryOpExpr>(expr);
  int64_t lhs = valueOf(binary.getLHS(), point), rhs = valueOf(binary.getRHS(), point);
  return expr.getKind() == AffineExprKind::Add ? lhs + rhs : lhs * rhs; // contract_c4
}

SmallVector<int64_t> valuesOf(AffineMap map, ArrayRef<int64_t> point) {
  SmallVector<int64_t> index;
  for (AffineExpr expr : map.getResults())
    index.push_back(valueOf(expr, point));
  return index;
}

Tensor evaluate(nn::ContractOp op, const Values &values) {
  const Tensor &lhs = values[op.getLhs()], &rhs = values[op.getRhs()];
  Tensor result = zerosLike(op.getResult());
  forEachIndex(op.getSizes(), [&](ArrayRef<int64_t> d) {
    addTo(result, valuesOf(op.getMap(2), d),
          read(lhs, valuesOf(op.getMap(0), d)) * read(rhs, valuesOf(op.getMap(1), d)));
  });
  return result;
}

} // namespace

LogicalResult reference::evaluateProduct(Operation *op, Values &values) {
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case<nn::MatmulOp, nn::BatchMatmulOp, nn::LinearOp, nn::LowRankLinearOp, nn::MonarchLinearOp,
            nn::BlockDiagonalLinearOp, nn::ContractOp>([&](auto typed) {
        values.set(typed.getResult(), evaluate(typed, values));
        return success();
      })
      .Default([](Operation *) { return failure(); });
}
