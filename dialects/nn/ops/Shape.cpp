// Verifiers, folders and gradients of the operations that only move elements.
#include "dialects/nn/NN.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace danaus::nn;

namespace {
/// Ranks agree, and `smaller`, moved by `low`, lies inside `larger`: pad and slice, from their two
/// sides.
LogicalResult verifyFits(Operation *op, ArrayRef<int64_t> smaller, ArrayRef<int64_t> larger,
                         std::optional<ArrayRef<int64_t>> low) {
  // pad_c1, slice_c1
  if (smaller.size() != larger.size())
    return op->emitOpError() << "ranks of input and result differ: "
                             << shapeText(shapeOf(op->getOperand(0))) << " against "
                             << shapeText(shapeOf(op->getResult(0)));
  // pad_c2, slice_c2
  if (low && low->size() != smaller.size())
    return op->emitOpError() << "has " << low->size() << " offsets for " << smaller.size()
                             << " dimensions";
  for (unsigned i = 0; i < smaller.size(); ++i) {
    int64_t first = low ? (*low)[i] : 0;
    if (first < 0 || first > larger[i] - smaller[i])
      return op->emitOpError() << "cannot turn " << shapeText(shapeOf(op->getOperand(0)))
                               << " into " << shapeText(shapeOf(op->getResult(0)))
                               << (low ? " from [" : "")
                               << (low ? llvm::join(
                                             llvm::map_range(
                                                 *low, [](int64_t v) { return std::to_string(v); }),
                                             ", ") +
                                             "]"
                                       : "");
  }
  return success();
}
} // namespace

LogicalResult ReshapeOp::verify() {
  // reshape_c1
  if (getInput().getType().getNumElements() != getResult().getType().getNumElements())
    return emitOpError() << "input " << shapeText(shapeOf(getInput())) << " and result "
                         << shapeText(shapeOf(getResult()))
                         << " have different numbers of elements";
  return success();
}

OpFoldResult ReshapeOp::fold(FoldAdaptor) {
  if (getInput().getType() == getType())
    return getInput();
  if (auto inner = getInput().getDefiningOp<ReshapeOp>()) {
    getInputMutable().assign(inner.getInput());
    return getResult();
  }
  return {};
}

void ReshapeOp::buildBackward(OpBuilder &builder, ValueRange gradients, const llvm::BitVector &,
                              SmallVectorImpl<Value> &operands) {
  operands[0] = ReshapeOp::create(builder, getLoc(), getInput().getType(), gradients[0]);
}

LogicalResult TransposeOp::verify() {
  auto permutation = getPermutation();
  auto in = shapeOf(getInput()), out = shapeOf(getResult());
  llvm::BitVector seen(in.size());
  for (int64_t dim : permutation)
    if (dim >= 0 && dim < int64_t(in.size()))
      seen.set(dim);
  // transpose_c1
  if (permutation.size() != in.size() || !seen.all())
    return emitOpError() << "[" << permutation << "] is not a permutation of the " << in.size()
                         << " dimensions of " << shapeText(in);
  // transpose_c2
  bool same = out.size() == in.size();
  for (size_t i = 0; same && i < out.size(); ++i)
    same = out[i] == in[permutation[i]];
  if (!same)
    return emitOpError() << "result " << shapeText(out) << " is not " << shapeText(in)
                         << " permuted by [" << permutation << "]";
  return success();
}

OpFoldResult TransposeOp::fold(FoldAdaptor) {
  auto permutation = getPermutation();
  if (llvm::equal(permutation, llvm::seq<int64_t>(0, permutation.size())))
    return getInput();
  auto inner = getInput().getDefiningOp<TransposeOp>();
  if (!inner)
    return {};
  SmallVector<int64_t> composed;
  for (int64_t dim : permutation)
    composed.push_back(inner.getPermutation()[dim]);
  setPermutation(composed);
  getInputMutable().assign(inner.getInput());
  return getResult();
}

void TransposeOp::buildBackward(OpBuilder &builder, ValueRange gradients, const llvm::BitVector &,
                                SmallVectorImpl<Value> &operands) {
  SmallVector<int64_t> inverse(getPermutation().size());
  for (auto [i, dim] : llvm::enumerate(getPermutation()))
    inverse[dim] = i;
  operands[0] = TransposeOp::create(builder, getLoc(), getInput().getType(), gradients[0], inverse);
}

LogicalResult PadOp::verify() {
  return verifyFits(*this, shapeOf(getInput()), shapeOf(getResult()), getLow());
}

void PadOp::buildBackward(OpBuilder &builder, ValueRange gradients, const llvm::BitVector &,
                          SmallVectorImpl<Value> &operands) {
  operands[0] =
      SliceOp::create(builder, getLoc(), getInput().getType(), gradients[0], getLowAttr());
}

LogicalResult SliceOp::verify() {
  return verifyFits(*this, shapeOf(getResult()), shapeOf(getInput()), getLow());
}

void SliceOp::buildBackward(OpBuilder &builder, ValueRange gradients, const llvm::BitVector &,
                            SmallVectorImpl<Value> &operands) {
  operands[0] = PadOp::create(builder, getLoc(), getInput().getType(), gradients[0], getLowAttr());
}
