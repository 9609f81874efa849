// Operations that move elements.
#include "test/lib/reference/Evaluate.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::reference;

namespace {

Tensor evaluate(nn::ReshapeOp op, const Values &values) {
  return Tensor(nn::shapeOf(op.getResult()), values[op.getInput()].data);
}

Tensor evaluate(nn::TransposeOp op, const Values &values) {
  const Tensor &input = values[op.getInput()];
  Tensor result = zerosLike(op.getResult());
  forEachIndex(result.shape, [&](ArrayRef<int64_t> to) {
    SmallVector<int64_t> from(to.size());
    for (auto [i, dim] : llvm::enumerate(op.getPermutation()))
      from[dim] = to[i];
    result.data[offsetOf(to, result.shape)] = input.data[offsetOf(from, input.shape)];
  });
  return result;
}

/// Copies what both have: the whole input into a larger tensor, or the start of it into a smaller.
Tensor copyCommonPart(const Tensor &input, Tensor result) {
  SmallVector<int64_t> common;
  for (auto [a, b] : llvm::zip_equal(input.shape, result.shape))
    common.push_back(std::min(a, b));
  forEachIndex(common, [&](ArrayRef<int64_t> index) {
    result.data[offsetOf(index, result.shape)] = input.data[offsetOf(index, input.shape)];
  });
  return result;
}

Tensor evaluate(nn::PadOp op, const Values &values) {
  return copyCommonPart(values[op.getInput()], zerosLike(op.getResult()));
}

Tensor evaluate(nn::SliceOp op, const Values &values) {
  return copyCommonPart(values[op.getInput()], zerosLike(op.getResult()));
}

} // namespace

LogicalResult reference::evaluateShape(Operation *op, Values &values) {
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case<nn::ReshapeOp, nn::TransposeOp, nn::PadOp, nn::SliceOp>([&](auto typed) {
        values.set(typed.getResult(), evaluate(typed, values));
        return success();
      })
      .Default([](Operation *) { return failure(); });
}
