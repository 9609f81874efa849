// The walk backwards. A value that is used twice gets the sum of both gradients.
#include "compiler/transforms/Differentiator.h"

using namespace mlir;
using namespace danaus;

Differentiator::Differentiator(OpBuilder &builder, Block &block, ArrayRef<BlockArgument> parameters)
    : builder(builder) {
  for (Value parameter : parameters)
    active.insert(parameter);
  for (Operation &op : block)
    if (llvm::any_of(op.getOperands(), [&](Value v) { return active.contains(v); })) {
      active.insert_range(op.getResults());
      order.push_back(&op);
    }
}

LogicalResult Differentiator::run(Value loss) {
  for (Operation *op : llvm::reverse(order)) {
    SmallVector<Value> results =
        llvm::map_to_vector(op->getResults(), [&](Value v) { return gradients.lookup(v); });
    if (op != loss.getDefiningOp() && llvm::none_of(results, [](Value v) { return bool(v); }))
      continue;
    if (failed(differentiate(op, results)))
      return failure();
  }
  return success();
}

/// Adds the gradients of an operation's operands, from those of its results.
LogicalResult Differentiator::differentiate(Operation *op, ValueRange results) {
  auto differentiable = dyn_cast<nn::DifferentiableOpInterface>(op);
  if (!differentiable)
    return op->emitOpError("has no gradient; it cannot stand between a parameter and the loss");
  llvm::BitVector wanted(op->getNumOperands());
  for (auto [i, operand] : llvm::enumerate(op->getOperands()))
    if (active.contains(operand))
      wanted.set(i);
  SmallVector<Value> operands(op->getNumOperands());
  differentiable.buildBackward(builder, results, wanted, operands);
  for (auto [i, operand] : llvm::enumerate(op->getOperands()))
    if (wanted[i] && operands[i])
      accumulate(operand, operands[i], op->getLoc());
  return success();
}

void Differentiator::accumulate(Value value, Value gradient, Location loc) {
  Value &sum = gradients[value];
  sum = sum ? nn::AddOp::create(builder, loc, sum.getType(), sum, gradient).getResult() : gradient;
}
