// kernel-form-block-chains: contractions of which one reads the other's rows become one launch,
// where a block of threads of a GPU can keep what lies between them in its shared memory.
#include "compiler/Passes.h"
#include "compiler/lower/BlockCost.h"
#include "compiler/lower/ChainRules.h"
#include "compiler/lower/FusionRecord.h"

#include "mlir/Analysis/TopologicalSortUtils.h"
#include "llvm/Support/FormatVariadic.h"

namespace danaus {
#define GEN_PASS_DEF_KERNELFORMBLOCKCHAINS
#include "compiler/Passes.h.inc"
} // namespace danaus

using namespace mlir;
using namespace danaus;

namespace {

/// What it takes that `next` joins a chain, in cycles of a multiprocessor (BlockCost.h).
struct JoinCost {
  BlockPlan together; ///< one launch of all
  double apart = 0;   ///< the chain, and then the next alone
};

JoinCost costOfJoining(ArrayRef<kernel::ContractOp> chain, kernel::ContractOp next,
                       const GpuShape &gpu) {
  SmallVector<kernel::ContractOp> longer(chain);
  longer.push_back(next);
  return {planBlocks(longer, gpu), planBlocks(chain, gpu).cycles + planBlocks(next, gpu).cycles};
}

Obstacle obstacleOf(const JoinCost &cost) {
  if (std::isinf(cost.together.cycles))
    return Obstacle::NoRoom;
  return cost.together.cycles < cost.apart ? Obstacle::None : Obstacle::LaunchIsCheaper;
}

/// The obstacle with the numbers that decided.
std::string reasonOf(Obstacle obstacle, const JoinCost &cost, const GpuShape &gpu) {
  if (obstacle == Obstacle::NoRoom)
    return llvm::formatv("{0}: {1:F1} of {2:F1} KiB", describe(obstacle),
                         double(cost.together.leastBytes) / 1024, double(gpu.sharedBytes) / 1024);
  return llvm::formatv("{0}: {1:F0} thousand cycles instead of {2:F0}", describe(obstacle),
                       cost.apart / 1000, cost.together.cycles / 1000);
}

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
          obstacleToJoining(*op, *rowsOf(*last), inside) == Obstacle::None)
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
    GpuShape gpu{multiprocessors, int64_t(sharedBytes)};
    while (kernel::ContractOp next = nextOf(members)) {
      JoinCost cost = costOfJoining(members, next, gpu);
      if (Obstacle obstacle = obstacleOf(cost); obstacle != Obstacle::None) {
        recordRefusal(next, reasonOf(obstacle, cost, gpu));
        break;
      }
      members.push_back(next);
    }
    if (members.size() > 1)
      outlineChain(llvm::to_vector_of<Operation *>(members));
  }
};

} // namespace
