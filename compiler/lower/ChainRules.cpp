// See ChainRules.h.
#include "compiler/lower/ChainRules.h"

#include "compiler/lower/FusionRecord.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace danaus;

/// Whether the map's first index is the row and no other index depends on it.
static bool isRowWise(AffineMap map, unsigned rowDim) {
  if (map.getNumResults() == 0 || map.getResult(0) != getAffineDimExpr(rowDim, map.getContext()))
    return false;
  return !llvm::any_of(map.getResults().drop_front(),
                       [&](AffineExpr e) { return e.isFunctionOfDim(rowDim); });
}

/// Gradients of weights sum over the dimension by which their operand has rows.
static Obstacle obstacleToChains(kernel::ContractOp contract) {
  unsigned m = contract.getM();
  AffineMap lhs = contract.getMap(kernel::ContractOp::LhsMap);
  if (lhs.getNumResults() && lhs.getResult(0).isFunctionOfDim(contract.getK()))
    return Obstacle::SumsOverRows;
  if (contract.getByColumns())
    return Obstacle::ByColumns;
  if (!isRowWise(lhs, m) || !isRowWise(contract.getMap(kernel::ContractOp::ResultMap), m))
    return Obstacle::OtherOrder;
  for (unsigned i = 0; i < contract.getExtras().size(); ++i) {
    AffineMap map = contract.getMap(kernel::ContractOp::FirstExtraMap + i);
    if (map.isFunctionOfDim(m) && !isRowWise(map, m))
      return Obstacle::OtherOrder;
  }
  return Obstacle::None;
}

static Obstacle obstacleToChains(kernel::RowOp row) {
  for (unsigned i = 0; i < row.getMaps().size(); ++i)
    if (row.getMap(i).isFunctionOfDim(0) && !isRowWise(row.getMap(i), 0))
      return i < row.getInputs().size() ? Obstacle::OneForSeveral : Obstacle::OtherOrder;
  return Obstacle::None;
}

Obstacle danaus::obstacleToChains(Operation &op) {
  return TypeSwitch<Operation *, Obstacle>(&op)
      .Case<kernel::ContractOp, kernel::RowOp>([](auto each) { return ::obstacleToChains(each); })
      .Case([](kernel::ReduceOp reduce) {
        return reduce.getSizes()[0] == 1 ? Obstacle::SumsOverRows : Obstacle::SumsOverTokens;
      })
      .Case<kernel::AttentionOp, kernel::AttentionBackwardOp>(
          [](auto) { return Obstacle::NeedsTokens; })
      .Case([](kernel::MetricsOp) { return Obstacle::NeedsBatch; })
      .Case<kernel::SquareNormOp, kernel::UpdateOp>([](auto) { return Obstacle::NeedsGradients; })
      .Default(Obstacle::MovesElements);
}

std::optional<int64_t> danaus::rowsOf(Operation &op) {
  if (!isa<kernel::ContractOp, kernel::RowOp>(op) || obstacleToChains(op) != Obstacle::None)
    return std::nullopt;
  if (auto contract = dyn_cast<kernel::ContractOp>(op))
    return contract.getSizes()[contract.getM()];
  return cast<kernel::RowOp>(op).getRowCount();
}

Obstacle danaus::obstacleToJoining(Operation &op, int64_t rows,
                                   const DenseSet<Value> &chainValues) {
  if (rowsOf(op) != rows)
    return Obstacle::OtherRows;
  auto fromChain = [&](Value v) { return chainValues.contains(v); };
  if (auto contract = dyn_cast<kernel::ContractOp>(op)) {
    if (fromChain(contract.getRhs()))
      return Obstacle::WholeOperand;
    for (auto [i, extra] : llvm::enumerate(contract.getExtras()))
      if (fromChain(extra) &&
          !contract.getMap(kernel::ContractOp::FirstExtraMap + i).isFunctionOfDim(contract.getM()))
        return Obstacle::WholeOperand;
    return Obstacle::None;
  }
  auto row = cast<kernel::RowOp>(op);
  for (auto [i, input] : llvm::enumerate(row.getInputs()))
    if (fromChain(input) && !row.getMap(i).isFunctionOfDim(0))
      return Obstacle::WholeOperand;
  return Obstacle::None;
}

SmallVector<Operation *> danaus::membersOf(Operation *kernel) {
  auto chain = dyn_cast<kernel::ChainOp>(kernel);
  if (!chain)
    return {kernel};
  return llvm::map_to_vector(chain.getBody().front().without_terminator(),
                             [](Operation &op) { return &op; });
}

kernel::ChainOp danaus::outlineChain(ArrayRef<Operation *> members) {
  OpBuilder builder(members.back());
  DenseSet<Operation *> set(members.begin(), members.end());
  SmallVector<Value> escaping;
  SmallVector<Location> locations;
  for (Operation *op : members) {
    locations.push_back(op->getLoc());
    for (Value result : op->getResults())
      if (llvm::any_of(result.getUsers(), [&](Operation *user) { return !set.contains(user); }))
        escaping.push_back(result);
  }
  auto chain =
      kernel::ChainOp::create(builder, builder.getFusedLoc(locations),
                              TypeRange(ValueRange(escaping)), IntegerAttr(), DenseI64ArrayAttr());
  Block *block = builder.createBlock(&chain.getBody());
  for (Operation *op : members)
    op->moveBefore(block, block->end());
  for (auto [value, result] : llvm::zip(escaping, chain.getResults()))
    value.replaceUsesWithIf(result, [&](OpOperand &use) { return !set.contains(use.getOwner()); });
  builder.setInsertionPointToEnd(block);
  kernel::YieldOp::create(builder, chain.getLoc(), escaping);
  recordFusion(members, chain);
  return chain;
}
