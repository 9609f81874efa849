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

/// index + low; `low` is 0 where it is not given.
SmallVector<int64_t> moved(ArrayRef<int64_t> index, std::optional<ArrayRef<int64_t>> low) {
  SmallVector<int64_t> result(index);
  if (low)
    for (auto [place, first] : llvm::zip_equal(result, *low))
      place += first;
  return result;
}

Tensor evaluate(nn::PadOp op, const Values &values) {
  const Tensor &input = values[op.getInput()];
  Tensor result = zerosLike(op.getResult());
  forEachIndex(input.shape, [&](ArrayRef<int64_t> index) {
    result.data[offsetOf(moved(index, op.getLow()), result.shape)] =
        input.data[offsetOf(index, input.shape)];
  });
  return result;
}

Tensor evaluate(nn::SliceOp op, const Values &values) {
  const Tensor &input = values[op.getInput()];
  Tensor result = zerosLike(op.getResult());
  forEachIndex(result.shape, [&](ArrayRef<int64_t> index) {
    result.data[offsetOf(index, result.shape)] =
        input.data[offsetOf(moved(index, op.getLow()), input.shape)];
  });
  return result;
}

Tensor evaluate(nn::AfterOp op, const Values &values) { return values[op.getInput()]; }

} // namespace

LogicalResult reference::evaluateShape(Operation *op, Values &values) {
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case<nn::AfterOp, nn::ReshapeOp, nn::TransposeOp, nn::PadOp, nn::SliceOp>([&](auto typed) {
        values.set(typed.getResult(), evaluate(typed, values));
        return success();
      })
      .Default([](Operation *) { return failure(); });
}
