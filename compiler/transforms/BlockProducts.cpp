// See BlockProducts.h.
#include "compiler/transforms/BlockProducts.h"
#include "compiler/transforms/ElementMovement.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::recognise;

using Index = ArrayRef<int64_t>;

bool recognise::allIndices(Index shape, llvm::function_ref<bool(Index)> visit) {
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

static bool isInput(nn::BatchMatmulOp product, Value x) {
  Index blocks = nn::shapeOf(product.getLhs()), shape = nn::shapeOf(x);
  if (shape.size() != 2 || shape[0] != blocks[1] ||
      int64_t(llvm::divideCeil(shape[1], blocks[0])) != blocks[2])
    return false;
  auto movement = ElementMovement::between(x, product.getLhs());
  movement->dropRows(0, 1);
  return allIndices(movement->resultShape(), [&](Index at) {
    auto from = movement->sourceOf(at);
    int64_t feature = at[0] * blocks[2] + at[2];
    return feature >= shape[1] ? !from : from && (*from)[0] == at[1] && (*from)[1] == feature;
  });
}

Value recognise::blockInputOf(nn::BatchMatmulOp product) {
  Value best;
  for (Value value = product.getLhs(); true; value = value.getDefiningOp()->getOperand(0)) {
    if (isInput(product, value))
      best = value;
    if (!value.getDefiningOp() || !movesElements(value.getDefiningOp()))
      return best;
  }
}

Value recognise::blockOutputOf(
    nn::BatchMatmulOp product,
    llvm::function_ref<std::pair<int64_t, int64_t>(int64_t feature)> sourceOf) {
  Index blocks = nn::shapeOf(product.getResult());
  auto isOutput = [&](Value y) {
    Index shape = nn::shapeOf(y);
    if (shape.size() != 2 || shape[0] != blocks[1] ||
        int64_t(llvm::divideCeil(shape[1], blocks[0])) != blocks[2])
      return false;
    auto movement = ElementMovement::between(product.getResult(), y);
    movement->dropRows(1, 0);
    return allIndices(movement->resultShape(), [&](Index at) {
      auto from = movement->sourceOf(at);
      auto [block, place] = sourceOf(at[1]);
      return from && (*from)[1] == at[0] && (*from)[0] == block && (*from)[2] == place;
    });
  };
  Value best;
  for (Value value = product.getResult(); true;) {
    if (isOutput(value))
      best = value;
    if (!value.hasOneUse() || !movesElements(*value.user_begin()))
      return best;
    value = (*value.user_begin())->getResult(0);
  }
}
