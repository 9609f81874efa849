// nn-recognise, the Monarch part: two batched products with weights, and between, before and after
// them only movements of elements. Whether those are Monarch's is decided element by element,
// however they are written.
#include "compiler/transforms/BlockProducts.h"
#include "compiler/transforms/ElementMovement.h"
#include "compiler/transforms/Recognise.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::recognise;

namespace {

using Index = ArrayRef<int64_t>;

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
  Candidate(nn::BatchMatmulOp inner, nn::BatchMatmulOp outer, Refusals &refusals)
      : refusals(refusals), inner(inner), outer(outer), blocks(nn::shapeOf(inner.getLhs())[0]),
        rows(nn::shapeOf(inner.getLhs())[1]), p(nn::shapeOf(inner.getLhs())[2]),
        q(nn::shapeOf(inner.getResult())[2]) {}

  void rewrite() {
    if (!hasEqualBlocks() || !middleIsPrivate() || !middleIsMonarch())
      return;
    // Element (t, o*N + l) of the result is element (l, t, o) of the second product.
    Value x = blockInputOf(inner), y = blockOutputOf(outer, [&](int64_t feature) {
                                     return std::pair(feature % blocks, feature / blocks);
                                   });
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
    refusals.add(outer, "not a Monarch linear: " + why);
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

  Refusals &refusals;
  nn::BatchMatmulOp inner, outer;
  int64_t blocks, rows, p, q;
};

} // namespace

void recognise::recogniseMonarch(func::FuncOp function, Weights &weights, Refusals &refusals) {
  SmallVector<nn::BatchMatmulOp> products;
  function.walk([&](nn::BatchMatmulOp op) { products.push_back(op); });
  for (nn::BatchMatmulOp outer : products) {
    nn::BatchMatmulOp inner = productBehind(outer.getLhs());
    if (!inner || !weights.contains(outer.getRhs()))
      continue;
    if (!weights.contains(inner.getRhs())) {
      refusals.add(outer, "not a Monarch linear: the first product's right factor is not a weight");
      continue;
    }
    Candidate(inner, outer, refusals).rewrite();
  }
}
