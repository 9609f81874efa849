// kernel-choose-blocks: what one block of threads of a GPU computes of each contraction.
#include "compiler/Passes.h"
#include "compiler/lower/BlockCost.h"

namespace danaus {
#define GEN_PASS_DEF_KERNELCHOOSEBLOCKS
#include "compiler/Passes.h.inc"
} // namespace danaus

using namespace mlir;
using namespace danaus;

namespace {

struct ChooseBlocks : danaus::impl::KernelChooseBlocksBase<ChooseBlocks> {
  using KernelChooseBlocksBase::KernelChooseBlocksBase;

  LogicalResult choose(Operation *at, ArrayRef<kernel::ContractOp> ops) {
    BlockPlan plan = planBlocks(ops, {multiprocessors, int64_t(sharedBytes)});
    if (std::isinf(plan.cycles))
      return at->emitOpError() << "fits no block of threads with " << int64_t(sharedBytes)
                               << " bytes of shared memory";
    for (auto [op, tile] : llvm::zip(ops, plan.tiles))
      kernel::ContractOp(op).setTile(ArrayRef<int64_t>{tile.bm, tile.bn});
    if (auto chain = dyn_cast<kernel::ChainOp>(at))
      chain.setRows(plan.tiles.front().bm);
    return success();
  }

  void runOnOperation() override {
    for (Operation &op : getOperation().front()) {
      SmallVector<kernel::ContractOp> ops;
      if (auto contract = dyn_cast<kernel::ContractOp>(op))
        ops.push_back(contract);
      if (auto chain = dyn_cast<kernel::ChainOp>(op))
        llvm::append_range(ops, chain.getBody().getOps<kernel::ContractOp>());
      if (!ops.empty() && failed(choose(&op, ops)))
        return signalPassFailure();
    }
  }
};

} // namespace
