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

/// Whether a contraction's products go to tensor cores: both operands have 16 bits,
/// and an lhs serves at most 8 groups.
bool usesTensorCores(kernel::ContractOp op);

/// Largest head that fits the registers of the template for tensor cores.
inline constexpr int64_t MostMmaHead = 128;
/// The same of attention, forward or backward.
template <typename Attention> bool attendsOnTensorCores(Attention op) {
  return op.getProducts() && op.getHeadSize() <= MostMmaHead;
}

/// How many batches of a contraction on tensor cores lie side by side in both operands, and are
/// computed together; 1 where it is not so. They are those of its last batch dimension.
int64_t interleaveOf(kernel::ContractOp op);

/// How the 8 warps of a block share a tile: warpsM x warpsN of them. On tensor cores a warp has tm
/// x tn tiles of 16 x 8 results, else a thread tm x tn results. On tensor
/// cores each warp has columns of all groups. tm is 0 where there is no way.
struct WarpShares {
  static constexpr int64_t Warps = 8;
  WarpShares(BlockTile tile, bool tensorCores, int64_t group, int64_t interleave = 1);
  int64_t warpsM = 0, warpsN = 0, tm = 0, tn = 0;
};

/// Where the tiles of operands may begin behind a chain's scratch: templates turn places in 64
/// bytes.
inline constexpr int64_t StagingAlignment = 64;

/// Bytes of shared memory that a block needs to compute a tile, as the CUDA templates use them.
int64_t stagingBytes(kernel::ContractOp op, BlockTile tile);

/// Whether a template can be made for it: what a thread or an mma computes shares a group.
bool isPossible(kernel::ContractOp op, BlockTile tile);

/// The values that a chain makes and reads: they lie in its scratch, in this order.
llvm::SetVector<mlir::Value> scratchValues(llvm::ArrayRef<kernel::ContractOp> ops);

/// The group by which the columns of a chain's value are ordered in scratch: that of its readers on
/// tensor cores, so that what one of them multiplies lies side by side. Groups are padded by 16
/// bytes.
int64_t scratchGroup(mlir::Value value);

/// Elements of a value in a chain's scratch from one row to the next: padded, so that rows lie in
/// different banks.
int64_t scratchColumns(mlir::Value value);

/// Bytes of `rows` rows of a value in a chain's scratch.
int64_t scratchBytes(mlir::Value value, int64_t rows);

/// A way to compute one contraction, or a chain, and its cost.
struct BlockPlan {
  double cycles = 0;                  ///< infinite where there is no way
  llvm::SmallVector<BlockTile> tiles; ///< of each contraction
  int64_t scratchBytes = 0;           ///< of a chain's intermediates, before the staging
  int64_t sharedBytes = 0;
  int64_t leastBytes = 0; ///< of shared memory that any way needs
};

/// The best plan for contractions that are one launch: one alone, or a chain, where each reads
/// results of those before it.
BlockPlan planBlocks(llvm::ArrayRef<kernel::ContractOp> ops, const GpuShape &gpu);

/// The cost of adding up partial sums, which lie in memory, in a launch of its own.
double cyclesOfSum(mlir::Value partial);

} // namespace danaus
