// See ChainRules.h.
#include "compiler/lower/ChainRules.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace danaus;

/// Whether the map's first index is the row and no other index depends on it.
static bool isRowWise(AffineMap map, unsigned rowDim) {
  if (map.getNumResults() == 0 || map.getResult(0) != getAffineDimExpr(rowDim, map.getContext()))
    return false;
  return !llvm::any_of(map.getResults().drop_front(),
                       [&](AffineExpr e) { return e.isFunctionOfDim(rowDim); });
}

std::optional<int64_t> danaus::rowsOf(Operation &op) {
  if (auto contract = dyn_cast<kernel::ContractOp>(op)) {
    unsigned m = contract.getM();
    for (unsigned i : {kernel::ContractOp::LhsMap, kernel::ContractOp::ResultMap})
      if (!isRowWise(contract.getMap(i), m))
        return std::nullopt;
    for (unsigned i = 0; i < contract.getExtras().size(); ++i) {
      AffineMap map = contract.getMap(kernel::ContractOp::FirstExtraMap + i);
      if (map.isFunctionOfDim(m) && !isRowWise(map, m))
        return std::nullopt;
    }
    return contract.getSizes()[m];
  }
  if (auto row = dyn_cast<kernel::RowOp>(op)) {
    for (unsigned i = 0; i < row.getMaps().size(); ++i)
      if (row.getMap(i).isFunctionOfDim(0) && !isRowWise(row.getMap(i), 0))
        return std::nullopt;
    return row.getRowCount();
  }
  return std::nullopt;
}

bool danaus::readsRowWise(Operation &op, const DenseSet<Value> &chainValues) {
  auto fromChain = [&](Value v) { return chainValues.contains(v); };
  if (auto contract = dyn_cast<kernel::ContractOp>(op)) {
    if (fromChain(contract.getRhs()))
      return false;
    for (auto [i, extra] : llvm::enumerate(contract.getExtras()))
      if (fromChain(extra) &&
          !contract.getMap(kernel::ContractOp::FirstExtraMap + i).isFunctionOfDim(contract.getM()))
        return false;
    return true;
  }
  auto row = cast<kernel::RowOp>(op);
  for (auto [i, input] : llvm::enumerate(row.getInputs()))
    if (fromChain(input) && !row.getMap(i).isFunctionOfDim(0))
      return false;
  return true;
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
  return chain;
}
