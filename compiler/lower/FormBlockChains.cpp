// kernel-form-block-chains: contractions of which one reads the other's rows become one launch,
// where a block of threads of a GPU can keep what lies between them in its shared memory.
#include "compiler/Passes.h"
#include "compiler/lower/BlockCost.h"
#include "compiler/lower/ChainRules.h"

#include "mlir/Analysis/TopologicalSortUtils.h"

namespace danaus {
#define GEN_PASS_DEF_KERNELFORMBLOCKCHAINS
#include "compiler/Passes.h.inc"
} // namespace danaus

using namespace mlir;
using namespace danaus;

namespace {

struct FormBlockChains : danaus::impl::KernelFormBlockChainsBase<FormBlockChains> {
  using KernelFormBlockChainsBase::KernelFormBlockChainsBase;

  void runOnOperation() override {
    Block &block = getOperation().front();
    for (auto contract : llvm::to_vector(block.getOps<kernel::ContractOp>()))
      if (contract->getBlock() == &block && rowsOf(*contract)) // else in a chain by now
        startAt(contract);
    sortTopologically(&block);
  }

private:
  double cyclesOf(ArrayRef<kernel::ContractOp> ops) {
    return planBlocks(ops, {multiprocessors, int64_t(sharedBytes)}).cycles;
  }

  /// The contraction after `members` that reads rows of the last one, and of the others at most by
  /// way of members.
  kernel::ContractOp nextOf(ArrayRef<kernel::ContractOp> members) {
    DenseSet<Value> inside, tainted;
    for (kernel::ContractOp member : members)
      inside.insert_range(member->getResults());
    Operation *last = members.back();
    for (Operation *op = members.front(); op; op = op->getNextNode()) {
      auto contract = dyn_cast<kernel::ContractOp>(op);
      if (contract && llvm::is_contained(members, contract))
        continue;
      bool isTainted =
          llvm::any_of(op->getOperands(), [&](Value v) { return tainted.contains(v); });
      if (contract && !isTainted && contract.getLhs().getDefiningOp() == last &&
          rowsOf(*op) == rowsOf(*last) && readsRowWise(*op, inside))
        return contract;
      auto readsInside = [&](Value v) { return inside.contains(v); };
      if (isTainted || llvm::any_of(op->getOperands(), readsInside))
        tainted.insert_range(op->getResults());
    }
    return {};
  }

  /// Grows a chain from `first` for as long as one launch more would cost more.
  void startAt(kernel::ContractOp first) {
    SmallVector<kernel::ContractOp> members{first};
    double cycles = cyclesOf(members);
    while (kernel::ContractOp next = nextOf(members)) {
      SmallVector<kernel::ContractOp> longer(members);
      longer.push_back(next);
      double together = cyclesOf(longer);
      if (!(together < cycles + cyclesOf(next)))
        break;
      members = longer;
      cycles = together;
    }
    if (members.size() > 1)
      outlineChain(llvm::to_vector_of<Operation *>(members));
  }
};

} // namespace
