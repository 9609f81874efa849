// Rows and totals from the interfaces of a forward function's operations.
#include "compiler/Layers.h"

#include "dialects/nn/NN.h"

using namespace mlir;
using namespace danaus;

namespace {
/// The argument of @forward with this role; its first dimension is the batch.
int64_t batchOf(func::FuncOp forward) {
  for (BlockArgument argument : forward.getArguments())
    if (auto role = forward.getArgAttrOfType<StringAttr>(argument.getArgNumber(), nn::RoleAttr);
        role && role.getValue() == "input")
      return nn::shapeOf(argument).front();
  return 1;
}

/// The layer's name and its line, from NameLoc("hidden.0", file:line:column).
void readLocation(Location location, LayerRow &row) {
  if (auto name = location->findInstanceOf<NameLoc>())
    row.name = name.getName().str();
  if (auto place = location->findInstanceOf<FileLineColLoc>())
    row.line = place.getLine();
}

/// Factors are matrices or stacks of them: the operand of rank 1 is the bias.
bool hasBias(Operation *op) {
  return llvm::any_of(op->getOperands(), [](Value v) { return nn::shapeOf(v).size() == 1; });
}
} // namespace

std::vector<LayerRow> danaus::collectLayers(func::FuncOp forward) {
  std::vector<LayerRow> rows;
  int64_t batch = batchOf(forward);
  forward.walk([&](nn::StructuredLinearOpInterface linear) {
    Operation *op = linear;
    LayerRow &row = rows.emplace_back();
    readLocation(op->getLoc(), row);
    row.structure = linear.describeStructure();
    row.in = linear.getInFeatures();
    row.out = linear.getOutFeatures();
    row.params = linear.getParameterCount();
    row.macs = cast<nn::CostOpInterface>(op).getMacs() / batch;
    row.denseParams = row.in * row.out + (hasBias(op) ? row.out : 0);
    row.denseMacs = nn::shapeOf(op->getOperand(0)).front() / batch * row.in * row.out;
  });
  return rows;
}

ModelTotals danaus::collectTotals(func::FuncOp forward, const std::vector<LayerRow> &rows) {
  ModelTotals totals;
  for (BlockArgument argument : forward.getArguments())
    if (auto role = forward.getArgAttrOfType<StringAttr>(argument.getArgNumber(), nn::RoleAttr);
        role && role.getValue() == "parameter")
      totals.params += cast<RankedTensorType>(argument.getType()).getNumElements();
  int64_t macs = 0;
  forward.walk([&](nn::CostOpInterface op) { macs += op.getMacs(); });
  totals.macs = macs / batchOf(forward);
  totals.denseParams = totals.params;
  totals.denseMacs = totals.macs;
  for (const LayerRow &row : rows) {
    totals.denseParams += row.denseParams - row.params;
    totals.denseMacs += row.denseMacs - row.macs;
  }
  return totals;
}
