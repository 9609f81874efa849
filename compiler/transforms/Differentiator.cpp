// The walk backwards. A value that is used twice gets the sum of both gradients.
#include "compiler/transforms/Differentiator.h"

using namespace mlir;
using namespace danaus;

/// The layer of an operation; of several, fused into one, the first.
static StringRef layerOf(Location loc) {
  if (auto name = dyn_cast<NameLoc>(loc))
    return name.getName();
  if (auto fused = dyn_cast<FusedLoc>(loc))
    for (Location inner : fused.getLocations())
      if (StringRef name = layerOf(inner); !name.empty())
        return name;
  return "";
}

/// "blocks.3" for layers "blocks.3" and "blocks.3.fc"; empty for those outside of a repeat. Only a
/// repeat gives a name that is a number; of nested ones the outermost counts.
static StringRef blockOf(Operation *op) {
  StringRef layer = layerOf(op->getLoc());
  for (size_t dot = layer.find('.'); dot != StringRef::npos; dot = layer.find('.', dot + 1)) {
    StringRef part = layer.substr(dot + 1).split('.').first;
    if (!part.empty() && llvm::all_of(part, llvm::isDigit))
      return layer.take_front(dot + 1 + part.size());
  }
  return "";
}

Differentiator::Differentiator(OpBuilder &builder, Block &block,
                               ArrayRef<BlockArgument> parameterList, BlockValues blockValues)
    : builder(builder) {
  for (Value parameter : parameterList) {
    active.insert(parameter);
    parameters.insert(parameter);
  }
  for (Operation &op : block) {
    StringRef name = blockValues == BlockValues::Recomputed ? blockOf(&op) : "";
    if (!name.empty())
      blocks[name].push_back(&op);
    if (llvm::any_of(op.getOperands(), [&](Value v) { return active.contains(v); })) {
      active.insert_range(op.getResults());
      order.push_back(&op);
    }
  }
}

LogicalResult Differentiator::run(Value loss) {
  for (Operation *op : llvm::reverse(order)) {
    SmallVector<Value> results =
        llvm::map_to_vector(op->getResults(), [&](Value v) { return gradients.lookup(v); });
    Value *known = llvm::find_if(results, [](Value v) { return bool(v); });
    if (op != loss.getDefiningOp() && known == results.end())
      continue;
    if (StringRef block = blockOf(op); known != results.end() && blocks.contains(block))
      recompute(block, *known);
    if (failed(differentiate(op, results)))
      return failure();
  }
  return success();
}

/// Copies the operations of a block; what they read from outside they read after `gradient` is
/// there.
void Differentiator::recompute(StringRef block, Value gradient) {
  IRMapping mapping;
  for (Operation *op : blocks[block]) {
    for (Value operand : op->getOperands())
      if (!mapping.contains(operand) && !parameters.contains(operand))
        mapping.map(operand, nn::AfterOp::create(builder, op->getLoc(), operand.getType(), operand,
                                                 gradient));
    Operation *copy = builder.clone(*op, mapping);
    copy->setAttr(nn::RecomputedAttr, builder.getUnitAttr());
    copies[op] = copy;
  }
  blocks.erase(block);
}

/// Adds the gradients of an operation's operands, from those of its results.
LogicalResult Differentiator::differentiate(Operation *op, ValueRange results) {
  Operation *read = copies.contains(op) ? copies[op] : op; // the gradients read its values
  auto differentiable = dyn_cast<nn::DifferentiableOpInterface>(read);
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
