// kernel-form-chains: kernels over the same rows become one launch. A row of the batch then goes
// through all of them while it is in cache, and no barrier stands between.
#include "compiler/Passes.h"
#include "compiler/lower/ChainRules.h"
#include "dialects/kernel/Kernel.h"

#include "mlir/Analysis/TopologicalSortUtils.h"

namespace danaus {
#define GEN_PASS_DEF_KERNELFORMCHAINS
#include "compiler/Passes.h.inc"
} // namespace danaus

using namespace mlir;
using namespace danaus;

namespace {

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
      if (rowsAt(op) == rows && !tainted.contains(op) &&
          obstacleToJoining(*op, *rows, inside) == Obstacle::None) {
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

/// Whether a contraction has so few rows that threads had better share its weights: in a chain each
/// of them reads all weights, and those that another one has packed or updated from far away. What
/// is made of them, which then goes from thread to thread instead, must be much less. From
/// `matrixRows` rows on a matrix unit computes whole rows.
bool isByColumns(kernel::ContractOp contract) {
  constexpr int64_t manyWeights = 64 * 1024, matrixRows = 256;
  auto sizes = contract.getSizes();
  int64_t rows = sizes[contract.getM()], n = sizes[contract.getN()], k = sizes[contract.getK()];
  auto isFloat32 = [](Value operand) {
    return cast<RankedTensorType>(operand.getType()).getElementType().isF32();
  };
  return contract.getNumBatch() == 0 && contract.getGroup() == 1 && rows < matrixRows &&
         n * k >= manyWeights && k >= 4 * rows && rowsOf(*contract) &&
         isFloat32(contract.getLhs()) && isFloat32(contract.getRhs());
}

struct FormChains : danaus::impl::KernelFormChainsBase<FormChains> {
  void runOnOperation() override {
    Block &block = getOperation().front();
    for (auto contract : block.getOps<kernel::ContractOp>())
      contract.setByColumns(isByColumns(contract));
    ChainFinder finder(block);
    for (bool changed = true; changed;) {
      changed = false;
      for (Operation &op : block) {
        SmallVector<Operation *> members = finder.chainFrom(&op);
        if (members.empty())
          continue;
        outlineChain(members);
        sortTopologically(&block);
        changed = true;
        break;
      }
    }
  }
};

} // namespace
