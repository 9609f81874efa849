// Index arithmetic of reshape, transpose, pad and slice, from results back to inputs.
#include "compiler/transforms/ElementMovement.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace danaus;
using namespace danaus::recognise;

bool recognise::movesElements(Operation *op) {
  return isa_and_nonnull<nn::ReshapeOp, nn::TransposeOp, nn::PadOp, nn::SliceOp>(op);
}

std::optional<ElementMovement> ElementMovement::between(Value from, Value to) {
  ElementMovement chain;
  chain.input.assign(nn::shapeOf(from).begin(), nn::shapeOf(from).end());
  while (to != from) {
    Operation *op = to.getDefiningOp();
    if (!movesElements(op))
      return std::nullopt;
    Step step{Step::Resize,
              SmallVector<int64_t>(nn::shapeOf(op->getOperand(0))),
              SmallVector<int64_t>(nn::shapeOf(to)),
              {},
              SmallVector<int64_t>(nn::shapeOf(to).size(), 0)};
    if (auto pad = dyn_cast<nn::PadOp>(op); pad && pad.getLow())
      step.shift.assign(pad.getLow()->begin(), pad.getLow()->end());
    if (auto slice = dyn_cast<nn::SliceOp>(op); slice && slice.getLow())
      llvm::transform(*slice.getLow(), step.shift.begin(), std::negate<>());
    if (isa<nn::ReshapeOp>(op))
      step.kind = Step::Reshape;
    if (auto transpose = dyn_cast<nn::TransposeOp>(op)) {
      step.kind = Step::Transpose;
      step.permutation.assign(transpose.getPermutation().begin(), transpose.getPermutation().end());
    }
    chain.steps.push_back(std::move(step));
    to = op->getOperand(0);
  }
  std::reverse(chain.steps.begin(), chain.steps.end());
  return chain;
}

std::optional<unsigned> ElementMovement::follow(const Step &step, unsigned rows) {
  int64_t size = step.input[rows];
  if (step.kind == Step::Transpose)
    return llvm::find(step.permutation, rows) - step.permutation.begin();
  if (step.kind == Step::Resize)
    return step.result[rows] == size ? std::optional(rows) : std::nullopt;
  // A reshape leaves a dimension alone where as many elements stand before it as before.
  int64_t before = 1, beforeResult = 1;
  for (unsigned dim = 0; dim < rows; ++dim)
    before *= step.input[dim];
  for (unsigned dim = 0; dim < step.result.size(); ++dim) {
    if (beforeResult == before && step.result[dim] == size)
      return dim;
    beforeResult *= step.result[dim];
  }
  return std::nullopt;
}

void ElementMovement::dropRows(unsigned inputRows, unsigned resultRows) {
  SmallVector<unsigned> places{inputRows};
  for (const Step &step : steps) {
    std::optional<unsigned> next = follow(step, places.back());
    if (!next)
      return;
    places.push_back(*next);
  }
  if (places.back() != resultRows)
    return;
  input[inputRows] = 1;
  for (auto [i, step] : llvm::enumerate(steps)) {
    step.input[places[i]] = 1;
    step.result[places[i + 1]] = 1;
  }
}

std::optional<SmallVector<int64_t>> ElementMovement::sourceOf(ArrayRef<int64_t> index) const {
  SmallVector<int64_t> at(index);
  for (const Step &step : llvm::reverse(steps)) {
    SmallVector<int64_t> from(step.input.size());
    if (step.kind == Step::Transpose) {
      for (auto [i, dim] : llvm::enumerate(step.permutation))
        from[dim] = at[i];
    } else if (step.kind == Step::Resize) {
      for (size_t dim = 0; dim < at.size(); ++dim) {
        from[dim] = at[dim] - step.shift[dim];
        if (from[dim] < 0 || from[dim] >= step.input[dim])
          return std::nullopt;
      }
    } else {
      int64_t offset = 0;
      for (auto [i, size] : llvm::zip_equal(at, step.result))
        offset = offset * size + i;
      for (unsigned dim = from.size(); dim-- > 0; offset /= step.input[dim])
        from[dim] = offset % step.input[dim];
    }
    at = std::move(from);
  }
  return at;
}
