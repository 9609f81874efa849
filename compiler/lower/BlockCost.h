// A model of what contractions cost on a GPU, in cycles of a multiprocessor: enough to choose tiles
// and to tell whether one launch beats two. Not a prediction of times.
#pragma once

#include "dialects/kernel/Kernel.h"

#include "llvm/ADT/SetVector.h"

namespace danaus {

struct GpuShape {
  int64_t multiprocessors; ///< blocks that run at a time
  int64_t sharedBytes;     ///< that a block may use
};

/// What a block computes at a time, [BM, BN] of a contraction's results.
struct BlockTile {
  int64_t bm = 0, bn = 0;
};

/// How the warps of a block share a tile, and what a thread computes of it: tm x tn results.
struct WarpShares {
  static constexpr int64_t Warps = 8;
  explicit WarpShares(BlockTile tile);
  int64_t warpsM, warpsN, tm, tn;
};

/// Bytes of shared memory that a block needs to compute a tile, as the CUDA template uses them.
int64_t stagingBytes(kernel::ContractOp op, BlockTile tile);

/// Whether the template can be made for it: threads of a warp's columns share a group.
bool isPossible(kernel::ContractOp op, BlockTile tile);

/// The values that a chain makes and reads: they lie in its scratch, in this order.
llvm::SetVector<mlir::Value> scratchValues(llvm::ArrayRef<kernel::ContractOp> ops);

/// Columns of a value in a chain's scratch, from one row to the next: padded, so that rows lie in
/// different banks.
int64_t scratchColumns(mlir::Value value);

/// A way to compute one contraction, or a chain, and its cost.
struct BlockPlan {
  double cycles = 0;          ///< infinite where there is no way
  llvm::SmallVector<BlockTile> tiles; ///< of each contraction
  int64_t scratchBytes = 0;   ///< of a chain's intermediates, before the staging
  int64_t sharedBytes = 0;
};

/// The best plan for contractions that are one launch: one alone, or a chain, where each reads results
/// of those before it.
BlockPlan planBlocks(llvm::ArrayRef<kernel::ContractOp> ops, const GpuShape &gpu);

} // namespace danaus
