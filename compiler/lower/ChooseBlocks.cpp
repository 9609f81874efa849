// kernel-choose-blocks: what one block of threads of a GPU computes of each contraction.
#include "compiler/Passes.h"
#include "dialects/kernel/Kernel.h"

namespace danaus {
#define GEN_PASS_DEF_KERNELCHOOSEBLOCKS
#include "compiler/Passes.h.inc"
} // namespace danaus

using namespace mlir;
using namespace danaus;

namespace {

/// How well a block of bm x bn results uses its multipliers: what it reads from shared memory per
/// product falls with the size of both sides.
double efficiency(int64_t bm, int64_t bn) { return 1 / (1 + 8.0 / bm + 8.0 / bn); }

struct ChooseBlocks : danaus::impl::KernelChooseBlocksBase<ChooseBlocks> {
  using KernelChooseBlocksBase::KernelChooseBlocksBase;

  /// The tile whose slowest multiprocessor ends first; of equals the largest.
  void choose(kernel::ContractOp op) {
    ArrayRef<int64_t> sizes = op.getSizes();
    int64_t batches = llvm::product_of(sizes.drop_back(3)), best[2] = {0, 0};
    double least = std::numeric_limits<double>::infinity();
    for (int64_t bm : {128, 64, 32, 16, 8})
      for (int64_t bn : {128, 64, 32}) {
        if (bn < 4 * op.getGroup())
          continue;
        int64_t blocks = batches * llvm::divideCeil(sizes[op.getM()], bm) *
                         llvm::divideCeil(sizes[op.getN()], bn);
        double rounds = double(llvm::divideCeil(blocks, int64_t(multiprocessors)));
        double time = rounds * double(bm * bn) / efficiency(bm, bn);
        if (time < least) {
          least = time;
          best[0] = bm;
          best[1] = bn;
        }
      }
    op.setTile(ArrayRef<int64_t>(best));
  }

  void runOnOperation() override { getOperation().walk([&](kernel::ContractOp op) { choose(op); }); }
};

} // namespace
