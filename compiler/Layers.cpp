// Rows and totals from the interfaces of a forward function's operations.
#include "compiler/Layers.h"

#include "dialects/nn/NN.h"
#include "runtime/base/Status.h"

#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace danaus;

namespace {
bool hasRole(func::FuncOp forward, BlockArgument argument, StringRef wanted) {
  auto role = forward.getArgAttrOfType<StringAttr>(argument.getArgNumber(), nn::RoleAttr);
  return role && role.getValue() == wanted;
}

bool isParameter(func::FuncOp forward, BlockArgument argument) {
  return hasRole(forward, argument, "parameter");
}

/// The first dimension of the input.
int64_t batchOf(func::FuncOp forward) {
  for (BlockArgument argument : forward.getArguments())
    if (hasRole(forward, argument, "input"))
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
/// What the summary says of an operation that is no linear.
std::string describe(Operation *op) {
  if (auto attention = dyn_cast<nn::AttentionOp>(op))
    return "attention heads=" + std::to_string(attention.getHeads());
  if (auto kind = op->getAttrOfType<StringAttr>(nn::LayerAttr))
    return kind.str();
  return op->getName().stripDialect().str();
}

/// "low_rank r<=56 (energy 0.9)" of "low_rank r=56".
std::string withOpenRank(StringRef structure, double energy) {
  auto [kind, rank] = structure.split('=');
  std::string rule = energy > 0 ? danaus::format("energy %g", energy) : "auto";
  return (kind + "<=" + rank + " (" + rule + ")").str();
}

/// Whether an operation only moves elements, so that parameters are looked for behind it.
bool movesElements(Operation *op) {
  return isa<nn::ReshapeOp, nn::TransposeOp, nn::PadOp, nn::SliceOp>(op);
}

/// Makes the rows of one function.
class RowCollector {
public:
  explicit RowCollector(func::FuncOp forward) : forward(forward), batch(batchOf(forward)) {}

  std::vector<LayerRow> run() {
    forward.walk([&](Operation *op) {
      if (auto linear = dyn_cast<nn::StructuredLinearOpInterface>(op))
        addLinear(linear);
      else if (op->getNumResults() != 0 && op->getNumOperands() != 0 && !movesElements(op))
        addOther(op);
    });
    return std::move(rows);
  }

private:
  /// Elements of the parameters that `op` reads, directly or moved, and no row has yet.
  int64_t newParameters(Operation *op) {
    int64_t count = 0;
    for (Value value : op->getOperands()) {
      while (Operation *source = value.getDefiningOp()) {
        if (!movesElements(source))
          break;
        value = source->getOperand(0);
      }
      auto argument = dyn_cast<BlockArgument>(value);
      if (argument && isParameter(forward, argument) && counted.insert(argument).second)
        count += cast<RankedTensorType>(argument.getType()).getNumElements();
    }
    return count;
  }

  int64_t macsOf(Operation *op) const {
    auto cost = dyn_cast<nn::CostOpInterface>(op);
    return cost ? cost.getMacs() / batch : 0;
  }

  void addLinear(nn::StructuredLinearOpInterface linear) {
    Operation *op = linear;
    LayerRow &row = rows.emplace_back();
    readLocation(op->getLoc(), row);
    row.structure = linear.describeStructure();
    if (auto rankBy = op->getAttrOfType<FloatAttr>(nn::RankByAttr)) {
      row.rankBy = rankBy.getValueAsDouble();
      row.structure = withOpenRank(row.structure, *row.rankBy);
    }
    row.in = linear.getInFeatures();
    row.out = linear.getOutFeatures();
    row.params = newParameters(op);
    row.macs = macsOf(op);
    row.denseParams = row.in * row.out + (hasBias(op) ? row.out : 0);
    row.denseMacs = nn::shapeOf(op->getOperand(0)).front() / batch * row.in * row.out;
  }

  /// An operation of a layer that is no linear; all those of one name (an ops block) share a row.
  void addOther(Operation *op) {
    int64_t params = newParameters(op), macs = macsOf(op);
    if (params == 0 && macs == 0)
      return;
    LayerRow found;
    readLocation(op->getLoc(), found);
    auto [slot, isNew] = others.try_emplace(found.name, rows.size());
    if (isNew) {
      found.structure = describe(op);
      found.in = nn::shapeOf(op->getOperand(0)).back();
      rows.push_back(std::move(found));
    }
    LayerRow &row = rows[slot->second];
    row.out = nn::shapeOf(op->getResult(0)).back();
    row.params += params;
    row.macs += macs;
  }

  func::FuncOp forward;
  int64_t batch;
  std::vector<LayerRow> rows;
  llvm::DenseSet<Value> counted;
  llvm::StringMap<size_t> others;
};
} // namespace

std::vector<LayerRow> danaus::collectLayers(func::FuncOp forward) {
  return RowCollector(forward).run();
}

ModelTotals danaus::collectTotals(func::FuncOp forward, const std::vector<LayerRow> &rows) {
  ModelTotals totals;
  for (BlockArgument argument : forward.getArguments())
    if (isParameter(forward, argument))
      totals.params += cast<RankedTensorType>(argument.getType()).getNumElements();
  int64_t macs = 0;
  forward.walk([&](nn::CostOpInterface op) { macs += op.getMacs(); });
  totals.macs = macs / batchOf(forward);
  totals.denseParams = totals.params;
  totals.denseMacs = totals.macs;
  for (const LayerRow &row : rows) {
    if (!row.isLinear())
      continue;
    totals.denseParams += row.denseParams - row.params;
    totals.denseMacs += row.denseMacs - row.macs;
  }
  return totals;
}
