// kernel-form-chains: kernels over the same rows become one launch. A row of the batch then goes
// through all of them while it is in cache, and no barrier stands between.
#include "compiler/Passes.h"
#include "dialects/kernel/Kernel.h"

#include "mlir/Analysis/TopologicalSortUtils.h"

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

/// Finds the chains of a block. What an operation reads is marked by those who make it, so that a
/// search costs a look at each operation and not a walk through the chains formed before.
class ChainFinder {
public:
  explicit ChainFinder(Block &block) : block(block) {}

  /// The longest chain that begins at `first`: operations over the same rows whose operands come
  /// from the chain or from before it. None where `first` would stay alone, now and later: chains
  /// formed in the meantime take operations away and offer none.
  SmallVector<Operation *> chainFrom(Operation *first) {
    std::optional<int64_t> rows = rowsAt(first);
    if (!rows || !searched.insert(first).second)
      return {};
    SmallVector<Operation *> members;
    DenseSet<Value> inside;
    DenseSet<Operation *> readers; // of values made inside
    DenseSet<Operation *>
        tainted; // readers of values that depend on the chain, but are made outside
    for (Operation *op = first; op; op = op->getNextNode())
      if (rowsAt(op) == rows && !tainted.contains(op) && readsRowWise(*op, inside)) {
        members.push_back(op);
        inside.insert_range(op->getResults());
        markReaders(*op, readers);
      } else if (readers.contains(op) || tainted.contains(op)) {
        markReaders(*op, tainted);
      }
    return members.size() < 2 ? SmallVector<Operation *>() : members;
  }

private:
  std::optional<int64_t> rowsAt(Operation *op) {
    auto [entry, isNew] = rows.try_emplace(op);
    if (isNew)
      entry->second = rowsOf(*op);
    return entry->second;
  }

  /// Adds the operations of the block that read a result of `op`, also inside of a chain.
  void markReaders(Operation &op, DenseSet<Operation *> &marked) {
    for (Operation *user : op.getUsers())
      marked.insert(block.findAncestorOpInBlock(*user));
  }

  Block &block;
  DenseMap<Operation *, std::optional<int64_t>> rows;
  DenseSet<Operation *> searched;
};

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
    ChainFinder finder(block);
    for (bool changed = true; changed;) {
      changed = false;
      for (Operation &op : block) {
        SmallVector<Operation *> members = finder.chainFrom(&op);
        if (members.empty())
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
