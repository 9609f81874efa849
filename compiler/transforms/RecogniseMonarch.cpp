// nn-recognise, the Monarch part: two batched products with weights, and between, before and after
// them only movements of elements. Whether those are Monarch's is decided element by element,
// however they are written.
#include "compiler/transforms/ElementMovement.h"
#include "compiler/transforms/Recognise.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::recognise;

namespace {

using Index = ArrayRef<int64_t>;

/// Calls `visit` for every index of the shape until it returns false.
bool allIndices(Index shape, llvm::function_ref<bool(Index)> visit) {
  SmallVector<int64_t> index(shape.size(), 0);
  while (true) {
    if (!visit(index))
      return false;
    size_t dim = shape.size();
    while (dim > 0 && ++index[dim - 1] == shape[dim - 1])
      index[--dim] = 0;
    if (dim == 0)
      return true;
  }
}

/// The product at the other end of the movements behind `value`.
nn::BatchMatmulOp productBehind(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (auto product = dyn_cast<nn::BatchMatmulOp>(op))
      return product;
    if (!movesElements(op))
      return {};
    value = op->getOperand(0);
  }
  return {};
}

class Candidate {
public:
  Candidate(nn::BatchMatmulOp inner, nn::BatchMatmulOp outer)
      : inner(inner), outer(outer), blocks(nn::shapeOf(inner.getLhs())[0]),
        rows(nn::shapeOf(inner.getLhs())[1]), p(nn::shapeOf(inner.getLhs())[2]),
        q(nn::shapeOf(inner.getResult())[2]), s(nn::shapeOf(outer.getResult())[2]) {}

  void rewrite() {
    if (!hasEqualBlocks() || !middleIsPrivate() || !middleIsMonarch())
      return;
    Value x = findInput(), y = findOutput();
    if (!x) {
      refuse("the input is not (rows, in) in contiguous blocks of " + Twine(p));
      return;
    }
    if (!y) {
      refuse("the result is not (rows, out) with element o*" + Twine(blocks) +
             "+l from block l, position o");
      return;
    }
    OpBuilder builder(y.getDefiningOp());
    auto monarch = nn::MonarchLinearOp::create(
        builder, outer.getLoc(), y.getType(), x, transposed(builder, inner.getRhs()),
        transposed(builder, outer.getRhs()), /*bias=*/Value());
    y.replaceAllUsesWith(monarch.getResult());
  }

private:
  bool refuse(const Twine &why) {
    outer.emitRemark() << "not a Monarch linear: " << why;
    return false;
  }

  bool hasEqualBlocks() {
    int64_t second = nn::shapeOf(outer.getLhs())[0], width = nn::shapeOf(outer.getLhs())[2];
    if (blocks != second || width != q)
      return refuse("the factors have " + Twine(blocks) + " blocks of " + Twine(q) + " and " +
                    Twine(second) + " blocks of " + Twine(width) +
                    "; this form needs equal blocks");
    if (nn::shapeOf(outer.getLhs())[1] != rows)
      return refuse("the rows of the two products differ: " + Twine(rows) + " and " +
                    Twine(nn::shapeOf(outer.getLhs())[1]));
    return true;
  }

  bool middleIsPrivate() {
    for (Value value = outer.getLhs(); true; value = value.getDefiningOp()->getOperand(0)) {
      if (!value.hasOneUse())
        return refuse("the intermediate " + nn::shapeText(nn::shapeOf(value)) +
                      " has another user");
      if (value == inner.getResult())
        return true;
    }
  }

  /// Hidden element k*q + a meets c*N + l.
  bool middleIsMonarch() {
    auto movement = ElementMovement::between(inner.getResult(), outer.getLhs());
    movement->dropRows(1, 1);
    return allIndices(movement->resultShape(), [&](Index at) {
      auto from = movement->sourceOf(at);
      int64_t wanted = at[2] * blocks + at[0];
      if (from && (*from)[1] == at[1] && (*from)[0] * q + (*from)[2] == wanted)
        return true;
      int64_t found = from ? (*from)[0] * q + (*from)[2] : -1;
      return refuse("hidden element " + Twine(found) + " meets block " + Twine(at[0]) +
                    ", position " + Twine(at[2]) + "; Monarch needs element " + Twine(wanted) +
                    " there");
    });
  }

  /// Element (k, t, i) of the first product's input is x[t, k*p + i], or zero past x's end.
  bool isInput(Value x) {
    auto shape = nn::shapeOf(x);
    if (shape.size() != 2 || shape[0] != rows || int64_t(llvm::divideCeil(shape[1], blocks)) != p)
      return false;
    auto movement = ElementMovement::between(x, inner.getLhs());
    movement->dropRows(0, 1);
    return allIndices(movement->resultShape(), [&](Index at) {
      auto from = movement->sourceOf(at);
      int64_t feature = at[0] * p + at[2];
      return feature >= shape[1] ? !from : from && (*from)[0] == at[1] && (*from)[1] == feature;
    });
  }

  /// The farthest value back that is the layer's input: padding belongs to the layer.
  Value findInput() {
    Value best;
    for (Value value = inner.getLhs(); true; value = value.getDefiningOp()->getOperand(0)) {
      if (isInput(value))
        best = value;
      if (!movesElements(value.getDefiningOp()))
        return best;
    }
  }

  /// Element (t, o*N + l) of y is element (l, t, o) of the second product.
  bool isOutput(Value y) {
    auto shape = nn::shapeOf(y);
    if (shape.size() != 2 || shape[0] != rows || int64_t(llvm::divideCeil(shape[1], blocks)) != s)
      return false;
    auto movement = ElementMovement::between(outer.getResult(), y);
    movement->dropRows(1, 0);
    return allIndices(movement->resultShape(), [&](Index at) {
      auto from = movement->sourceOf(at);
      return from && (*from)[1] == at[0] && (*from)[2] * blocks + (*from)[0] == at[1];
    });
  }

  Value findOutput() {
    Value best;
    for (Value value = outer.getResult(); true;) {
      if (isOutput(value))
        best = value;
      if (!value.hasOneUse() || !movesElements(*value.user_begin()))
        return best;
      value = (*value.user_begin())->getResult(0);
    }
  }

  nn::BatchMatmulOp inner, outer;
  int64_t blocks, rows, p, q, s;
};

} // namespace

void recognise::recogniseMonarch(func::FuncOp function, Weights &weights) {
  SmallVector<nn::BatchMatmulOp> products;
  function.walk([&](nn::BatchMatmulOp op) { products.push_back(op); });
  for (nn::BatchMatmulOp outer : products) {
    nn::BatchMatmulOp inner = productBehind(outer.getLhs());
    if (!inner || !weights.contains(outer.getRhs()))
      continue;
    if (!weights.contains(inner.getRhs())) {
      outer.emitRemark()
          << "not a Monarch linear: the first product's right factor is not a weight";
      continue;
    }
    Candidate(inner, outer).rewrite();
  }
}
