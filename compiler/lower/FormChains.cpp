// kernel-form-chains: kernels over the same rows become one launch. A row of the batch then goes
// through all of them while it is in cache, and no barrier stands between.
#include "compiler/Passes.h"
#include "dialects/kernel/Kernel.h"

#include "mlir/Analysis/TopologicalSortUtils.h"
#include "mlir/Transforms/RegionUtils.h"

namespace danaus {
#define GEN_PASS_DEF_KERNELFORMCHAINS
#include "compiler/Passes.h.inc"
} // namespace danaus

using namespace mlir;
using namespace danaus;

namespace {

/// Whether the map's first index is the row and no other index depends on it.
bool isRowWise(AffineMap map, unsigned rowDim) {
  if (map.getNumResults() == 0 || map.getResult(0) != getAffineDimExpr(rowDim, map.getContext()))
    return false;
  return !llvm::any_of(map.getResults().drop_front(),
                       [&](AffineExpr e) { return e.isFunctionOfDim(rowDim); });
}

/// The rows that an operation treats one by one, or nullopt.
std::optional<int64_t> rowsOf(Operation &op) {
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

/// Whether `op` reads each of its operands from the chain row by row.
bool readsRowWise(Operation &op, const DenseSet<Value> &chainValues) {
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

/// The longest chain that begins at `first`: operations over the same rows whose operands come from
/// the chain or from before it.
SmallVector<Operation *> chainFrom(Operation *first) {
  int64_t rows = *rowsOf(*first);
  SmallVector<Operation *> members;
  DenseSet<Value> inside, tainted; // tainted: depends on the chain, but is made outside
  for (Operation *op = first; op; op = op->getNextNode()) {
    llvm::SetVector<Value> reads(op->operand_begin(), op->operand_end());
    getUsedValuesDefinedAbove(op->getRegions(), reads); // of chains formed before
    auto depends = [&](const DenseSet<Value> &set) {
      return llvm::any_of(reads, [&](Value v) { return set.contains(v); });
    };
    if (rowsOf(*op) == rows && !depends(tainted) && readsRowWise(*op, inside)) {
      members.push_back(op);
      inside.insert_range(op->getResults());
    } else if (depends(inside) || depends(tainted)) {
      tainted.insert_range(op->getResults());
    }
  }
  return members;
}

void outline(ArrayRef<Operation *> members) {
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
  auto chain = kernel::ChainOp::create(builder, builder.getFusedLoc(locations),
                                       TypeRange(ValueRange(escaping)), IntegerAttr());
  Block *block = builder.createBlock(&chain.getBody());
  for (Operation *op : members)
    op->moveBefore(block, block->end());
  for (auto [value, result] : llvm::zip(escaping, chain.getResults()))
    value.replaceUsesWithIf(result, [&](OpOperand &use) { return !set.contains(use.getOwner()); });
  builder.setInsertionPointToEnd(block);
  kernel::YieldOp::create(builder, chain.getLoc(), escaping);
}

struct FormChains : danaus::impl::KernelFormChainsBase<FormChains> {
  void runOnOperation() override {
    Block &block = getOperation().front();
    for (bool changed = true; changed;) {
      changed = false;
      for (Operation &op : block) {
        if (!rowsOf(op))
          continue;
        SmallVector<Operation *> members = chainFrom(&op);
        if (members.size() < 2)
          continue;
        outline(members);
        sortTopologically(&block);
        changed = true;
        break;
      }
    }
  }
};

} // namespace
