// What may follow a contraction in one launch of a GPU; used by kernel-form-block-chains.
#pragma once

#include "compiler/lower/BlockCost.h"
#include "compiler/lower/Obstacle.h"

namespace danaus {

/// What joining would cost, in cycles of a multiprocessor (BlockCost.h).
struct JoinCost {
  BlockPlan together; ///< one launch of all
  double apart = 0;   ///< the chain, and then the next alone
};

JoinCost costOfJoining(llvm::ArrayRef<kernel::ContractOp> chain, kernel::ContractOp next,
                       const GpuShape &gpu);

/// Why one launch of all is no gain.
Obstacle obstacleOf(const JoinCost &cost);

} // namespace danaus
